"""A parameter and its buffers as [K, n] matrices: row k is member k, columns in memory order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

Axes = tuple[int, ...] | None  # None: the axes as they are

_PLAIN = (Tensor, nn.Parameter, nn.Buffer)


@dataclass(frozen=True, slots=True)
class Flat:
    """Where one parameter and its buffers lie, kept from step to step because finding out costs.

    It holds no memory of theirs: a kernel gets addresses, which are compared before every step with
    those of the parameter and its buffers as they are then. So nothing outlives a parameter that is
    replaced, moved or freed.

    Attributes:
        axes: the parameter's axes, outermost in memory first; the population's axis always leads.
        rows, columns: K and n.
        copy: [K, n], in which updates are computed where no such view of the parameter exists.
        is_plain: whether the parameter is no DTensor.
        place: its address, strides, shape and dtype.
        names: of the buffers.
        watched: of each buffer its name, address, strides, bytes and dtype.
        kind: device and dtypes.
    """

    axes: Axes
    rows: int
    columns: int
    copy: Tensor | None
    is_plain: bool
    place: tuple[int, tuple[int, ...], torch.Size, torch.dtype]
    names: tuple[str, ...]
    watched: tuple[tuple[str, int, tuple[int, ...], int, torch.dtype], ...]
    kind: tuple[Any, ...]

    @classmethod
    def of(
        cls, parameter: Tensor, state: dict[str, Any], names: Sequence[str], members: int | None
    ) -> Flat:
        """That of `parameter` and of its buffers `names` in its `state`.

        Buffers of another layout or device are first brought to the parameter's.

        Raises:
            RuntimeError: memory that was freed.
            TypeError: a buffer of a tensor subclass whose memory is not its elements.
            ValueError: a buffer of another shape, or sharded in another way; a parameter that is
                expanded.
        """
        data = local(parameter)
        if any(n > 1 and not step for n, step in zip(data.shape, data.stride(), strict=True)):
            raise ValueError(
                f"a parameter of shape {tuple(data.shape)} is expanded: elements that are one in "
                "memory cannot be updated apart; make it of a clone()"
            )
        axes = memory_order(data, stacked=members is not None)
        rows = members or 1
        _check_memory(data, f"a parameter of shape {tuple(parameter.shape)}")
        for name in names:
            buffer = local(state[name])
            _check_memory(buffer, f"{name} of a parameter of shape {tuple(parameter.shape)}")
            _check_buffer(name, state[name], parameter)
            if buffer.device != data.device or not _can_be_viewed(buffer, axes):
                if is_distributed(parameter):
                    raise ValueError(
                        f"{name}: its shard is not laid out as that of its parameter of shape "
                        f"{tuple(parameter.shape)}; load it by torch.distributed.checkpoint"
                    )
                state[name] = zeros_in_order(data, axes, buffer.dtype).copy_(buffer)
        shards = [local(state[name]) for name in names]
        return cls(
            axes,
            rows,
            data.numel() // rows,
            None if _can_be_viewed(data, axes) else flatten(data.resolve_neg(), axes, rows),
            not is_distributed(parameter),
            (data.data_ptr(), data.stride(), data.shape, data.dtype),
            tuple(names),
            tuple(
                (name, shard.data_ptr(), shard.stride(), shard.nbytes, shard.dtype)
                for name, shard in zip(names, shards, strict=True)
            ),
            (data.device, data.dtype, *(shard.dtype for shard in shards)),
        )

    def is_current(
        self, parameter: Tensor, state: dict[str, Any], names: Sequence[str], rows: int
    ) -> bool:
        """Whether the parameter and its buffers `names` in `state` lie as they did."""
        if self.rows != rows or self.names != names:
            return False
        if not self.is_plain:
            held = [(name, state.get(name)) for name in names]
            state = {name: local(buffer) for name, buffer in held if buffer is not None}
            parameter = local(parameter)
        address, strides, shape, dtype = self.place
        if (
            parameter.data_ptr() != address
            or parameter.stride() != strides
            or parameter.shape != shape
            or parameter.dtype is not dtype
        ):
            return False
        for name, address, strides, size, dtype in self.watched:
            buffer = state.get(name)
            if (
                buffer is None
                or buffer.data_ptr() != address
                or buffer.stride() != strides
                or buffer.nbytes != size
                or buffer.dtype is not dtype
            ):
                return False
        return True

    def in_order(self, gradient: Tensor, parameter: Tensor) -> Tensor:
        """The parameter's gradient, whose memory lies in the order of theta's.

        Raises:
            RuntimeError: a gradient that does not fit the parameter.
            TypeError: a tensor subclass whose memory is not its elements.
        """
        if not is_plain(gradient):
            gradient = local_gradient(gradient, parameter)
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

    def tensors(self, parameter: Tensor, state: dict[str, Any]) -> list[Tensor]:
        """theta and the buffers, [K, n] each: `copy`, and views of the memory described."""
        theta = flatten(local(parameter), self.axes, self.rows) if self.copy is None else self.copy
        buffers = (flatten(local(state[name]), self.axes, self.rows) for name in self.names)
        return [theta, *buffers]

    def read(self, parameter: Tensor) -> None:
        """Bring `copy` up to date where there is one."""
        if self.copy is not None:
            self.copy.copy_(flatten(local(parameter), self.axes, self.rows))

    def write(self, parameter: Tensor) -> None:
        """Carry `copy` back into the parameter where there is one."""
        if self.copy is not None:
            data = local(parameter)
            target = data if self.axes is None else data.permute(self.axes)
            target.copy_(self.copy.view(target.shape))


def local(tensor: Tensor) -> Tensor:
    """The memory of a tensor on this process: the tensor's own, or of a DTensor its shard's.

    Raises TypeError for any other tensor subclass whose memory is not its elements.
    """
    if is_plain(tensor):
        return tensor.data
    if is_distributed(tensor):
        from torch.distributed._functional_collectives import AsyncCollectiveTensor

        shard: Tensor = tensor.to_local()  # type: ignore[attr-defined]
        if isinstance(shard, AsyncCollectiveTensor):  # still on its way
            shard = shard.wait()
        return shard.data
    if _dispatches(tensor):
        raise TypeError(_unknown_memory("a tensor", tensor))
    return tensor.data.as_subclass(Tensor)


def is_plain(tensor: Tensor) -> bool:
    """Whether it is a tensor of torch's own, whose memory is its elements."""
    return type(tensor) in _PLAIN


def to_read(tensor: Tensor) -> Tensor:
    """`local` for those who write nothing: a plain tensor itself."""
    return tensor if is_plain(tensor) else local(tensor)


def local_gradient(gradient: Tensor, parameter: Tensor) -> Tensor:
    """The shard of a DTensor's gradient that belongs to the parameter's; a plain one as it is."""
    if not is_distributed(gradient) and not is_distributed(parameter):
        return local(gradient)
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


def is_distributed(tensor: Tensor) -> bool:
    """Whether it is a DTensor."""
    if is_plain(tensor) or not torch.distributed.is_available():
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
    if _dispatches(parameter) and not is_distributed(parameter):
        raise TypeError(_unknown_memory("a parameter", parameter))
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


def check_gradients(gradients: Sequence[Tensor]) -> None:
    """RuntimeError where the memory of one was freed."""
    for gradient in gradients:
        if not gradient.data_ptr() and gradient.numel() and not gradient.is_meta:
            raise RuntimeError(
                f"the memory of a gradient of shape {tuple(gradient.shape)} was freed before step()"
            )


def memory_order(tensor: Tensor, *, stacked: bool) -> Axes:
    """The axes of `tensor`, outermost in memory first, the population's axis always leading."""
    strides = tensor.stride()
    inner = sorted(range(int(stacked), tensor.ndim), key=lambda axis: -strides[axis])
    axes = (0, *inner) if stacked else tuple(inner)
    return None if axes == tuple(range(tensor.ndim)) else axes


def in_order(tensors: Sequence[Tensor]) -> bool:
    """Whether memory holds their elements in order; of a lazily negated one it holds others."""
    return all(map(Tensor.is_contiguous, tensors)) and not any(map(Tensor.is_neg, tensors))


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


def _can_be_viewed(tensor: Tensor, axes: Axes) -> bool:
    """Whether `flatten` gives a view of `tensor`, and its memory holds its values, not -1 times."""
    ordered = tensor if axes is None else tensor.permute(axes)
    return ordered.is_contiguous() and not tensor.is_neg()


def _dispatches(tensor: Tensor) -> bool:
    return type(tensor).__torch_dispatch__ is not Tensor.__torch_dispatch__


def _unknown_memory(what: str, tensor: Tensor) -> str:
    return (
        f"{what} of shape {tuple(tensor.shape)} is a {type(tensor).__name__}, of whose memory the "
        "update knows nothing: plain tensors and DTensors are taken"
    )


def _check_memory(tensor: Tensor, what: str) -> None:
    """RuntimeError where a storage was freed or cut under its tensor."""
    reach = sum((n - 1) * step for n, step in zip(tensor.shape, tensor.stride(), strict=True))
    needed = (tensor.storage_offset() + reach + 1) * tensor.itemsize if tensor.numel() else 0
    if (held := tensor.untyped_storage().nbytes()) < needed:
        raise RuntimeError(f"the memory of {what} was freed: {held} of {needed} bytes are left")


def _check_buffer(name: str, buffer: Tensor, parameter: Tensor) -> None:
    """ValueError where a buffer is not, element by element, its parameter's."""
    if buffer.shape != parameter.shape:
        raise ValueError(
            f"{name} of shape {tuple(buffer.shape)} in the optimizer's state does not belong to a "
            f"parameter of shape {tuple(parameter.shape)}; are the parameters in the order in "
            "which the state was saved?"
        )
    if getattr(buffer, "placements", None) != getattr(parameter, "placements", None):
        raise ValueError(
            f"{name} in the optimizer's state is not sharded as its parameter of shape "
            f"{tuple(parameter.shape)}; load it by torch.distributed.checkpoint.state_dict"
        )
