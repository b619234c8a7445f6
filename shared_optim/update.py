"""The update: one formula over [K, n] tensors, and the compiled kernel made of it.

    g     = grad + s_t*l2*theta
    m     = b1*m + (1-b1)*g             v  = b2*v + (1-b2)*g^2
    m'    = b1*m' + (1-b1)*theta        v' = b2*v' + (1-b2)*theta^2
    u     = m^/(sqrt(v^)+eps) + s_t*separated*m'^/(sqrt(v'^)+eps) + s_t*decoupled*theta
    theta = theta - alpha*u             with x^ = x / (1 - b^t)

theta on the right is always theta_{t-1}. Everything that changes from step to step enters through
`coefficients`, a small tensor made on the host in float64, so that nothing is ever recompiled.
"""

import functools
import inspect
import math
import types
import warnings
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from shared_optim.groups import spread
from shared_optim.schedules import parse_schedule

# theta, gradient, m, v [, m', v'] of some parameters, each [K, n]; n differs between parameters.
Columns = Sequence[Sequence[Tensor]]
Kernel = Callable[[Columns, Tensor], None]

# Parameters per compiled call: a call costs as much as updating 30,000 weights, and compiling takes
# a second per parameter. A Nature DQN has ten.
WIDTH = 10
_TRACED_SIZE = 100_000  # weights; large enough to be spread over threads
_CACHED = 2**15  # weights per piece of the eager update, whose six tensors fill an L2 cache


class Coefficients(NamedTuple):
    """What the formula multiplies with, per member: numbers on the host, [K, 1] in the kernel."""

    active: Any  # 1 or 0
    direction: Any  # -1 to ascend
    l2: Any  # s_t * l2
    beta1: Any
    rest1: Any  # 1 - beta1
    beta2: Any
    rest2: Any  # 1 - beta2
    step_size: Any  # alpha * sqrt(1 - beta2^t) / (1 - beta1^t)
    eps: Any  # what is added to sqrt(v)
    separated: Any  # s_t * separated * step_size
    decoupled: Any  # s_t * decoupled * alpha
    kept: Any  # 1 - s_t * decoupled * alpha


FIELDS = len(Coefficients._fields)


def coefficients(
    group: dict[str, Any], steps: Sequence[int], active: Sequence[bool], dtype: torch.dtype
) -> Tensor:
    """The fields of `Coefficients` at steps t [K], computed in float64: [K, 12], on the CPU.

    They come in float64 for parameters of dtype float64 and in float32 for all narrower ones, and
    the arithmetic follows them.

    m^/(sqrt(v^)+eps) is computed as step_size*m/(sqrt(v)+eps_t), with eps_t = eps*sqrt(1-b2^t) for
    eps outside the bias correction and eps_t = eps for eps-hat.
    """
    lr, eps = float(group["lr"]), group["eps"]
    beta1, beta2 = group["betas"]
    members = len(steps)
    values: list[float] = []
    for t, acts, l2, decoupled, separated, schedule in zip(
        steps,
        active,
        *(spread(group[key], members) for key in ("l2", "decoupled", "separated", "schedule")),
        strict=True,
    ):
        t = max(t, 1)  # 0 where an inactive member never took a step
        multiplier = parse_schedule(schedule).multiplier(t)
        root = math.sqrt(1 - beta2**t)
        step_size = lr * root / (1 - beta1**t)
        values += Coefficients(
            active=float(acts),
            direction=-1.0 if group["maximize"] else 1.0,
            l2=multiplier * l2,
            beta1=beta1,
            rest1=1 - beta1,
            beta2=beta2,
            rest2=1 - beta2,
            step_size=step_size,
            eps=eps * root if group["eps_placement"] == "outside" else eps,
            separated=multiplier * separated * step_size,
            decoupled=multiplier * decoupled * lr,
            kept=1 - multiplier * decoupled * lr,
        )
    kind = np.float64 if dtype == torch.float64 else np.float32
    return torch.from_numpy(np.array(values, dtype=kind).reshape(members, -1))


def update(tensors: Sequence[Tensor], c: Coefficients, rounding: str) -> list[Tensor]:
    """One step of one parameter: the new theta, m, v and, with separated decay, m', v', [K, n].

    Args:
        tensors: theta, gradient, m, v and, with separated decay, m', v', each [K, n].
        c: each [K, 1].
        rounding: `once` adds all terms up before theta is rounded; `torch` rounds
            theta*(1 - alpha*lambda) first, as torch.optim.AdamW does.
    """
    theta, gradient, *buffers = (tensor.to(c.active.dtype) for tensor in tensors)
    g = c.direction * gradient + c.l2 * theta
    m = c.beta1 * buffers[0] + c.rest1 * g
    v = c.beta2 * buffers[1] + c.rest2 * (g * g)
    moments = [m, v]
    change = c.step_size * m / (_root(v) + c.eps)
    if len(buffers) == 4:
        decay_m = c.beta1 * buffers[2] + c.rest1 * theta
        decay_v = c.beta2 * buffers[3] + c.rest2 * (theta * theta)
        moments += [decay_m, decay_v]
        change = change + c.separated * decay_m / (_root(decay_v) + c.eps)
    if rounding == "once":
        return [theta - (change + c.decoupled * theta), *moments]
    return [theta * c.kept - change, *moments]


def _root(x: Tensor) -> Tensor:
    """The correctly rounded root, as in compiled code; torch's operator on CPUs is off at times."""
    if torch.compiler.is_compiling() or x.device.type != "cpu":
        return x.sqrt()
    return torch.from_numpy(np.sqrt(x.numpy()))


def write(columns: Columns, coefficients: Tensor, rounding: str, masked: bool) -> None:
    """`update` of every parameter in place; with `masked`, of active members only."""
    c = Coefficients(*coefficients.unsqueeze(1).unbind(2))
    for theta, gradient, *buffers in zip(*columns, strict=True):
        results = update([theta, gradient, *buffers], c, rounding)
        for old, new in zip([theta, *buffers], results, strict=True):
            # Selecting, not multiplying by 0: an inactive member may hold NaN.
            old.copy_(torch.where(c.active > 0, new, old) if masked else new)


def eager_kernel(rounding: str) -> Kernel:
    """`write` operator by operator, on a CPU, in pieces that stay in its cache."""

    def kernel(columns: Columns, coefficients: Tensor) -> None:
        masked = not bool((coefficients[:, 0] > 0).all())  # column 0: active
        for tensors in zip(*columns, strict=True):
            size = max(_CACHED // tensors[0].shape[0], 1)
            for pieces in zip(*(t.split(size, dim=1) for t in tensors), strict=True):
                write([[piece] for piece in pieces], coefficients, rounding, masked)

    return kernel


@functools.cache
def compiled_kernel(
    members: int,
    width: int,
    dtype: torch.dtype,
    gradient_dtype: torch.dtype,
    rounding: str,
) -> Kernel:
    """`write` compiled for a CPU and any number of parameters of any size; eager where no compiler
    works.

    It is traced once on WIDTH placeholders of different sizes, marked dynamic, so neither the
    model nor its sizes matter, and the next process on a machine finds it in torch's cache.

    Args:
        members: K.
        width: tensors per parameter: 4, or 6 with separated decay.
        dtype: of the parameters and their buffers.
        gradient_dtype: of the gradients, where `Tensor.grad_dtype` makes it another.
        rounding: as in `update`.
    """
    global _compiler_works
    if not _compiler_works:
        return eager_kernel(rounding)
    isolated = "isolate_recompiles" in inspect.signature(torch.compile).parameters
    compiled = torch.compile(  # type: ignore[call-overload]
        # One function for all combinations of arguments. Before torch 2.13 each needs code of its
        # own: what is compiled is found by the code, and there are no guards to tell them apart.
        write if isolated else types.FunctionType(write.__code__.replace(), write.__globals__),
        # Everything the trace depends on is an argument of this function. Guards would cost as
        # much as the update of a small network, and forbid the sizes 0 and 1.
        options={
            "guard_filter_fn": torch.compiler.skip_all_guards_unsafe,
            "size_asserts": False,
            "cpp.dynamic_threads": True,
        },
        **({"isolate_recompiles": True} if isolated else {}),
    )
    n = _TRACED_SIZE // members
    dtypes = [dtype, gradient_dtype, *[dtype] * (width - 2)]
    placeholders = [
        [torch.zeros(members, n + i, dtype=each) for i in range(WIDTH)] for each in dtypes
    ]
    for column in placeholders:
        for tensor in column:
            torch._dynamo.mark_dynamic(tensor, 1)
    try:
        compiled(
            placeholders,
            torch.zeros(members, FIELDS, dtype=_arithmetic(dtype)),
            rounding,
            True,
        )
    except Exception as error:  # whatever a compiler that is missing or broken may raise
        _compiler_works = False
        warnings.warn(
            f"the optimizer runs uncompiled, several times slower: {type(error).__name__}: "
            f"{str(error).splitlines()[0] if str(error) else ''}",
            RuntimeWarning,
            stacklevel=2,
        )
        return eager_kernel(rounding)
    padding = [torch.zeros(members, 0, dtype=each) for each in dtypes]

    def kernel(columns: Columns, coefficients: Tensor) -> None:
        for start in range(0, len(columns[0]), WIDTH):
            chunk = [list(column[start : start + WIDTH]) for column in columns]
            for column, empty in zip(chunk, padding, strict=True):
                column.extend([empty] * (WIDTH - len(column)))
            compiled(chunk, coefficients, rounding, True)

    return kernel


_compiler_works = True


def _arithmetic(dtype: torch.dtype) -> torch.dtype:
    return torch.float64 if dtype == torch.float64 else torch.float32
