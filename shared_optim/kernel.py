"""Which code updates a list of parameters: compiled for a CPU, in Triton for a GPU, or eager."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from shared_optim.layout import Flat
from shared_optim.triton_update import triton_update
from shared_optim.update import compiled_kernel, eager_kernel, write

ListUpdate = Callable[[Sequence[Tensor], Tensor], None]
"""Updates its parameters in place, from gradients [K, n] and a table [K, 12] of `coefficients`."""


def list_update(
    flats: Sequence[Flat], gradient_dtype: torch.dtype, rounding: str, *, compiled: bool
) -> ListUpdate:
    """The update of parameters that share dtype, device and number of buffers.

    On a GPU it makes no decision on the host, so a CUDA graph can hold it.
    """
    theta = flats[0].theta
    thetas = [flat.theta for flat in flats]
    buffers = [list(column) for column in zip(*(flat.buffers for flat in flats), strict=True)]
    if theta.device.type != "cpu":
        if compiled and theta.dtype == torch.float32 and (kernel := triton_update(theta.device)):
            return kernel([thetas, *buffers], rounding)
        return lambda gradients, table: write([thetas, gradients, *buffers], table, rounding, True)
    if compiled:
        width = 2 + len(buffers)
        of_columns = compiled_kernel(theta.shape[0], width, theta.dtype, gradient_dtype, rounding)
    else:
        of_columns = eager_kernel(rounding)
    return lambda gradients, table: of_columns([thetas, gradients, *buffers], table)
