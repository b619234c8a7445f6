"""Which code updates a list of parameters: in C on a CPU, in Triton on a GPU, or eagerly."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from shared_optim.compiler import CompileError
from shared_optim.formula import arithmetic
from shared_optim.native import CpuUpdate
from shared_optim.rule import Variant
from shared_optim.triton_update import TritonUpdate, has_triton

ListUpdate = Callable[[Sequence[Tensor], Tensor], None]
"""Updates its parameters in place, from gradients in their order and a table of coefficients."""

_CACHED = 2**15  # elements per piece of the eager update, whose tensors then fill an L2 cache


def list_update(
    tensors: Sequence[Sequence[Tensor]],
    rows: Sequence[int],
    gradient_dtype: torch.dtype,
    variant: Variant,
) -> ListUpdate | None:
    """The kernel for parameters that share device, dtypes and variant; None where none will do.

    On a GPU it makes no decision on the host, so a CUDA graph can hold it. It keeps the addresses
    of the tensors and not the tensors: whoever calls it sees to it that they are where they were.

    Args:
        tensors: theta and the buffers of each parameter, [K, n] each.
        rows: the number of each one's first row in the table.
        gradient_dtype: of their gradients.
        variant: of the rule.
    """
    columns = [list(column) for column in zip(*tensors, strict=True)]
    dtypes = (columns[0][0].dtype, gradient_dtype, (columns[1:] or columns)[0][0].dtype)
    if make := _kernel(columns[0][0].device, dtypes, variant):
        try:
            return make(variant, columns, rows, gradient_dtype)
        except ValueError:  # tensors that share memory are updated one after the other
            pass
    return None


def eager_update(
    tensors: Sequence[Sequence[Tensor]],
    rows: Sequence[int],
    gradients: Sequence[Tensor],
    table: Tensor,
    variant: Variant,
) -> None:
    """The same by the formula, parameter by parameter."""
    changing = {each.untyped_storage().data_ptr() for mine in tensors for each in mine}
    gradients = [
        gradient.clone() if gradient.untyped_storage().data_ptr() in changing else gradient
        for gradient in gradients
    ]
    for (theta, *buffers), gradient, row in zip(tensors, gradients, rows, strict=True):
        _eager(
            [theta, gradient.view(theta.shape), *buffers],
            table[row : row + theta.shape[0]],
            variant,
        )


def _eager(tensors: Sequence[Tensor], rows: Tensor, variant: Variant) -> None:
    """The formula of one parameter, operator by operator, written into theta and the buffers."""
    if tensors[0].device.type != "cpu":
        _write(tensors, rows, variant, masked=True)
        return
    masked = not bool((rows[:, 0] > 0).all())
    size = max(_CACHED // tensors[0].shape[0], 1)
    for pieces in zip(*(torch.split(tensor, size, dim=1) for tensor in tensors), strict=True):
        _write(pieces, rows, variant, masked=masked)


def _write(tensors: Sequence[Tensor], rows: Tensor, variant: Variant, *, masked: bool) -> None:
    theta, gradient, *buffers = tensors
    c = variant.rule.coefficients(*rows.unsqueeze(1).unbind(2))
    results = variant.rule.step([theta, gradient, *buffers], c, variant.flags)
    for old, new in zip([theta, *buffers], results, strict=True):
        # Selecting, not multiplying by 0: an inactive member may hold NaN.
        old.copy_(torch.where(c[0] > 0, new.to(old.dtype), old) if masked else new)


Dtypes = tuple[torch.dtype, torch.dtype, torch.dtype]  # of parameters, gradients, buffers
_Make = Callable[[Variant, Sequence[Sequence[Tensor]], Sequence[int], torch.dtype], ListUpdate]


@functools.cache
def _kernel(device: torch.device, dtypes: Dtypes, variant: Variant) -> _Make | None:
    """The kernel for these where there is one that gives the formula's bits, else None."""
    make: _Make
    if device.type == "cpu":
        make = CpuUpdate
    elif has_triton() and {dtypes[0], dtypes[2]} == {torch.float32}:
        make = TritonUpdate
    else:
        return None
    try:
        differing = differs(make, device, dtypes, variant)
    except KeyError:  # dtypes that nobody trains in often: no warning
        return None
    except CompileError as error:
        _warn_once(str(error), device)
        return None
    except Exception as error:  # whatever a compiler or a driver may raise
        _warn_once(f"{type(error).__name__}: {(str(error).splitlines() or [''])[0]}", device)
        return None
    if differing:
        _warn_once(differing, device)
        return None
    return make


def differs(make: _Make, device: torch.device, dtypes: Dtypes, variant: Variant) -> str:
    """How a kernel differs from the formula on random tensors; empty where it does not at all."""
    # whatever device and dtype a program has made torch's defaults
    made: Any = {
        "generator": torch.Generator("cpu").manual_seed(0),
        "device": "cpu",
        "dtype": torch.float32,
    }
    kinds = [dtypes[0], dtypes[1], *[dtypes[2]] * len(variant.buffers)]
    columns = [[torch.randn(2, n, **made).to(kind) for n in (1, 7, 300)] for kind in kinds]
    for column in columns[3::2]:  # second moments
        for tensor in column:
            tensor.square_()
    rows = [0, 2, 0]
    table = torch.rand(4, len(variant.rule.fields), **made) + 0.01
    table[1, 0] = 0.0  # an inactive member
    table = table.to(device, arithmetic(dtypes[0]))
    ours = [[tensor.to(device) for tensor in column] for column in columns]
    expected = [[tensor.clone() for tensor in column] for column in ours]
    make(variant, [ours[0], *ours[2:]], rows, dtypes[1])(ours[1], table)
    for row, *tensors in zip(rows, *expected, strict=True):
        _eager(tensors, table[row : row + 2], variant)
    same = all(
        torch.equal(one, other)
        for column, wanted in zip(ours, expected, strict=True)
        for one, other in zip(column, wanted, strict=True)
    )
    return "" if same else f"the kernel gave other bits ({variant})"


@functools.cache
def _warn_once(reason: str, device: torch.device) -> None:
    warnings.warn(
        f"the optimizer runs operator by operator on {device}, several times slower: {reason}",
        RuntimeWarning,
        stacklevel=2,
    )
