"""The network of every member of a population: parameters stacked along a leading axis.

For images the Nature DQN of Mnih et al., "Human-level control through deep reinforcement learning"
(Nature, 2015), with Dopamine's SAME padding or the VALID padding that is usual in PyTorch; for
vectors two hidden layers.
"""

import functools
import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from rl.architecture import CONVOLUTIONS, Padding, flattened, same_padding, shapes
from rl.frames_to_float import stacks_to_float
from rl.memory import ATARI, FRAME, ObservationSpec
from rl.patches import convolution_relu
from rl.random_streams import Purpose, generator
from rl.row_product import row_product

_Layer = tuple[str, int, tuple[int, int, int, int]]
"""A convolution's name and stride, and what is added on the (left, right, top, bottom) of its
input."""


def initial_parameters(
    seeds: Sequence[int], actions: int, padding: Padding, shows: ObservationSpec = ATARI
) -> dict[str, Tensor]:
    """Xavier-uniform kernels U(-a, a), a = sqrt(6 / (fan_in + fan_out)), and zero biases.

    Returns name to [K, ...] float32, member k drawn from its own seed alone.
    """
    layout = shapes(actions, padding, shows)
    result = {name: torch.zeros(len(seeds), *shape) for name, shape in layout.items()}
    for k, seed in enumerate(seeds):
        random = generator(seed, Purpose.INITIAL_WEIGHTS)
        for name, shape in layout.items():
            if name.endswith(".weight"):
                receptive_field = math.prod(shape[2:])
                bound = math.sqrt(6 / ((shape[0] + shape[1]) * receptive_field))
                drawn = (2 * random.random(shape) - 1) * bound
                result[name][k] = torch.from_numpy(drawn)
    return result


class Part(NamedTuple):
    """Members whose passes are computed together."""

    members: slice
    values: dict[str, Tensor]
    """Theirs among the `values` of `Weights`."""


class Weights:
    """The parameters of the G members of a block as the forward pass reads them.

    The first kernel carries the 1/255 that turns bytes into [0, 1]: bytes are exact in bfloat16,
    and the pixels of a batch are never rewritten as floats between 0 and 1.

    Args:
        parameters: name to [G, ...] float32.
        dtype: torch.float32 or torch.bfloat16. In float32 all but the kernels of convolutions
            are views of `parameters`, unless frozen.
        frozen: keep a copy of everything and no gradients, as a target network does.

    Attributes:
        values: name to [G, ...]; tensors that stay where they are in memory.
        parts: who is computed together: on a GPU all of them, on a CPU each by itself, which is
            faster than one grouped convolution.
    """

    def __init__(
        self, parameters: Mapping[str, Tensor], dtype: torch.dtype, *, frozen: bool = False
    ) -> None:
        self.values: dict[str, Tensor] = {}
        self._views = {
            name
            for name in parameters
            if dtype == torch.float32 and not frozen and not _is_kernel(name)
        }
        for name, parameter in parameters.items():
            stacked = parameter.detach()
            working = stacked if name in self._views else _empty_copy(stacked, dtype)
            self.values[name] = working.requires_grad_(not frozen)
        members = len(stacked)
        self.parts = [Part(slice(0, members), self.values)]
        if members > 1 and stacked.device.type == "cpu":
            self.parts = [self._alone(k, frozen=frozen) for k in range(members)]
        self.refresh(parameters)

    @torch.no_grad()
    def refresh(self, parameters: Mapping[str, Tensor]) -> None:
        """Follow `parameters` [G, ...] after an update."""
        for name, working in self.values.items():
            if name not in self._views:
                value = parameters[name]
                working.copy_(value / 255 if name == "conv1.weight" else value)

    def _alone(self, k: int, *, frozen: bool) -> Part:
        own = slice(k, k + 1)
        values = {
            name: working.detach()[own].requires_grad_(not frozen)
            for name, working in self.values.items()
        }
        return Part(own, values)

    def load(self, source: Mapping[str, Tensor], k: int) -> None:
        """Set member k's working values to those of `member(k)` of equal weights."""
        for name, working in self.member(k).items():
            working.copy_(source[name])

    def member(self, k: int) -> dict[str, Tensor]:
        """Member k's working values, name to tensor, as views without gradients."""
        return {name: working.detach()[k] for name, working in self.values.items()}


def q_values(weights: Mapping[str, Tensor], frames: Tensor) -> Tensor:
    """Q(s, a) of G members, each on states of its own.

    Convolutions are computed as suits the device (measured, see `rl.patches`).

    Args:
        weights: the `values` of `Weights`, name to [G, ...].
        frames: states [G, B, stack, *shape], e.g. [G, B, 4, 84, 84] uint8, newest frame last.

    Returns: [G, B, actions] in the weights' dtype.
    """
    if "conv1.weight" not in weights:
        x = _vector(frames, weights["hidden1.weight"].dtype)
        for name in ("hidden1", "hidden2"):
            x = F.relu_(_dense(x, weights[f"{name}.weight"], weights[f"{name}.bias"]))
        return _dense(x, weights["output.weight"], weights["output.bias"])
    if frames.ndim > 5:  # frames of several planes each
        frames = frames.flatten(2, 3)
    # windows cover an image whole, with the patches' way, where it is as large as those of Atari
    patches = frames.device.type != "cpu" and frames.shape[3:] == FRAME
    convolved = _convolved_as_patches if patches else _convolved
    x = convolved(weights, frames)  # [G, B, flatten]
    x = F.relu_(_dense(x, weights["hidden.weight"], weights["hidden.bias"]))
    return _dense(x, weights["output.weight"], weights["output.bias"])


def _vector(frames: Tensor, dtype: torch.dtype) -> Tensor:
    """States as [G, B, stack * size], bytes as numbers from 0 to 1."""
    x = frames.flatten(2).to(dtype)
    return x / 255 if frames.dtype == torch.uint8 else x


def _convolved(weights: Mapping[str, Tensor], frames: Tensor) -> Tensor:
    groups, batch = frames.shape[:2]
    dtype = weights["conv1.weight"].dtype
    # [B, G * 4, 84, 84]
    if groups == 1:
        x = stacks_to_float(frames[0], dtype)
    else:
        x = frames.transpose(0, 1).flatten(1, 2).to(dtype)
    for name, stride, added in _layers(weights, frames):
        kernel = weights[f"{name}.weight"].flatten(0, 1)
        bias = weights[f"{name}.bias"].flatten()
        left, right, top, bottom = added
        padding = (top, left)
        if left != right or top != bottom:
            x, padding = F.pad(x, added), (0, 0)
        x = F.relu_(F.conv2d(x, kernel, bias, stride, padding, groups=groups))
    return x.reshape(batch, groups, -1).transpose(0, 1)


def _convolved_as_patches(weights: Mapping[str, Tensor], frames: Tensor) -> Tensor:
    x = frames.permute(0, 1, 3, 4, 2)  # [G, B, 84, 84, 4]
    for name, stride, added in _layers(weights, frames):
        if any(added):
            x = F.pad(x, (0, 0, *added))
        x = convolution_relu(x, weights[f"{name}.weight"], weights[f"{name}.bias"], stride)
    return x.permute(0, 1, 4, 2, 3).flatten(2)


def _layers(weights: Mapping[str, Tensor], frames: Tensor) -> tuple[_Layer, ...]:
    return _convolutions(*frames.shape[3:], weights["hidden.weight"].shape[2])


@functools.cache
def _convolutions(height: int, width: int, inputs: int) -> tuple[_Layer, ...]:
    """The convolutions of images in front of a layer of so many `inputs`, which tell whether they
    pad."""
    if inputs != flattened(height, width, "same"):
        return tuple((name, stride, (0, 0, 0, 0)) for name, _, _, stride in CONVOLUTIONS)
    result = []
    for name, _, kernel, stride in CONVOLUTIONS:
        added = (*same_padding(width, kernel, stride), *same_padding(height, kernel, stride))
        result.append((name, stride, added))
        height, width = (-(-size // stride) for size in (height, width))
    return tuple(result)


def _dense(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """[G, B, I], [G, O, I], [G, O] to [G, B, O]."""
    if (result := row_product(x, weight, bias)) is not None:
        return result
    # Weight times inputs, not inputs times weight: so the weight's gradient comes out in the
    # weight's own layout, and a transposing copy of the largest layer is spared (12 to 30 ms).
    return torch.baddbmm(bias.unsqueeze(2), weight, x.transpose(1, 2)).transpose(1, 2)


def _is_kernel(name: str) -> bool:
    return name.startswith("conv") and name.endswith(".weight")


def _empty_copy(stacked: Tensor, dtype: torch.dtype) -> Tensor:
    """Room for a copy of [G, ...]; where members are computed alone their kernels lie channels
    last, which is faster."""
    alone = stacked.device.type == "cpu" or len(stacked) == 1
    if alone and stacked.ndim == 5:
        members, filters, channels, *size = stacked.shape
        room = torch.empty(members, filters, *size, channels, dtype=dtype, device=stacked.device)
        return room.permute(0, 1, 4, 2, 3)
    return torch.empty_like(stacked, dtype=dtype)
