"""The update on a GPU: one launch for a whole list of parameters.

Triton comes with torch for CUDA. The arithmetic is that of the rules' formulas, operation by
operation, each rounded by itself (no fused multiply-add, IEEE division and root): the results are
theirs to the last bit, which is tried before the first use in a process.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from shared_optim.rule import Variant

try:
    import triton
    import triton.language as tl
except ImportError:  # a CPU build of torch
    triton = None

_BLOCK = 1024  # weights per program


def has_triton() -> bool:
    """Whether Triton can be imported."""
    return triton is not None


class TritonUpdate:
    """One step for a fixed list of float32 parameters with their buffers.

    Everything it reads and writes lies where it lay at construction, so a CUDA graph can hold its
    calls. It keeps addresses alone: whoever calls it sees to it that they are still those of the
    tensors. Gradients are copied first: theirs is the only memory that is new at every step.

    Args:
        variant: of the rule.
        columns: thetas, then the buffers in the variant's order: lists of tensors [K, n],
            contiguous.
        rows: the number of each parameter's first row in the table.
        gradient_dtype: of the gradients; any.

    Raises KeyError for a rule that has no kernel here.
    """

    def __init__(
        self,
        variant: Variant,
        columns: Sequence[Sequence[Tensor]],
        rows: Sequence[int],
        gradient_dtype: torch.dtype,
    ) -> None:
        self._kernel = _KERNELS[variant.rule.name]
        thetas, *buffers = columns
        self._gradients = [torch.empty_like(theta) for theta in thetas]
        device = thetas[0].device
        columns = [thetas, self._gradients, *buffers]
        addresses = [_numbers([t.data_ptr() for t in column], device) for column in columns]
        # those of buffers that this variant has not are not read
        missing = len(variant.rule.buffers) - len(variant.buffers)
        self._addresses = [*addresses, *[addresses[0]] * missing]
        owners, table_rows, starts, stops = [], [], [], []
        for owner, (theta, first) in enumerate(zip(thetas, rows, strict=True)):
            members, n = theta.shape
            for k in range(members):
                for start in range(k * n, (k + 1) * n, _BLOCK):
                    owners.append(owner)
                    table_rows.append(first + k)
                    starts.append(start)
                    stops.append((k + 1) * n)
        self._programs, self._owners = len(owners), owners
        self._found = torch.zeros(0, 4, dtype=torch.float64, device=device)
        self._places = [_numbers(each, device) for each in (owners, table_rows, starts, stops)]
        self._options = {
            "FIELDS": len(variant.rule.fields),
            "BUFFERS": len(variant.buffers),
            "ONCE": "once" in variant.flags,
            "ALIGNED": "aligned" in variant.flags,
            "NESTEROV": "nesterov" in variant.flags,
            "MEASURED": False,
        }

    def measure(self, groups: Sequence[Sequence[int]]) -> None:
        """Have every call from here on leave `products`.

        Args:
            groups: which parameters' steps are measured together, by their numbers.
        """
        device = self._found.device
        self._found = torch.zeros(self._programs, 4, dtype=torch.float64, device=device)
        chosen = [set(group) for group in groups]
        self._of_groups = [
            _numbers([i for i, owner in enumerate(self._owners) if owner in each], device)
            for each in chosen
        ]
        self._options["MEASURED"] = True

    @property
    def products(self) -> Tensor:
        """Of the last call, see `Plan.products`."""
        return torch.stack([self._found[rows].sum(0) for rows in self._of_groups])

    def __call__(self, gradients: Sequence[Tensor], table: Tensor) -> None:
        """Update everything in place.

        Args:
            gradients: as `Flat.in_order` gives them, of any floating dtype.
            table: coefficients [rows, fields], float32, on the device.
        """
        pairs = zip(gradients, self._gradients, strict=True)
        torch._foreach_copy_(self._gradients, [g.view(like.shape) for g, like in pairs])
        if not self._programs:
            return
        # Triton launches on the current GPU, whatever GPU the tensors are on
        with torch.cuda.device(table.get_device()):
            self._kernel[(self._programs,)](
                *self._addresses,
                *self._places,
                table,
                self._found,
                **self._options,
                BLOCK=_BLOCK,
                enable_fp_fusion=False,
            )


def _numbers(values: Sequence[int], device: torch.device) -> Tensor:
    return torch.tensor(values, dtype=torch.int64, device=device)


_KERNELS: dict[str, Any] = {}

if triton is not None:

    @triton.jit
    def _element(at, owner, place):
        return tl.load(at + owner).to(tl.pointer_type(tl.float32)) + place

    @triton.jit
    def _shrunk(
        theta, change, step, decoupled, kept, decoupled_aligned, kept_aligned, ONCE, ALIGNED
    ):
        if ALIGNED:
            agrees = tl.where(theta > 0, step >= 0, step <= 0)
            decoupled = tl.where(agrees, decoupled_aligned, decoupled)
            kept = tl.where(agrees, kept_aligned, kept)
        if ONCE:
            return theta - (change + decoupled * theta)
        return theta * kept - change

    @triton.jit
    def _measure(at, theta, after, g):
        # what lies outside of a parameter was read as 0, and its step is 0
        w, g = theta.to(tl.float64), g.to(tl.float64)
        u = after.to(tl.float64) - w
        tl.store(at, tl.sum(u * u))
        tl.store(at + 1, tl.sum(w * u))
        tl.store(at + 2, tl.sum(g * g))
        tl.store(at + 3, tl.sum(w * g))

    # In both the coefficients are numbered as the rule has them.

    @triton.jit
    def _adam(
        theta_at,
        gradient_at,
        m_at,
        v_at,
        decay_m_at,
        decay_v_at,
        owners,
        rows,
        starts,
        stops,
        table,
        found,
        FIELDS: tl.constexpr,
        BUFFERS: tl.constexpr,
        ONCE: tl.constexpr,
        ALIGNED: tl.constexpr,
        NESTEROV: tl.constexpr,
        MEASURED: tl.constexpr,
        BLOCK: tl.constexpr,
    ):
        program = tl.program_id(0)
        owner = tl.load(owners + program)
        c = table + tl.load(rows + program) * FIELDS
        if tl.load(c) > 0:
            place = tl.load(starts + program) + tl.arange(0, BLOCK)
            inside = place < tl.load(stops + program)
            theta_p = _element(theta_at, owner, place)
            m_p = _element(m_at, owner, place)
            v_p = _element(v_at, owner, place)
            theta = tl.load(theta_p, mask=inside, other=0.0)
            raw = tl.load(_element(gradient_at, owner, place), mask=inside, other=0.0)
            g = tl.load(c + 1) * raw
            g = g + tl.load(c + 2) * theta
            beta1, rest1 = tl.load(c + 3), tl.load(c + 4)
            beta2, rest2 = tl.load(c + 5), tl.load(c + 6)
            step_size, eps = tl.load(c + 7), tl.load(c + 8)
            m = beta1 * tl.load(m_p, mask=inside, other=0.0) + rest1 * g
            v = beta2 * tl.load(v_p, mask=inside, other=0.0) + rest2 * (g * g)
            tl.store(m_p, m, mask=inside)
            tl.store(v_p, v, mask=inside)
            step = tl.div_rn(step_size * m, tl.sqrt_rn(v) + eps)
            change = step
            if BUFFERS == 4:
                decay_m_p = _element(decay_m_at, owner, place)
                decay_v_p = _element(decay_v_at, owner, place)
                decay_m = beta1 * tl.load(decay_m_p, mask=inside, other=0.0) + rest1 * theta
                decay_v = tl.load(decay_v_p, mask=inside, other=0.0)
                decay_v = beta2 * decay_v + rest2 * (theta * theta)
                tl.store(decay_m_p, decay_m, mask=inside)
                tl.store(decay_v_p, decay_v, mask=inside)
                below = tl.sqrt_rn(decay_v) + eps
                below = tl.where(below == 0.0, float("inf"), below)
                change = step + tl.div_rn(tl.load(c + 9) * decay_m, below)
            after = _shrunk(
                theta,
                change,
                step,
                tl.load(c + 10),
                tl.load(c + 11),
                tl.load(c + 12),
                tl.load(c + 13),
                ONCE,
                ALIGNED,
            )
            tl.store(theta_p, after, mask=inside)
            if MEASURED:
                _measure(found + 4 * program, theta, tl.where(inside, after, 0.0), raw)

    @triton.jit
    def _sgd(
        theta_at,
        gradient_at,
        momentum_at,
        owners,
        rows,
        starts,
        stops,
        table,
        found,
        FIELDS: tl.constexpr,
        BUFFERS: tl.constexpr,
        ONCE: tl.constexpr,
        ALIGNED: tl.constexpr,
        NESTEROV: tl.constexpr,
        MEASURED: tl.constexpr,
        BLOCK: tl.constexpr,
    ):
        program = tl.program_id(0)
        owner = tl.load(owners + program)
        c = table + tl.load(rows + program) * FIELDS
        if tl.load(c) > 0:
            place = tl.load(starts + program) + tl.arange(0, BLOCK)
            inside = place < tl.load(stops + program)
            theta_p = _element(theta_at, owner, place)
            theta = tl.load(theta_p, mask=inside, other=0.0)
            raw = tl.load(_element(gradient_at, owner, place), mask=inside, other=0.0)
            g = tl.load(c + 1) * raw
            g = g + tl.load(c + 2) * theta
            u = g
            if BUFFERS == 1:
                momentum_p = _element(momentum_at, owner, place)
                momentum = tl.load(c + 3)
                buffer = momentum * tl.load(momentum_p, mask=inside, other=0.0) + g
                tl.store(momentum_p, buffer, mask=inside)
                u = buffer
                if NESTEROV:
                    u = g + momentum * buffer
            step = tl.load(c + 4) * u
            after = _shrunk(
                theta,
                step,
                step,
                tl.load(c + 5),
                tl.load(c + 6),
                tl.load(c + 7),
                tl.load(c + 8),
                ONCE,
                ALIGNED,
            )
            tl.store(theta_p, after, mask=inside)
            if MEASURED:
                _measure(found + 4 * program, theta, tl.where(inside, after, 0.0), raw)

    _KERNELS |= {"adam": _adam, "sgd": _sgd}
