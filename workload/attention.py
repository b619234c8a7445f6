"""Attention of many short sentences on a CPU, in C.

torch's fused attention is made for long ones. Here all of a sentence's head is done before the
next, in the first cache where it is short. What the queries, keys and values were joined in, their
gradients come back joined in.
"""

import functools
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from shared_optim.layout import is_plain
from workload.c_vectors import LANES, vector_function
from workload.differentiated_once import differentiated_once

_PARALLEL = 1 << 15  # scores from which on threads are worth their start
_LONGEST = 1024  # words; above it torch's attention is as fast, in less memory
_SOURCE = """
typedef floats anywhere __attribute__((aligned(4)));
#define AT(x) (*(anywhere *)(x))
#define ROWS 4

/* Which k count for row i of a product, where later words are not seen: all, up to i, from i on;
   or, of the results, the columns up to i. */
enum { ALL, UP_TO_ROW, FROM_ROW, COLUMNS_TO_ROW };

static inline float highest(const floats x) {
  float found = x[0];
  for (int j = 1; j < LANES; j++) found = x[j] > found ? x[j] : found;
  return found;
}

static inline float total(const floats x) {
  float sum = 0;
  for (int j = 0; j < LANES; j++) sum += x[j];
  return sum;
}

#define BLOCK(R, V) { \\
    floats sums[R][V] = {0}; \\
    for (int64_t k = first; k < last; k++) \\
      for (int r = 0; r < R; r++) \\
        for (int v = 0; v < V; v++) \\
          sums[r][v] += a[(i + r) * a_row + k * a_k] * AT(b + k * b_k + j + v * LANES); \\
    for (int r = 0; r < R; r++) \\
      for (int v = 0; v < V; v++) AT(c + (i + r) * c_row + j + v * LANES) = sums[r][v]; }
#define BLOCKS(R) { \\
    int64_t j = 0; \\
    for (; j + 3 * LANES <= end && j + 4 * LANES != end; j += 3 * LANES) BLOCK(R, 3) \\
    for (; j + 2 * LANES <= end; j += 2 * LANES) BLOCK(R, 2) \\
    if (j < end) BLOCK(R, 1) }

/* c[i][j] = sum over k of a[i][k] b[k][j], for i < rows, j < columns, a multiple of LANES */
static inline __attribute__((always_inline)) void product(
    const int64_t rows, const int64_t columns, const int64_t inner, const int part,
    const float *restrict a, const int64_t a_row, const int64_t a_k,
    const float *restrict b, const int64_t b_k, float *restrict c, const int64_t c_row) {
  for (int64_t i = 0, count; i < rows; i += count) {
    count = rows - i >= ROWS ? ROWS : 1;
    const int64_t next = i + count, up_to = (next + LANES - 1) / LANES * LANES;
    const int64_t first = part == FROM_ROW ? i : 0;
    const int64_t last = part == UP_TO_ROW && next < inner ? next : inner;
    const int64_t end = part == COLUMNS_TO_ROW && up_to < columns ? up_to : columns;
    if (count == ROWS) BLOCKS(ROWS) else BLOCKS(1)
  }
}

static inline void load(const T *from, const int64_t step, const int64_t n, const float scale,
                        float *to) {
  for (int64_t t = 0; t < n; t++)
    for (int d = 0; d < SIZE; d += LANES)
      AT(to + t * SIZE + d) = read(from + t * step + d, LANES) * scale;
}

static inline void store(const float *from, const int64_t step, const int64_t n, const float scale,
                         T *to) {
  for (int64_t t = 0; t < n; t++)
    for (int d = 0; d < SIZE; d += LANES)
      write(to + t * step + d, AT(from + t * SIZE + d) * scale, LANES);
}

/* [n][SIZE] to [SIZE][wide], 0 behind n */
static inline void transpose(const float *from, const int64_t n, const int64_t wide, float *to) {
  for (int d = 0; d < SIZE; d++) {
    for (int64_t t = 0; t < n; t++) to[d * wide + t] = from[t * SIZE + d];
    for (int64_t t = n; t < wide; t++) to[d * wide + t] = 0;
  }
}

/* Where row t ends: behind the words that it sees, in whole vectors */
static inline int64_t reach(const int64_t t, const int64_t ns, const int causal) {
  return ((causal ? t + 1 : ns) + LANES - 1) / LANES * LANES;
}

/* softmax of p[t][s] + shut[s] in place for some rows from t on; 0 behind. Several rows at once, as
   each alone would wait for itself. */
static inline __attribute__((always_inline)) void softmax(
    const int rows, const int64_t t, const int64_t ns, const int64_t wide, const float *shut,
    const int causal, float *p) {
  const int64_t end = reach(t + rows - 1, ns, causal);
  floats most[ROWS], sums[ROWS];
  for (int r = 0; r < rows; r++) {
    float *row = p + (t + r) * wide;
    if (causal)
      for (int64_t s = t + r + 1; s < end; s++) row[s] = -__builtin_inff();
    for (int64_t s = end; s < wide; s++) row[s] = 0;
    most[r] = (floats){0} - __builtin_inff();
    sums[r] = (floats){0};
  }
#define EACH(...) \
    for (int64_t s = 0; s < end; s += LANES) \
      for (int r = 0; r < rows; r++) { float *at = p + (t + r) * wide + s; __VA_ARGS__ }
  EACH(if (!causal) AT(at) += AT(shut + s); most[r] = larger(AT(at), most[r]);)
  for (int r = 0; r < rows; r++) most[r] = (floats){0} + highest(most[r]);
  EACH(sums[r] += AT(at) = exponential(AT(at) - most[r]);)
  for (int r = 0; r < rows; r++) sums[r] = (floats){0} + 1 / total(sums[r]);
  EACH(AT(at) *= sums[r];)
}

/* The gradient with respect to the scores, in place of the weights p, from that of p, for some rows
   from t on */
static inline __attribute__((always_inline)) void of_scores(
    const int rows, const int64_t t, const int64_t ns, const int64_t wide, const int causal,
    float *p, const float *of_p) {
  const int64_t end = reach(t + rows - 1, ns, causal);
  floats sums[ROWS];
  for (int r = 0; r < rows; r++) sums[r] = (floats){0};
  EACH(sums[r] += AT(at) * AT(of_p + (at - p));)
  for (int r = 0; r < rows; r++) sums[r] = (floats){0} + total(sums[r]);
  EACH(AT(at) *= AT(of_p + (at - p)) - sums[r];)
}

/* The call with its first argument ROWS for so many rows at once, and with 1 for the last ones */
#define EACH_ROWS(call, ...) { \
    int64_t t = 0; \
    for (; t + ROWS <= nt; t += ROWS) call(ROWS, t, __VA_ARGS__); \
    for (; t < nt; t++) call(1, t, __VA_ARGS__); }

/* at: addresses of query, key, value, and of the result, or of its gradient and then of those of
   query, key and value; step: of each the elements from one word to the next, then from one
   sentence to the next. A thread has `size` floats of `room`. */
void run(const int64_t *n, const int64_t *at, const int64_t *step, const uint8_t *padding,
         float *room, const int64_t size, const int64_t threads, const int64_t backward) {
  const int64_t sentences = n[0], heads = n[1], nt = n[2], ns = n[3];
  const int causal = n[4];
  const int64_t wide = (ns + LANES - 1) / LANES * LANES, all = sentences * heads;
  const int64_t *from_sentence = step + 7;
  const float scale = 1 / __builtin_sqrtf(SIZE);
#pragma omp parallel for num_threads(threads) if (threads > 1)
  for (int64_t own = 0; own < threads; own++) {
    float *q = room + own * size, *g = q + nt * SIZE, *o = g + nt * SIZE;
    float *k = o + nt * SIZE, *v = k + ns * SIZE, *dk = v + ns * SIZE, *dv = dk + ns * SIZE;
    float *across = dv + ns * SIZE, *p = across + SIZE * wide, *dp = p + nt * wide;
    float *shut = dp + nt * wide;
    for (int64_t each = all * own / threads; each < all * (own + 1) / threads; each++) {
      const int64_t b = each / heads, h = each % heads;
#define OF(i) ((T *)at[i] + b * from_sentence[i] + h * SIZE)
      load(OF(0), step[0], nt, scale, q);
      load(OF(1), step[1], ns, 1, k);
      load(OF(2), step[2], ns, 1, v);
      transpose(k, ns, wide, across);
      product(nt, wide, SIZE, causal ? COLUMNS_TO_ROW : ALL, q, SIZE, 1, across, wide, p, wide);
      for (int64_t s = 0; s < wide && !causal; s++)
        shut[s] = s < ns && !padding[b * ns + s] ? 0 : -__builtin_inff();
      EACH_ROWS(softmax, ns, wide, shut, causal, p)
      if (!backward) {
        product(nt, SIZE, ns, causal ? UP_TO_ROW : ALL, p, wide, 1, v, SIZE, o, SIZE);
        store(o, step[3], nt, 1, OF(3));
        continue;
      }
      load(OF(3), step[3], nt, 1, g);
      product(ns, SIZE, nt, causal ? FROM_ROW : ALL, p, 1, wide, g, SIZE, dv, SIZE);
      store(dv, step[6], ns, 1, OF(6));
      transpose(v, ns, wide, across);
      product(nt, wide, SIZE, causal ? COLUMNS_TO_ROW : ALL, g, SIZE, 1, across, wide, dp, wide);
      EACH_ROWS(of_scores, ns, wide, causal, p, dp)
      product(nt, SIZE, ns, causal ? UP_TO_ROW : ALL, p, wide, 1, k, SIZE, o, SIZE);
      store(o, step[4], nt, scale, OF(4));
      product(ns, SIZE, nt, causal ? FROM_ROW : ALL, p, 1, wide, q, SIZE, dk, SIZE);
      store(dk, step[5], ns, 1, OF(5));
    }
  }
}
"""


def native_attention(
    x: Tensor, heads: int, longest: int, dtype: torch.dtype | None = None
) -> Callable[..., Tensor] | None:
    """What attends in C for queries that are of the size of `x`, [..., C], and on its device; None
    where operators have to: also under torch.compile and the transforms of torch.func.

    It is called with queries, keys and values, and returns, in their dtype, [N, M, C]:

        softmax(q k^T / sqrt(C/heads)) v     for every sentence and head

    computed in float32. Beside the result it takes the memory of one head's scores, in a backward
    pass of two, for each thread.

    Args:
        x: an example.
        heads: that share C; of sizes that are multiples of 16.
        longest: words of the longest sentence.
        dtype: of the queries, keys and values, where it is not x's.

    What is returned takes:
        first: [N, M, 3C], queries, keys and values of self-attention side by side, or the queries
            alone, [N, M, C].
        second: keys and values side by side, [N', M', 2C], where `first` is the queries.
        words: the axis along which a sentence's words lie, 0 or 1; sentences along the other.
        padding: [sentences, words of `second` or `first`] bool, of keys that are not attended to;
            without it, and without `second`, a word sees those up to its own place.
    and raises ValueError for others.
    """
    size = x.shape[-1] // heads
    if not is_plain(x) or not x.is_cpu or x.shape[-1] % heads or size % LANES:
        return None
    if longest > _LONGEST or _traced():
        return None
    function = _c_function(dtype or x.dtype, size)
    return function and functools.partial(_attend, function, heads, size, dtype or x.dtype)


def _traced() -> bool:
    """Whether tensors stand for others, whose memory is not theirs."""
    transformed: bool = torch._C._are_functorch_transforms_active()
    return transformed or torch.compiler.is_compiling()


def _attend(
    function: Callable[..., None],
    heads: int,
    size: int,
    dtype: torch.dtype,
    first: Tensor,
    second: Tensor | None = None,
    *,
    words: int,
    padding: Tensor | None = None,
) -> Tensor:
    keys = first if second is None else second
    sentences, width = first.shape[1 - words], heads * size
    given = [first.shape[2], keys.shape[2], keys.shape[1 - words], first.dtype, keys.dtype]
    wanted = [width if second is not None else 3 * width, (2 if second is not None else 3) * width]
    if given != [*wanted, sentences, dtype, dtype] or (second is not None and padding is None):
        raise ValueError(
            f"attention of {heads} heads of {size} in {dtype} takes queries, keys and values side "
            f"by side, or queries and, with padding, keys and values: not {tuple(first.shape)} "
            f"{first.dtype} and {None if second is None else (tuple(second.shape), second.dtype)}"
        )
    if padding is not None and (
        padding.shape != (sentences, keys.shape[words]) or padding.dtype != torch.bool
    ):
        raise ValueError(
            f"padding of {sentences} sentences of {keys.shape[words]} words is {padding.dtype} "
            f"{tuple(padding.shape)}"
        )
    result: Tensor = _Attention.apply(function, heads, first, second, words, padding)  # type: ignore[no-untyped-call]
    return result


class _Attention(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        function: Callable[..., None],
        heads: int,
        first: Tensor,
        second: Tensor | None,
        words: int,
        padding: Tensor | None,
    ) -> Tensor:
        ctx.save_for_backward(first, second, padding)
        ctx.run = functools.partial(_run, function, heads, words)
        parts = _parts(first, second)
        result = torch.empty_like(parts[0], memory_format=torch.contiguous_format)
        ctx.run(padding, [*parts, result], backward=False)
        return result

    @staticmethod
    @differentiated_once
    def backward(ctx: Any, of_result: Tensor) -> tuple[Tensor | None, ...]:
        first, second, padding = ctx.saved_tensors
        of_first = torch.empty_like(first, memory_format=torch.contiguous_format)
        of_second = second
        if second is not None:
            of_second = torch.empty_like(second, memory_format=torch.contiguous_format)
        parts = [*_parts(first, second), of_result, *_parts(of_first, of_second)]
        ctx.run(padding, parts, backward=True)
        return None, None, of_first, of_second, None, None


def _parts(first: Tensor, second: Tensor | None) -> Sequence[Tensor]:
    """Queries, keys and values."""
    if second is None:
        return first.chunk(3, 2)
    return first, *second.chunk(2, 2)


def _run(
    function: Callable[..., None],
    heads: int,
    words: int,
    padding: Tensor | None,
    parts: Sequence[Tensor],
    *,
    backward: bool,
) -> None:
    parts = [part if part.stride(2) == 1 else part.contiguous() for part in parts]
    query, key = parts[:2]
    nt, ns, width = query.shape[words], key.shape[words], query.shape[2]
    sentences, size = query.shape[1 - words], width // heads
    if padding is not None:
        padding = padding.contiguous()
    several = sentences * heads * nt * ns >= _PARALLEL
    threads = min(torch.get_num_threads(), sentences * heads) if several else 1
    wide = math.ceil(ns / LANES) * LANES
    floats = (3 * nt + 4 * ns + wide) * size + (2 * nt + 1) * wide
    room = torch.empty(threads * floats, dtype=torch.float32, device="cpu")
    numbers = np.array([sentences, heads, nt, ns, padding is None], np.int64)
    addresses = np.array([part.data_ptr() for part in parts], np.int64)
    steps = np.zeros((2, 7), np.int64)
    for axis, row in zip((words, 1 - words), steps, strict=True):
        row[: len(parts)] = [part.stride(axis) for part in parts]
    function(
        *(array.ctypes.data for array in (numbers, addresses, steps)),
        0 if padding is None else padding.data_ptr(),
        room.data_ptr(),
        floats,
        threads,
        backward,
    )


@functools.cache
def _c_function(dtype: torch.dtype, size: int) -> Callable[..., None] | None:
    return vector_function(_SOURCE, 8, dtype, SIZE=size)
