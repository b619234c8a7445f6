"""The Nature DQN of every member of a population: parameters stacked along a leading axis.

Mnih et al., "Human-level control through deep reinforcement learning" (Nature, 2015), with
Dopamine's SAME padding or the VALID padding that is usual in PyTorch.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from rl.frames_to_float import stacks_to_float
from rl.memory import STACK
from rl.patches import convolution_relu
from rl.random_streams import Purpose, generator

Padding = Literal["same", "valid"]

HIDDEN = 512
# name, filters, kernel, stride, and what SAME adds on the (left, right, top, bottom) of the input
_CONVOLUTIONS = (
    ("conv1", 32, 8, 4, (2, 2, 2, 2)),
    ("conv2", 64, 4, 2, (1, 2, 1, 2)),
    ("conv3", 64, 3, 1, (1, 1, 1, 1)),
)
_FLATTEN = {"same": 11 * 11 * 64, "valid": 7 * 7 * 64}


def shapes(actions: int, padding: Padding) -> dict[str, tuple[int, ...]]:
    """The parameters of one member: name to shape, in the order of the forward pass."""
    result: dict[str, tuple[int, ...]] = {}
    channels = STACK
    for name, filters, kernel, _, _ in _CONVOLUTIONS:
        result[f"{name}.weight"] = (filters, channels, kernel, kernel)
        result[f"{name}.bias"] = (filters,)
        channels = filters
    result["hidden.weight"] = (HIDDEN, _FLATTEN[padding])
    result["hidden.bias"] = (HIDDEN,)
    result["output.weight"] = (actions, HIDDEN)
    result["output.bias"] = (actions,)
    return result


def initial_parameters(seeds: Sequence[int], actions: int, padding: Padding) -> dict[str, Tensor]:
    """Xavier-uniform kernels U(-a, a), a = sqrt(6 / (fan_in + fan_out)), and zero biases.

    Returns name to [K, ...] float32, member k drawn from its own seed alone.
    """
    layout = shapes(actions, padding)
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
        self.refresh(parameters)

    @torch.no_grad()
    def refresh(self, parameters: Mapping[str, Tensor]) -> None:
        """Follow `parameters` [G, ...] after an update."""
        for name, working in self.values.items():
            if name not in self._views:
                value = parameters[name]
                working.copy_(value / 255 if name == "conv1.weight" else value)

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
        frames: [G, B, 4, 84, 84] uint8, newest frame last.

    Returns: [G, B, actions] in the weights' dtype.
    """
    convolved = _convolved if frames.device.type == "cpu" else _convolved_as_patches
    x = convolved(weights, frames)  # [G, B, flatten]
    x = F.relu_(_dense(x, weights["hidden.weight"], weights["hidden.bias"]))
    return _dense(x, weights["output.weight"], weights["output.bias"])


def _convolved(weights: Mapping[str, Tensor], frames: Tensor) -> Tensor:
    groups, batch = frames.shape[:2]
    dtype = weights["conv1.weight"].dtype
    # [B, G * 4, 84, 84]
    if groups == 1:
        x = stacks_to_float(frames[0], dtype)
    else:
        x = frames.transpose(0, 1).flatten(1, 2).to(dtype)
    for name, _, _, stride, (left, right, top, bottom) in _CONVOLUTIONS:
        kernel = weights[f"{name}.weight"].flatten(0, 1)
        bias = weights[f"{name}.bias"].flatten()
        padding = left if _pads(weights) else 0
        if _pads(weights) and left != right:
            x, padding = F.pad(x, (left, right, top, bottom)), 0
        x = F.relu_(F.conv2d(x, kernel, bias, stride, padding, groups=groups))
    return x.reshape(batch, groups, -1).transpose(0, 1)


def _convolved_as_patches(weights: Mapping[str, Tensor], frames: Tensor) -> Tensor:
    x = frames.permute(0, 1, 3, 4, 2)  # [G, B, 84, 84, 4]
    for name, _, _, stride, (left, right, top, bottom) in _CONVOLUTIONS:
        if _pads(weights):
            x = F.pad(x, (0, 0, left, right, top, bottom))
        x = convolution_relu(x, weights[f"{name}.weight"], weights[f"{name}.bias"], stride)
    return x.permute(0, 1, 4, 2, 3).flatten(2)


def _pads(weights: Mapping[str, Tensor]) -> bool:
    return weights["hidden.weight"].shape[2] == _FLATTEN["same"]


def _dense(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """[G, B, I], [G, O, I], [G, O] to [G, B, O]."""
    # Weight times inputs, not inputs times weight: so the weight's gradient comes out in the
    # weight's own layout, and a transposing copy of the largest layer is spared (12 to 30 ms).
    return torch.baddbmm(bias.unsqueeze(2), weight, x.transpose(1, 2)).transpose(1, 2)


def _is_kernel(name: str) -> bool:
    return name.startswith("conv") and name.endswith(".weight")


def _empty_copy(stacked: Tensor, dtype: torch.dtype) -> Tensor:
    """Room for a copy of [G, ...]; a lone member's kernels lie channels last, which is faster."""
    if stacked.shape[0] == 1 and stacked.ndim == 5:
        kernel = torch.empty_like(stacked[0], dtype=dtype, memory_format=torch.channels_last)
        return kernel.unsqueeze(0)
    return torch.empty_like(stacked, dtype=dtype)
