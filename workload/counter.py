"""Random numbers that are a function of where they are used: no generator, no state to save.

SplitMix64 (Steele, Lea and Flood, OOPSLA 2014): number i of the stream with seed s is
mix(s + (i + 1) * GOLDEN), which any device computes for any i alone. The same integers on a CPU
and a GPU.
"""

import torch
from torch import Tensor

GOLDEN = 0x9E3779B97F4A7C15
_FIRST, _SECOND = 0xBF58476D1CE4E5B9, 0x94D049BB133111EB
_MASK = 2**64 - 1

ORDER, AUGMENTATION, LABELS, SAMPLE = range(4)
"""What random numbers are for: purposes never share a stream."""


def stream(*coordinates: int) -> int:
    """The seed, 64 bits, of the stream at whole-number coordinates, e.g. (seed, purpose, epoch)."""
    state = 0
    for coordinate in coordinates:
        state = _mix_int((state ^ coordinate) + GOLDEN & _MASK)
    return state


def bits(seed: int | Tensor, places: Tensor) -> Tensor:
    """Random 64 bits of a stream as int64, one for each of `places`, int64 >= 0.

    Args:
        seed: of `stream`; or its `signed` as an int64 tensor, which a graph reads where it lies.
        places: numbers within the stream.
    """
    start = seed + signed(GOLDEN) if isinstance(seed, Tensor) else signed(seed + GOLDEN)
    z = places * signed(GOLDEN) + start
    z = (z ^ _shifted(z, 30)) * signed(_FIRST)
    z = (z ^ _shifted(z, 27)) * signed(_SECOND)
    return z ^ _shifted(z, 31)


def below(numbers: Tensor, first_bit: int, limit: int) -> Tensor:
    """Whole numbers from 0 to below `limit` out of 20 of the bits of `bits`, from `first_bit` on.

    Their chances differ by at most limit / 2^20 of themselves.
    """
    return ((numbers >> first_bit & 0xFFFFF) * limit) >> 20


def permutation(seed: int, count: int, device: torch.device) -> Tensor:
    """A random order of 0 ... count - 1, int64 on a device: places sorted by their bits."""
    return torch.argsort(bits(seed, torch.arange(count, device=device)), stable=True)


def signed(value: int) -> int:
    """64 bits as the int64 of the same bits."""
    value &= _MASK
    return value - 2**64 if value >= 2**63 else value


def _shifted(z: Tensor, by: int) -> Tensor:
    """Shifted right with zeros moving in; int64's own shift moves the sign in."""
    return z >> by & (1 << 64 - by) - 1


def _mix_int(z: int) -> int:
    z = (z ^ z >> 30) * _FIRST & _MASK
    z = (z ^ z >> 27) * _SECOND & _MASK
    return z ^ z >> 31
