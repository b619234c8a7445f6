"""The sums, histograms and quantiles of a network's layers in C, in one call on a CPU."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from shared_optim.compiler import CompileError, c_function
from shared_optim.measures.histogram import BINS, logs_of_bins
from shared_optim.measures.statistics import PROBABILITIES, SUMS
from shared_optim.native import C_TYPES, C_TYPES_SOURCE

# The bins are those of measures.histogram. A sum has four parts that are added up at the end, so
# that a compiler may keep them in vectors; its order, and so its bits, are always the same. A
# product of two float32 is exact in double, so that it may be added without being rounded first.
_FUSED = """
#ifdef __clang__
#pragma clang fp contract(fast)
#else
#pragma GCC optimize("fp-contract=fast")
#endif
"""
_SOURCE = """
#define BINS 32768
#define INFINITY_BIN 0x7f80
#define LANES 8
#define PAIR 4
#define BLOCK 1024
#define STRIDE 32  /* divides BINS */

static inline uint32_t bits_of(float x) {
  union { float value; uint32_t bits; } u = { x };
  return u.bits & 0x7fffffff;
}

typedef T values __attribute__((vector_size(LANES * sizeof(T))));
typedef I masks __attribute__((vector_size(LANES * sizeof(T))));  /* -1 where true, else 0 */
typedef double sums_of __attribute__((vector_size(PAIR * sizeof(double))));
typedef float floats __attribute__((vector_size(LANES * sizeof(float))));
typedef int32_t integers __attribute__((vector_size(LANES * sizeof(float))));

#define MASK(x) __builtin_convertvector((masks)(x), integers)

#define READER(name, type) \\
  static inline values name(const type *x) { \\
    values v; \\
    for (int j = 0; j < LANES; j++) v[j] = LOAD(x[j]); \\
    return v; \\
  }
READER(with_w, W)
READER(with_m, M)
#define DOUBLES(name, type) \\
  static inline sums_of name(const type *x) { \\
    sums_of v; \\
    for (int j = 0; j < PAIR; j++) v[j] = (double)LOAD(x[j]); \\
    return v; \\
  }
DOUBLES(doubles_w, W)
DOUBLES(doubles_g, G)

/* asked for that many bytes ahead: processors do not foresee four streams across pages */
#define AHEAD(x) __builtin_prefetch((const char *)(x) + 1024)

/* Two loops, each of which finds room in the registers; n is a multiple of LANES. */
static __attribute__((noinline)) void add(
    const int n, const W *restrict w_at, const G *restrict g_at, const W *restrict new_at,
    const M *restrict m_at, const W *restrict start_at, const T inside, const T decay,
    int32_t *restrict bins, double *restrict total) {
  integers drowned = {0}, zero = {0}, untouched = {0};
  for (int i = 0; i < n; i += LANES) {
    AHEAD(w_at + i);
    AHEAD(g_at + i);
    AHEAD(new_at + i);
    AHEAD(m_at + i);
    const values w = with_w(w_at + i), m = with_m(m_at + i), ratio = m / w, apart = ratio - inside;
    const integers no_weight = MASK(w == 0), no_moment = MASK(m == 0);
    drowned -= MASK((apart < decay) & (-apart < decay));
    zero -= no_weight;
    untouched -= no_moment & ~no_weight;
    const integers bin = ((integers)__builtin_convertvector(ratio, floats) & 0x7fffffff) >> 16;
    const integers outside = no_weight | no_moment | (bin >= INFINITY_BIN);
    const integers placed = (bin & ~outside) | (BINS & outside);
    __builtin_memcpy(bins + i, &placed, sizeof placed);
  }
  sums_of weight = {0}, gradient = {0}, updates = {0}, weight_gradient = {0};
  sums_of weight_update = {0}, distance = {0};
  for (int i = 0; i < n; i += PAIR) {
    const sums_of w = doubles_w(w_at + i), g = doubles_g(g_at + i), to = doubles_w(new_at + i);
    const sums_of update = to - w;
#if HAS_START
    const sums_of away = to - doubles_w(start_at + i);
    distance += away * away;
#endif
    weight += w * w;
    gradient += g * g;
    updates += update * update;
    weight_gradient += w * g;
    weight_update += w * update;
  }
  for (int f = 0; f < LANES; f++) {
    total[6] += drowned[f];
    total[7] += zero[f];
    total[8] += untouched[f];
  }
  for (int j = 0; j < PAIR; j++) {
    const double each[] = {weight[j], gradient[j], updates[j], weight_gradient[j],
                           weight_update[j], distance[j]};
    for (int f = 0; f < 6; f++) total[f] += each[f];
  }
}

/* at: addresses [5, count] of w, g, w', m, start; limits: [count, 2] inside and decay;
   members: [count] whose histogram [BINS] a row is added to; sums: [count, FIELDS];
   quantiles: [count, Q] bins; -1 where nothing was counted; scratch: [2, BINS + 1] zeros. */
void run(const int64_t count, const int64_t at, const int64_t sizes_at, const int64_t limits_at,
         const int64_t members_at, const int64_t counts_at, const int64_t sums_at,
         const int64_t quantiles_at, const int64_t probabilities_at, const int64_t q,
         const int64_t scratch_at) {
  const int64_t *addresses = (const int64_t *)at, *sizes = (const int64_t *)sizes_at;
  const int64_t *members = (const int64_t *)members_at;
  const double *limits = (const double *)limits_at;
  const double *probabilities = (const double *)probabilities_at;
  uint32_t *scratch = (uint32_t *)scratch_at, *other = scratch + BINS + 1;
  for (int64_t r = 0; r < count; r++) {
    const W *w = (const W *)addresses[r], *to = (const W *)addresses[2 * count + r];
    const G *g = (const G *)addresses[count + r];
    const M *m = (const M *)addresses[3 * count + r];
    const W *start = (const W *)addresses[4 * count + r];
    double *total = (double *)sums_at + r * FIELDS;
    for (int f = 0; f < FIELDS; f++) total[f] = 0;
    int32_t bins[BLOCK];
    int32_t lowest = BINS, highest = -1;  /* of those that are filled */
    for (int64_t first = 0; first < sizes[r]; first += BLOCK) {
      const int n = sizes[r] - first < BLOCK ? (int)(sizes[r] - first) : BLOCK;
      const int even = n / LANES * LANES;
      const T in = (T)limits[2 * r], out = (T)limits[2 * r + 1];
      add(even, w + first, g + first, to + first, m + first, start + first, in, out, bins,
          total + 1);
      if (even < n) {  /* the rest, with zeros behind it that are counted off again */
        const int64_t at = first + even;
        W rest_w[LANES] = {0}, rest_to[LANES] = {0}, rest_start[LANES] = {0};
        G rest_g[LANES] = {0};
        M rest_m[LANES] = {0};
        int32_t rest_bins[LANES];
        for (int j = 0; even + j < n; j++) {
          rest_w[j] = w[at + j], rest_g[j] = g[at + j], rest_to[j] = to[at + j];
          rest_m[j] = m[at + j], rest_start[j] = start[at + j];
        }
        add(LANES, rest_w, rest_g, rest_to, rest_m, rest_start, in, out, rest_bins, total + 1);
        total[ZERO] -= LANES - (n - even);
        for (int j = 0; even + j < n; j++) bins[even + j] = rest_bins[j];
      }
      for (int j = 0; j < n; j++) {
        const int32_t inner = bins[j] < BINS ? bins[j] : -1;
        lowest = bins[j] < lowest ? bins[j] : lowest;
        highest = inner > highest ? inner : highest;
      }
      int i = 0;
      for (; i + 1 < n; i += 2) {  /* equal bins in a row would wait for each other */
        scratch[bins[i]]++;
        other[bins[i + 1]]++;
      }
      if (i < n) scratch[bins[i]]++;
    }
    total[0] = (double)sizes[r];
    int64_t *counts = (int64_t *)counts_at + members[r] * BINS;
    int32_t *quantiles = (int32_t *)quantiles_at + r * q;
    const int64_t counted = sizes[r] - scratch[BINS] - other[BINS];
    scratch[BINS] = other[BINS] = 0;
    int64_t below = 0;
    int next = 0;
    for (int i = 0; i < q && !counted; i++) quantiles[i] = -1;
    /* in blocks, without a branch for each bin: which of them are filled is hard to foretell */
    for (int block = lowest / STRIDE * STRIDE; block <= highest; block += STRIDE) {
      uint32_t here[STRIDE];
      int64_t sum = 0;
      for (int j = 0; j < STRIDE; j++) {
        here[j] = scratch[block + j] + other[block + j];
        sum += here[j];
        counts[block + j] += here[j];
        scratch[block + j] = other[block + j] = 0;
      }
      for (; next < q; next++) {
        const double rank = ceil(probabilities[next] * (double)counted);
        const double wanted = rank < 1 ? 1 : rank;
        if ((double)(below + sum) < wanted) break;
        int64_t reached = below;
        int j = 0;
        while ((double)(reached += here[j]) < wanted) j++;
        quantiles[next] = block + j;
      }
      below += sum;
    }
  }
}
"""


def measure(
    columns: Sequence[Sequence[Tensor]],
    limits: Sequence[tuple[float, float]],
    counts: Tensor,
    has_start: bool,
) -> tuple[NDArray[np.void], Tensor] | None:
    """Sums [layers, K] of SUMS, and quantiles of ln|m/w| [layers, K, Q] float64.

    Args:
        columns: w, g, w', m and w_0 of the layers, on the CPU, contiguous, each of one dtype.
        limits: (inside, decay) of each layer's members in turn.
        counts: [K, BINS] int64, to which the layers' histograms are added.
        has_start: whether to measure `distance`.

    Returns None where there is no compiler or no code for the dtypes.

    Raises RuntimeError for tensors without memory.
    """
    kinds = [column[0].dtype for column in columns]
    function = _function(kinds[0], kinds[1], kinds[3], has_start)
    if function is None:
        return None
    members, layers = len(counts), len(columns[0])
    places = [list(map(Tensor.data_ptr, column)) for column in columns[: 5 if has_start else 4]]
    first = np.array(places if has_start else [*places, places[2]], np.int64)
    elements = np.array(list(map(Tensor.numel, columns[0])), np.int64) // members
    if not first.all() and ((first == 0) & (elements > 0)).any():
        raise RuntimeError(
            "a tensor has no memory that could be measured: was it freed, or is it a fake one?"
        )
    widths = np.array([kind.itemsize for kind in kinds], np.int64)
    steps = widths[:, None, None] * elements[:, None] * np.arange(members)
    at = (first[:, :, None] + steps).reshape(len(widths), -1)
    inside_and_decay = np.array(limits, np.float64)
    sizes = np.repeat(elements, members)
    owners = np.tile(np.arange(members, dtype=np.int64), layers)
    sums = np.zeros((layers, members), SUMS)
    bins = np.empty((layers, members, len(PROBABILITIES)), np.int32)
    scratch = np.zeros(2 * (BINS + 1), np.uint32)
    function(
        len(sizes),
        *(array.ctypes.data for array in (at, sizes, inside_and_decay, owners)),
        counts.data_ptr(),
        sums.ctypes.data,
        bins.ctypes.data,
        PROBABILITIES.data_ptr(),
        len(PROBABILITIES),
        scratch.ctypes.data,
    )
    return sums, logs_of_bins(torch.from_numpy(bins))


@functools.cache
def _function(
    weight: torch.dtype, gradient: torch.dtype, moment: torch.dtype, has_start: bool
) -> Callable[..., None] | None:
    try:
        types = [C_TYPES[each] for each in (weight, gradient, moment)]
    except KeyError:
        return None
    wide = "double" in types
    lines = [
        _FUSED,
        "typedef double T;" if wide else "typedef float T;",
        C_TYPES_SOURCE,
        *(f"typedef {kind} {name};" for name, kind in zip("WGM", types, strict=True)),
        f"typedef {'int64_t' if wide else 'int32_t'} I;",
        f"#define HAS_START {int(has_start)}",
        f"#define FIELDS {len(SUMS.names or ())}",
        f"#define ZERO {(SUMS.names or ()).index('zero')}",
    ]
    try:
        return c_function("\n".join(lines) + _SOURCE, 11)
    except CompileError:  # the step itself has warned
        return None
