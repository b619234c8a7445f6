"""C for vectors of sixteen floats, which every processor rounds alike, read from and written to
float32 or bfloat16."""

from collections.abc import Callable

import torch

from shared_optim.compiler import CompileError, c_function

LANES = 16
"""Numbers of a vector. Sums are of so many parts on every processor, so their bits are the same."""

# bfloat16 rounds to nearest, ties to even
_TYPES = {
    torch.float32: """
typedef float T;
#define FLOATS(x) (x)
#define ROUNDED(x) (x)
""",
    torch.bfloat16: """
typedef unsigned short T;
#define FLOATS(x) ((floats)(__builtin_convertvector(x, words) << 16))
#define ROUNDED(x) __builtin_convertvector(rounded(x), stored)
""",
}
# exp(x), x <= 0, is 2^n exp(r) with |r| <= ln(2)/2: ln(2) in two parts of which n times the first
# is exact, and the polynomial of Cephes' expf (S. L. Moshier, 1992), whose relative error is below
# 2e-7.
_VECTORS = """
#include <stdint.h>
typedef float floats __attribute__((vector_size(LANES * 4)));
typedef int32_t wholes __attribute__((vector_size(LANES * 4)));
typedef uint32_t words __attribute__((vector_size(LANES * 4)));
typedef T stored __attribute__((vector_size(LANES * sizeof(T))));
static const wholes numbers = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};

/* a NaN in `a` gives b */
static inline floats larger(const floats a, const floats b) {
  const wholes which = a > b;
  return (floats)((which & (wholes)a) | (~which & (wholes)b));
}

static inline words rounded(const floats x) {
  const words bits = (words)x, nan = (words)(x != x);
  return (nan & 0x7fc0) | (~nan & (bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

static inline floats read(const T *at, const int64_t count) {
  stored found = {0};
  __builtin_memcpy(&found, at, count * sizeof(T));
  return FLOATS(found);
}

static inline void write(T *at, const floats x, const int64_t count) {
  const stored made = ROUNDED(x);
  __builtin_memcpy(at, &made, count * sizeof(T));
}

static inline floats exponential(floats x) {
  const wholes not_too_small = ~(x < -87.0f); /* smaller ones are 0, and a NaN stays */
  x = larger((floats){0} - 87.0f, x);
  const floats shifted = x * 1.44269504f + 12582912.0f; /* n in its lowest bits */
  const floats n = shifted - 12582912.0f;
  const floats r = (x - n * 0.693359375f) + n * 2.12194440e-4f;
  floats y = r * 1.9875691500e-4f + 1.3981999507e-3f;
  y = y * r + 8.3334519073e-3f;
  y = y * r + 4.1665795894e-2f;
  y = y * r + 1.6666665459e-1f;
  y = y * r + 5.0000001201e-1f;
  y = (y * r * r + r) + 1.0f;
  y = y * (floats)(((wholes)shifted + 127) << 23);
  return (floats)((wholes)y & not_too_small);
}
"""


def vector_function(
    text: str, arguments: int, dtype: torch.dtype, **constants: int
) -> Callable[..., None] | None:
    """The function `run` of C that stands behind the vectors' own; None where it cannot be made.

    Args:
        text: the source; see `c_function`.
        arguments: how many `run` takes.
        dtype: of T, float32 or bfloat16.
        constants: names that the source knows, and what they stand for.
    """
    if dtype not in _TYPES:
        return None
    defined = "".join(f"#define {name} {value}\n" for name, value in constants.items())
    source = f"#define LANES {LANES}\n{defined}{_TYPES[dtype]}{_VECTORS}{text}"
    try:
        return c_function(source, arguments)
    except CompileError:  # without a compiler the optimizer's step has warned
        return None
