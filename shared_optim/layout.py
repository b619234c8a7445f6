"""A parameter and its buffers as [K, n] matrices: row k is member k, columns in memory order."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

Axes = tuple[int, ...] | None  # None: the axes as they are

_PLAIN = (Tensor, nn.Parameter, nn.Buffer)


@dataclass(frozen=True, slots=True)
class Flat:
    """Views of one parameter and its buffers, kept from step to step because making them costs.

    They do not keep the parameter itself alive.

    Attributes:
        owner: of the views, weakly.
        axes: the parameter's axes, outermost in memory first; the population's axis always leads.
        rows, columns: K and n.
        theta: [K, n], a view of the parameter, or a copy in which updates are computed when there
            is no such view.
        buffers: views [K, n] of the buffers, by name in `names`.
        is_view: whether theta is a view.
        is_plain: whether the parameter is no DTensor.
        place: address, strides, shape and dtype of the parameter when the views were made.
        watched: of each buffer its name, the tensor in the optimizer's state, that tensor's memory
            on this process, and its address and strides when the views were made.
        kind: device and dtypes.
    """

    owner: weakref.ref[Tensor]
    axes: Axes
    rows: int
    columns: int
    theta: Tensor
    names: tuple[str, ...]
    buffers: tuple[Tensor, ...]
    is_view: bool
    is_plain: bool
    place: tuple[int, tuple[int, ...], torch.Size, torch.dtype]
    watched: tuple[tuple[str, Tensor, Tensor, int, tuple[int, ...]], ...]
    kind: tuple[Any, ...]

    @classmethod
    def of(
        cls,
        parameter: Tensor,
        state: dict[str, Any],
        names: Sequence[str],
        members: int | None,
        forget: Callable[[], None],
    ) -> Flat:
        """Views of `parameter` and of its buffers `names` in its `state`.

        Buffers of another layout or device are first brought to the parameter's.

        Args:
            forget: called when the parameter is gone.

        Raises ValueError for a buffer of another shape.
        """
        data = local(parameter)
        axes = memory_order(data, stacked=members is not None)
        rows = members or 1
        for name in names:
            if state[name].shape != parameter.shape:
                raise ValueError(
                    f"{name} of shape {tuple(state[name].shape)} in the optimizer's state does not "
                    f"belong to a parameter of shape {tuple(parameter.shape)}; are the parameters "
                    "in the order in which the state was saved?"
                )
            buffer = local(state[name])
            if buffer.device != data.device or not _is_in_order(buffer, axes):
                if is_distributed(parameter):
                    raise ValueError(
                        f"{name}: its shard is not laid out as that of its parameter of shape "
                        f"{tuple(parameter.shape)}; load it by torch.distributed.checkpoint"
                    )
                state[name] = zeros_in_order(data, axes, buffer.dtype).copy_(buffer)
        shards = [local(state[name]) for name in names]
        theta = flatten(data, axes, rows)
        is_view = theta.data_ptr() == data.data_ptr()
        return cls(
            weakref.ref(parameter, lambda _: forget()),
            axes,
            rows,
            data.numel() // rows,
            theta,
            tuple(names),
            tuple(flatten(shard, axes, rows) for shard in shards),
            is_view,
            not is_distributed(parameter),
            (data.data_ptr(), data.stride(), data.shape, data.dtype),
            tuple(
                (name, state[name], shard, shard.data_ptr(), shard.stride())
                for name, shard in zip(names, shards, strict=True)
            ),
            (theta.device, theta.dtype, *(shard.dtype for shard in shards)),
        )

    def is_current(self, parameter: Tensor, state: dict[str, Any], names: Sequence[str]) -> bool:
        """Whether these still view the parameter's memory and exactly its buffers in `state`."""
        if self.owner() is not parameter or self.names != names:
            return False
        mine = parameter if self.is_plain else local(parameter)
        address, strides, shape, dtype = self.place
        if (
            mine.data_ptr() != address
            or mine.stride() != strides
            or mine.shape != shape
            or mine.dtype is not dtype
        ):
            return False
        for name, source, shard, address, strides in self.watched:
            if (
                state.get(name) is not source
                or shard.data_ptr() != address
                or shard.stride() != strides
            ):
                return False
        return True

    def in_order(self, gradient: Tensor, parameter: Tensor) -> Tensor:
        """The parameter's gradient, whose memory lies in the order of theta's.

        Raises RuntimeError for a gradient that does not fit the parameter.
        """
        if type(gradient) not in _PLAIN:
            gradient = _local_gradient(gradient, parameter)
        if gradient.layout is not torch.strided:
            raise RuntimeError(
                "sparse gradients are not supported "
                f"(parameter of shape {tuple(parameter.shape)}): decay touches every weight"
            )
        if gradient.shape != self.place[2] or gradient.device != self.kind[0]:
            raise RuntimeError(
                f"a gradient of shape {tuple(gradient.shape)} on {gradient.device} does not fit "
                f"its parameter of shape {tuple(parameter.shape)} on {parameter.device}: was the "
                "parameter's data exchanged after backward()?"
            )
        if gradient.is_neg():  # kernels read memory, in which it has the wrong sign
            gradient = gradient.resolve_neg()
        if self.axes is None and gradient.is_contiguous():
            return gradient
        return flatten(gradient, self.axes, self.rows)

    @property
    def parameter(self) -> Tensor:
        """Whose views these are."""
        owner = self.owner()
        assert owner is not None, "views are dropped with their parameter"
        return owner

    def read(self) -> None:
        """Bring theta up to date where it is a copy."""
        if not self.is_view:
            self.theta.copy_(flatten(local(self.parameter), self.axes, self.rows))

    def write(self) -> None:
        """Carry theta back into the parameter where it is a copy."""
        if not self.is_view:
            data = local(self.parameter)
            target = data if self.axes is None else data.permute(self.axes)
            target.copy_(self.theta.view(target.shape))


def local(tensor: Tensor) -> Tensor:
    """The memory of a tensor on this process: the tensor's own, or of a DTensor its shard's."""
    if type(tensor) in _PLAIN:
        return tensor.data
    if not is_distributed(tensor):
        return tensor.data
    shard: Tensor = tensor.to_local()  # type: ignore[attr-defined]
    return shard.data


def is_distributed(tensor: Tensor) -> bool:
    """Whether it is a DTensor."""
    if type(tensor) in _PLAIN or not torch.distributed.is_available():
        return False
    from torch.distributed.tensor import DTensor

    return isinstance(tensor, DTensor)


def over_shards(found: Tensor, parameter: Tensor) -> Tensor:
    """What every process found of its shard of a DTensor, added up over the shards."""
    from torch.distributed.tensor import DTensor, Partial, Replicate

    assert isinstance(parameter, DTensor)
    placements = [
        Partial() if placement.is_shard() else Replicate() for placement in parameter.placements
    ]
    return DTensor.from_local(found, parameter.device_mesh, placements).full_tensor()


def check_layout(parameter: Tensor, members: int | None) -> None:
    """Refuse what no step can update; a lazy module's parameter is looked at once it has a shape.

    Raises:
        TypeError: a tensor subclass whose memory is not its elements.
        ValueError: complex, or not [K, ...] when K is given.
    """
    if isinstance(parameter, nn.parameter.UninitializedParameter):
        return
    shape = tuple(parameter.shape)
    dispatches = type(parameter).__torch_dispatch__ is not Tensor.__torch_dispatch__
    if dispatches and not is_distributed(parameter):
        raise TypeError(
            f"a parameter of shape {shape} is a {type(parameter).__name__}, of whose memory the "
            "update knows nothing: plain tensors and DTensors are taken"
        )
    if parameter.is_complex():
        raise ValueError(
            f"a parameter of shape {shape} is complex ({parameter.dtype}), which the "
            "second moment does not define; optimize torch.view_as_real of it"
        )
    if members is not None and (not shape or shape[0] != members):
        raise ValueError(
            f"a parameter of shape {shape} is not stacked [K, ...] with K = {members}, "
            "the number of per-member values given"
        )
    if members is not None and is_distributed(parameter):
        raise ValueError(f"a DTensor of shape {shape} cannot be a population's: its shards cut it")


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


def zeros_in_order(tensor: Tensor, axes: Axes, dtype: torch.dtype) -> Tensor:
    """Zeros like `tensor`, laid out so that `flatten` gives a view."""
    if axes is None:
        return torch.zeros_like(tensor, dtype=dtype, memory_format=torch.contiguous_format)
    inverse = [axes.index(axis) for axis in range(tensor.ndim)]
    shape = [tensor.shape[axis] for axis in axes]
    return torch.zeros(shape, dtype=dtype, device=tensor.device).permute(inverse)


def _is_in_order(tensor: Tensor, axes: Axes) -> bool:
    """Whether `flatten` gives a view of `tensor`."""
    return (tensor if axes is None else tensor.permute(axes)).is_contiguous()


def _local_gradient(gradient: Tensor, parameter: Tensor) -> Tensor:
    """The shard of a DTensor's gradient that belongs to the parameter's; a plain one as it is."""
    if not is_distributed(gradient) and not is_distributed(parameter):
        return gradient.data
    if not (is_distributed(gradient) and is_distributed(parameter)):
        raise RuntimeError(
            f"a gradient that is a {type(gradient).__name__} does not fit a parameter that is a "
            f"{type(parameter).__name__}"
        )
    placed: Any = gradient
    target: Any = parameter
    if placed.placements != target.placements:
        placed = placed.redistribute(target.device_mesh, target.placements)
    return local(placed)
