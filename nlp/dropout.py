"""Dropout with torch's own numbers, whose masks cost a CPU a tenth of what torch's do.

On a CPU that is not Intel's, torch draws each element of a mask by itself: two words of its
Mersenne twister, tempered one after the other, made a double and compared. That was a seventh of
an update in bfloat16. Here a block of the generator is twisted and tempered at once, in vectors,
and compared as integers; the masks, and the state in which the generator is left, are torch's bit
for bit. Where they are not, as on Intel's CPUs, whose masks are MKL's, torch draws them.

Source: M. Matsumoto, T. Nishimura, "Mersenne Twister: a 623-dimensionally equidistributed uniform
pseudo-random number generator", ACM TOMACS 8 (1998).
"""

import functools
import math
import threading
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from shared_optim.compiler import CompileError, c_function

_C_TYPES = {torch.float32: "unsigned int", torch.bfloat16: "unsigned short"}
_MANTISSA = 53  # bits of a generator's 64 that torch makes a double of
_DRAWING = threading.RLock()
_STATE_BYTES = 5056  # of a CPU's generator; anything else is another torch's
_FIRST_WORD = 3  # of its state, as int64: behind the seed, two int32 and the place of the next word
# `state` is torch's: int32 2 is how many words are left before the next twist, one more than there
# are; int64 2 which is next; from int64 3 on there are 624 words in 64 bits each.
_SOURCE = """
#include <stdint.h>
#define N 624
#define M 397

static inline uint32_t twisted(const uint32_t u, const uint32_t v) {
  return (((u & 0x80000000u) | (v & 0x7fffffffu)) >> 1) ^ (-(v & 1u) & 0x9908b0dfu);
}

static void twist(uint32_t *restrict s) {
  for (int j = 0; j < N - M; j++) s[j] = s[j + M] ^ twisted(s[j], s[j + 1]);
  for (int j = N - M; j < N - 1; j++) s[j] = s[j + M - N] ^ twisted(s[j], s[j + 1]);
  s[N - 1] = s[M - 1] ^ twisted(s[N - 1], s[0]);
}

static void temper(const uint32_t *restrict s, uint32_t *restrict out) {
  for (int j = 0; j < N; j++) {
    uint32_t y = s[j];
    y ^= y >> 11;
    y ^= (y << 7) & 0x9d2c5680u;
    y ^= (y << 15) & 0xefc60000u;
    out[j] = y ^ (y >> 18);
  }
}

void run(const int64_t n, const int64_t out_at, const int64_t state_at, const int64_t below,
         const int64_t kept) {
  T *out = (T *)out_at;
  int32_t *left = (int32_t *)state_at + 2;
  int64_t *next = (int64_t *)state_at + 2, *words = (int64_t *)state_at + FIRST;
  uint32_t s[N], tempered[N + 1];
  for (int j = 0; j < N; j++) s[j] = (uint32_t)words[j];
  temper(s, tempered + 1);
  int64_t at = *left > 1 ? *next : N;
  int odd = 0; /* whether tempered[0] is the first of two words, the other in the next block */
  for (int64_t first = 0; first < n;) {
    int64_t pairs = (N - at + odd) / 2;
    if (pairs > n - first) pairs = n - first;
    const uint32_t *from = tempered + 1 + at - odd;
    for (int64_t j = 0; j < pairs; j++) {
      const uint64_t word = ((uint64_t)from[2 * j] << 32 | from[2 * j + 1]) & MASK;
      out[first + j] = word < (uint64_t)below ? (T)kept : 0;
    }
    first += pairs;
    at += 2 * pairs - odd;
    odd = 0;
    if (first < n) {
      if (at < N) { tempered[0] = tempered[N]; odd = 1; }
      twist(s);
      temper(s, tempered + 1);
      at = 0;
    }
  }
  for (int j = 0; j < N; j++) words[j] = s[j];
  *next = at;
  *left = (int32_t)(N + 1 - at);
}
"""


def dropout(x: Tensor, p: float) -> Tensor:
    """`x` with each element 0 with probability p, else divided by 1 - p: F.dropout(x, p).

    What another thread draws from torch's generator at the same time may not count; two calls of
    this function wait for each other.

    Args:
        x: any shape and floating dtype.
        p: from 0 to 1.
    """
    function = _drawing(x.dtype) if x.is_cpu and x.is_contiguous() and 0 < p < 1 else None
    if function is None or not x.numel():
        return F.dropout(x, p)
    return x * _noise(x, p, function)


def _noise(x: Tensor, p: float, function: Callable[..., None]) -> Tensor:
    noise = torch.empty_like(x, requires_grad=False)
    below, kept = math.ceil((1 - p) * 2.0**_MANTISSA), _bits_of_kept(x.dtype, p)
    with _DRAWING:
        state = torch.get_rng_state()
        function(x.numel(), noise.data_ptr(), state.data_ptr(), below, kept)
        torch.set_rng_state(state)
    return noise


@functools.lru_cache
def _bits_of_kept(dtype: torch.dtype, p: float) -> int:
    """1/(1 - p) as torch rounds it, its bits as a whole number."""
    same_size = torch.int32 if dtype.itemsize == 4 else torch.int16
    return int(torch.ones(1, dtype=dtype, device="cpu").div_(1 - p).view(same_size).item())


@functools.cache
def _drawing(dtype: torch.dtype) -> Callable[..., None] | None:
    """The C function; None where there is no compiler, or torch draws other masks."""
    if dtype not in _C_TYPES or len(torch.get_rng_state()) != _STATE_BYTES:
        return None
    constants = f"#define FIRST {_FIRST_WORD}\n#define MASK {2**_MANTISSA - 1}ull"
    try:
        function = c_function(f"{constants}\ntypedef {_C_TYPES[dtype]} T;{_SOURCE}", 5)
    except CompileError:  # the optimizer's step has warned
        return None
    with _DRAWING:
        return function if _as_torch(dtype, function) else None


def _as_torch(dtype: torch.dtype, function: Callable[..., None]) -> bool:
    x = torch.ones(3001, dtype=dtype, device="cpu")  # several blocks, and a part of one
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(1)  # not torch's own, which seeds GPUs as well
        torch.randint(2, (1,), device="cpu")  # so that pairs of words lie across blocks
        before = torch.get_rng_state()
        noise, after = _noise(x, 0.3, function), torch.get_rng_state()
        torch.set_rng_state(before)
        by_torch = F.dropout(x, 0.3)
        return torch.equal(noise, by_torch) and torch.equal(after, torch.get_rng_state())
