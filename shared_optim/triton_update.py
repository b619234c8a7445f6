"""The update of `shared_optim.update` on a GPU: one launch for a whole list of parameters.

Triton comes with torch for CUDA. The arithmetic is `update`'s, operation by operation, each rounded
by itself (no fused multiply-add, IEEE division and root): the results are the eager ones to the
last bit. That is not believed but tried, at the first use in a process. Where Triton is missing,
fails, or gives any other bit, `triton_update` returns None, after one warning.
"""

import functools
import warnings
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from shared_optim.update import FIELDS, write

try:
    import triton
    import triton.language as tl
except ImportError:  # a CPU build of torch
    triton = None

_BLOCK = 1024  # weights per program


class TritonUpdate:
    """One step for a fixed list of float32 parameters with their buffers.

    Everything it reads and writes lies where it lay at construction, so a CUDA graph can hold its
    calls. Gradients are copied first: theirs is the only memory that is new at every step.

    Args:
        columns: thetas, ms, vs and perhaps m's, v's: lists of tensors [K, n], contiguous.
        rounding: as in `update`.
    """

    def __init__(self, columns: Sequence[Sequence[Tensor]], rounding: str) -> None:
        thetas, *buffers = columns
        self._gradients = [torch.empty_like(theta) for theta in thetas]
        device = thetas[0].device
        tensors = [thetas, self._gradients, *buffers]
        self._kept = tensors  # their addresses are all that the kernel has
        self._addresses = [_numbers([t.data_ptr() for t in column], device) for column in tensors]
        owners, members, starts, stops = [], [], [], []
        for owner, theta in enumerate(thetas):
            rows, n = theta.shape
            for k in range(rows):
                for start in range(k * n, (k + 1) * n, _BLOCK):
                    owners.append(owner)
                    members.append(k)
                    starts.append(start)
                    stops.append((k + 1) * n)
        self._programs = len(owners)
        self._places = [_numbers(each, device) for each in (owners, members, starts, stops)]
        self._rounding = rounding

    def __call__(self, gradients: Sequence[Tensor], coefficients: Tensor) -> None:
        """Update everything in place.

        Args:
            gradients: [K, n] each, in the parameters' order, of any floating dtype.
            coefficients: [K, 12] float32 on the device, see `Coefficients`.
        """
        torch._foreach_copy_(self._gradients, list(gradients))
        if not self._programs:
            return
        separated = len(self._addresses) == 6
        theta, gradient, m, v, *decay = self._addresses
        decay_m, decay_v = decay if separated else (m, v)  # not read
        # Triton launches on the current GPU, whatever GPU the tensors are on
        with torch.cuda.device(coefficients.get_device()):
            _kernel[(self._programs,)](
                theta,
                gradient,
                m,
                v,
                decay_m,
                decay_v,
                *self._places,
                coefficients,
                FIELDS=FIELDS,
                SEPARATED=separated,
                ONCE=self._rounding == "once",
                BLOCK=_BLOCK,
                enable_fp_fusion=False,
            )


@functools.cache
def triton_update(device: torch.device) -> type[TritonUpdate] | None:
    """`TritonUpdate` where it has proved itself on the device, else None."""
    if triton is None:
        return None
    try:
        differing = _differing(device)
    except Exception as error:  # whatever a compiler or a driver may raise
        differing = f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"
    if differing:
        warnings.warn(
            f"the optimizer runs operator by operator on {device}, slower: {differing}",
            RuntimeWarning,
            stacklevel=2,
        )
        return None
    return TritonUpdate


def _differing(device: torch.device) -> str:
    """What differs between the kernel and the eager update on random tensors, '' for nothing."""
    generator = torch.Generator().manual_seed(0)
    for rounding in ("once", "torch"):
        for buffers in (2, 4):
            columns = [
                [torch.randn(2, n, generator=generator) for n in (1, 7, 3000)]
                for _ in range(2 + buffers)
            ]
            for column in columns[3::2]:  # v, v'
                for tensor in column:
                    tensor.square_()
            table = torch.rand(2, FIELDS, generator=generator) + 0.01
            table[1, 0] = 0.0  # the second member is inactive
            ours = [[tensor.to(device) for tensor in column] for column in columns]
            eager = [[tensor.clone() for tensor in column] for column in ours]
            table = table.to(device)
            TritonUpdate([ours[0], *ours[2:]], rounding)(ours[1], table)
            write(eager, table, rounding, True)
            for column, expected in zip(ours, eager, strict=True):
                if not all(map(torch.equal, column, expected)):
                    return f"the Triton kernel gave other bits ({rounding}, {buffers} buffers)"
    return ""


def _numbers(values: Sequence[int], device: torch.device) -> Tensor:
    return torch.tensor(values, dtype=torch.int64, device=device)


if triton is not None:

    @triton.jit
    def _kernel(
        theta_at,
        gradient_at,
        m_at,
        v_at,
        decay_m_at,
        decay_v_at,
        owners,
        members,
        starts,
        stops,
        coefficients,
        FIELDS: tl.constexpr,
        SEPARATED: tl.constexpr,
        ONCE: tl.constexpr,
        BLOCK: tl.constexpr,
    ) -> Any:
        program = tl.program_id(0)
        owner = tl.load(owners + program)
        # the fields of `Coefficients`, in their order
        c = coefficients + tl.load(members + program) * FIELDS
        if tl.load(c) > 0:
            place = tl.load(starts + program) + tl.arange(0, BLOCK)
            inside = place < tl.load(stops + program)
            theta_p = tl.load(theta_at + owner).to(tl.pointer_type(tl.float32)) + place
            gradient_p = tl.load(gradient_at + owner).to(tl.pointer_type(tl.float32)) + place
            m_p = tl.load(m_at + owner).to(tl.pointer_type(tl.float32)) + place
            v_p = tl.load(v_at + owner).to(tl.pointer_type(tl.float32)) + place
            theta = tl.load(theta_p, mask=inside, other=0.0)
            g = tl.load(c + 1) * tl.load(gradient_p, mask=inside, other=0.0)
            g = g + tl.load(c + 2) * theta
            beta1, rest1 = tl.load(c + 3), tl.load(c + 4)
            beta2, rest2 = tl.load(c + 5), tl.load(c + 6)
            step_size, eps = tl.load(c + 7), tl.load(c + 8)
            m = beta1 * tl.load(m_p, mask=inside, other=0.0) + rest1 * g
            v = beta2 * tl.load(v_p, mask=inside, other=0.0) + rest2 * (g * g)
            tl.store(m_p, m, mask=inside)
            tl.store(v_p, v, mask=inside)
            change = tl.div_rn(step_size * m, tl.sqrt_rn(v) + eps)
            if SEPARATED:
                decay_m_p = tl.load(decay_m_at + owner).to(tl.pointer_type(tl.float32)) + place
                decay_v_p = tl.load(decay_v_at + owner).to(tl.pointer_type(tl.float32)) + place
                decay_m = beta1 * tl.load(decay_m_p, mask=inside, other=0.0) + rest1 * theta
                decay_v = tl.load(decay_v_p, mask=inside, other=0.0)
                decay_v = beta2 * decay_v + rest2 * (theta * theta)
                tl.store(decay_m_p, decay_m, mask=inside)
                tl.store(decay_v_p, decay_v, mask=inside)
                change = change + tl.div_rn(tl.load(c + 9) * decay_m, tl.sqrt_rn(decay_v) + eps)
            if ONCE:
                theta = theta - (change + tl.load(c + 10) * theta)
            else:
                theta = theta * tl.load(c + 11) - change
            tl.store(theta_p, theta, mask=inside)
