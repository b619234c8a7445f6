"""The Nature DQN of every member of a population: parameters stacked along a leading axis.

Mnih et al., "Human-level control through deep reinforcement learning" (Nature, 2015), with
Dopamine's SAME padding or the VALID padding that is usual in PyTorch.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from rl.draws import Purpose, generator
from rl.memory import STACK

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
    """The parameters as the forward pass reads them, in blocks of members computed together.

    A block is one member on a CPU and the whole population on a GPU. Measured on a CPU, per
    member and update: one convolution each 24 ms, grouped 31-36, vmap 33-39, im2col 60-70; on a
    GPU the launches decide, and a grouped convolution shares them.

    The first kernel carries the 1/255 that turns bytes into [0, 1]: bytes are exact in bfloat16,
    and the pixels of a batch are never rewritten as floats between 0 and 1.

    Args:
        parameters: name to [K, ...] float32.
        dtype: torch.float32 or torch.bfloat16. In float32 all but the kernels of convolutions
            are views of `parameters`, unless frozen.
        frozen: keep a copy of everything and no gradients, as a target network does.
        block_size: members per block, a divisor of K; by default what suits the device.
    """

    def __init__(
        self,
        parameters: Mapping[str, Tensor],
        dtype: torch.dtype,
        *,
        frozen: bool = False,
        block_size: int | None = None,
    ) -> None:
        first = next(iter(parameters.values()))
        population = first.shape[0]
        self.block_size = block_size or (1 if first.device.type == "cpu" else population)
        self.blocks: list[dict[str, Tensor]] = []
        self._views = {
            name
            for name in parameters
            if dtype == torch.float32 and not frozen and not _is_kernel(name)
        }
        for start in range(0, population, self.block_size):
            block = {}
            for name, parameter in parameters.items():
                members = parameter.detach()[start : start + self.block_size]
                working = members if name in self._views else _empty_copy(members, dtype)
                block[name] = working.requires_grad_(not frozen)
            self.blocks.append(block)
        self.refresh(parameters, range(population))

    @torch.no_grad()
    def refresh(self, parameters: Mapping[str, Tensor], members: Iterable[int]) -> None:
        """Follow `parameters` [K, ...] after an update of at least the given members."""
        size = self.block_size
        for b in {k // size for k in members}:
            for name, working in self.blocks[b].items():
                if name not in self._views:
                    value = parameters[name][b * size : (b + 1) * size]
                    working.copy_(value / 255 if name == "conv1.weight" else value)

    def load(self, source: Mapping[str, Tensor], k: int) -> None:
        """Set member k's working values to those of `member(k)` of equal weights."""
        for name, working in self.member(k).items():
            working.copy_(source[name])

    def member(self, k: int) -> dict[str, Tensor]:
        """Member k's working values, name to tensor, as views without gradients."""
        block, offset = divmod(k, self.block_size)
        return {name: working.detach()[offset] for name, working in self.blocks[block].items()}


def q_values(block: Mapping[str, Tensor], frames: Tensor) -> Tensor:
    """Q(s, a) of a block of G members, each on states of its own.

    Args:
        block: one of `Weights.blocks`, name to [G, ...].
        frames: [G, B, 4, 84, 84] uint8, newest frame last.

    Returns: [G, B, actions] in the weights' dtype.
    """
    groups, batch = frames.shape[:2]
    layout = torch.channels_last if groups == 1 else torch.contiguous_format
    x = frames.transpose(0, 1).flatten(1, 2)  # [B, G * 4, 84, 84]
    x = x.to(block["conv1.weight"].dtype, memory_format=layout)
    same = block["hidden.weight"].shape[2] == _FLATTEN["same"]
    for name, _, _, stride, (left, right, top, bottom) in _CONVOLUTIONS:
        weight = block[f"{name}.weight"].flatten(0, 1)
        bias = block[f"{name}.bias"].flatten()
        padding = left if same else 0
        if same and left != right:
            x, padding = F.pad(x, (left, right, top, bottom)), 0
        x = F.relu_(F.conv2d(x, weight, bias, stride, padding, groups=groups))
    x = x.reshape(batch, groups, -1).transpose(0, 1)  # [G, B, flatten]
    x = F.relu_(_dense(x, block["hidden.weight"], block["hidden.bias"]))
    return _dense(x, block["output.weight"], block["output.bias"])


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
