"""The four products that the norm's change is made of, in one pass over the memory.

By operators they take a dozen passes, most of them over float64; on a CPU they are a loop in C. On
a GPU a plan measures them while it takes the step, see `shared_optim.Plan.measure`.
"""

import functools
from collections.abc import Callable

import torch
from torch import Tensor

from shared_optim.compiler import CompileError, c_function

_C_TYPES = {torch.float32: "float", torch.float64: "double"}
# Each sum has four parts that are added up at the end, so that a compiler may keep them in
# vectors; its order, and so its bits, are always the same.
_SOURCE = """
#include <stdint.h>
#define LANES 4
typedef double sums __attribute__((vector_size(LANES * sizeof(double))));
typedef T values __attribute__((vector_size(LANES * sizeof(T))));

static inline sums read(const T *at, const int64_t count) {
  values found = {0};
  __builtin_memcpy(&found, at, count * sizeof(T));
  return __builtin_convertvector(found, sums);
}

void run(const int64_t n, const int64_t w_at, const int64_t after_at, const int64_t g_at,
         const int64_t out_at) {
  const T *w = (const T *)w_at, *after = (const T *)after_at, *g = (const T *)g_at;
  double *out = (double *)out_at;
  sums updates = {0}, crossed = {0}, raw = {0}, raw_crossed = {0};
  for (int64_t first = 0; first < n; first += LANES) {
    const int64_t left = n - first < LANES ? n - first : LANES;
#define ADD(count) { \\
      const sums a = read(w + first, count), u = read(after + first, count) - a; \\
      const sums c = read(g + first, count); \\
      updates += u * u; crossed += a * u; raw += c * c; raw_crossed += a * c; }
    if (left == LANES) ADD(LANES) else ADD(left)
  }
  const sums total[4] = {updates, crossed, raw, raw_crossed};
  for (int f = 0; f < 4; f++) {
    out[f] = 0;
    for (int j = 0; j < LANES; j++) out[f] += total[f][j];
  }
}
"""


def step_products(before: Tensor, after: Tensor, gradient: Tensor) -> Tensor:
    """<u, u>, <w, u>, <g, g> and <w, g>, [4] float64, of a step from w to w + u.

    Each product of two elements and each sum is of float64.

    Args:
        before, after: w and w + u, [n], contiguous, float32 or float64, of one device.
        gradient: g, like them.
    """
    if before.is_cpu and (function := _c_function(before.dtype)):
        result = torch.empty(4, dtype=torch.float64)
        function(len(before), *(each.data_ptr() for each in (before, after, gradient, result)))
        return result
    return _by_operators(before, after, gradient)


def _by_operators(before: Tensor, after: Tensor, gradient: Tensor) -> Tensor:
    w, g = before.double(), gradient.double()
    u = after.double() - w
    return torch.stack([u.dot(u), w.dot(u), g.dot(g), w.dot(g)])


@functools.cache
def _c_function(dtype: torch.dtype) -> Callable[..., None] | None:
    try:
        return c_function(f"typedef {_C_TYPES[dtype]} T;{_SOURCE}", 5)
    except (CompileError, KeyError):  # the step itself has warned
        return None
