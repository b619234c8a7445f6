"""A parameter and its buffers as [K, n] matrices: row k is member k, columns in memory order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

BUFFERS = ("exp_avg", "exp_avg_sq", "decay_exp_avg", "decay_exp_avg_sq")

Axes = tuple[int, ...] | None  # None: the axes as they are


@dataclass(frozen=True, slots=True)
class Flat:
    """Views of one parameter and its buffers, kept from step to step because making them costs.

    Attributes:
        parameter: the parameter, [...] or stacked [K, ...].
        axes: its axes, outermost in memory first; the population's axis always leads.
        rows, columns: K and n.
        theta: [K, n], a view of the parameter, or a copy when no such view exists.
        buffers: exp_avg, exp_avg_sq and perhaps decay_exp_avg, decay_exp_avg_sq, views [K, n].
        sources: the tensors in the optimizer's state that `buffers` view.
        identities: of the values of BUFFERS in the state, None where there is none.
        address: of the parameter's memory when the views were made.
        is_view: whether theta is a view.
    """

    parameter: Tensor
    axes: Axes
    rows: int
    columns: int
    theta: Tensor
    buffers: tuple[Tensor, ...]
    sources: tuple[Tensor, ...]
    identities: list[int]
    address: int
    is_view: bool

    @classmethod
    def of(cls, parameter: Tensor, state: dict[str, Any], members: int | None) -> Flat:
        """Views of `parameter` and of the buffers in its `state`.

        Buffers of another layout, dtype or device are first brought to the parameter's. Raises
        ValueError for one of another shape.
        """
        axes = memory_order(parameter, stacked=members is not None)
        rows = members or 1
        names = [name for name in BUFFERS if name in state]
        for name in names:
            if state[name].shape != parameter.shape:
                raise ValueError(
                    f"{name} of shape {tuple(state[name].shape)} in the optimizer's state does not "
                    f"belong to a parameter of shape {tuple(parameter.shape)}; are the parameters "
                    "in the order in which the state was saved?"
                )
            if not _is_like(state[name], parameter, axes):
                state[name] = zeros_in_order(parameter, axes).copy_(state[name])
        theta = flatten(parameter, axes, rows)
        return cls(
            parameter,
            axes,
            rows,
            parameter.numel() // rows,
            theta,
            tuple(flatten(state[name], axes, rows) for name in names),
            tuple(state[name] for name in names),
            [*map(id, map(state.get, BUFFERS))],
            parameter.data_ptr(),
            theta.data_ptr() == parameter.data_ptr(),
        )

    def is_current(self, state: dict[str, Any]) -> bool:
        """Whether these still view the parameter's memory and exactly the buffers in `state`."""
        same_buffers = [*map(id, map(state.get, BUFFERS))] == self.identities
        return same_buffers and self.parameter.data_ptr() == self.address

    def matrix(self, gradient: Tensor) -> Tensor:
        """A gradient as [K, n] in the order of theta."""
        if self.axes is None and gradient.is_contiguous():
            return gradient.view(self.rows, self.columns)
        return flatten(gradient, self.axes, self.rows)

    def read(self) -> Tensor:
        """theta, brought up to date where it is a copy."""
        if not self.is_view:
            self.theta.copy_(flatten(self.parameter, self.axes, self.rows))
        return self.theta

    def write(self) -> None:
        """Carry theta back into the parameter where it is a copy."""
        if not self.is_view:
            target = self.parameter if self.axes is None else self.parameter.permute(self.axes)
            target.copy_(self.theta.view(target.shape))


def memory_order(tensor: Tensor, *, stacked: bool) -> Axes:
    """The axes of `tensor`, outermost in memory first, the population's axis always leading."""
    strides = tensor.stride()
    inner = sorted(range(int(stacked), tensor.ndim), key=lambda axis: -strides[axis])
    axes = (0, *inner) if stacked else tuple(inner)
    return None if axes == tuple(range(tensor.ndim)) else axes


def flatten(tensor: Tensor, axes: Axes, rows: int) -> Tensor:
    """[rows, n] in the order of `axes`, contiguous: a view where there is one, else a copy."""
    if axes is not None:
        tensor = tensor.permute(axes)
    return tensor.reshape(rows, tensor.numel() // rows).contiguous()


def zeros_in_order(tensor: Tensor, axes: Axes) -> Tensor:
    """Zeros like `tensor`, laid out so that `flatten` gives a view."""
    if axes is None:
        return torch.zeros_like(tensor, memory_format=torch.contiguous_format)
    inverse = [axes.index(axis) for axis in range(tensor.ndim)]
    shape = [tensor.shape[axis] for axis in axes]
    return torch.zeros(shape, dtype=tensor.dtype, device=tensor.device).permute(inverse)


def _is_like(tensor: Tensor, parameter: Tensor, axes: Axes) -> bool:
    """Whether a kernel may take `tensor` for a buffer of `parameter` in the order of `axes`."""
    if (tensor.dtype, tensor.device) != (parameter.dtype, parameter.device):
        return False
    return (tensor if axes is None else tensor.permute(axes)).is_contiguous()
