"""The update in C: one call for a list of parameters on a CPU.

The C is a rule's formula in a loop, some forty lines without torch's headers, see `compiler`. What
is handed to it is checked by `CpuUpdate`; before its first use in a process it is tried against the
formula itself.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from shared_optim.compiler import c_function
from shared_optim.formula import arithmetic
from shared_optim.rule import Variant

_PARALLEL = 1 << 15  # elements from which on threads are worth their start
C_TYPES = {torch.float32: "float", torch.float64: "double", torch.bfloat16: "bf16"}

C_TYPES_SOURCE = """
#include <math.h>
#include <stdint.h>

typedef struct { uint16_t bits; } bf16;
#define ROOT(x) _Generic((x), float: sqrtf, double: sqrt)(x)

static inline float from_bf16(bf16 x) {
  union { uint32_t bits; float value; } u = { (uint32_t)x.bits << 16 };
  return u.value;
}
static inline bf16 to_bf16(float x) {  /* to nearest, ties to even */
  union { float value; uint32_t bits; } u = { x };
  const uint32_t rounded = (u.bits + 0x7fff + ((u.bits >> 16) & 1)) >> 16;
  return (bf16){ (uint16_t)(x != x ? 0x7fc0 : rounded) };
}
static inline float identity_f(float x) { return x; }
static inline double identity_d(double x) { return x; }
#define LOAD(x) ((T)_Generic((x), bf16: from_bf16, float: identity_f, double: identity_d)(x))
#define STORE(x, like) _Generic((like), bf16: to_bf16, float: identity_f, double: identity_d)(x)
"""
"""C for reading and writing each of the types as T."""

_LOOP = """
/* not inlined: a compiler forgets what `restrict` says of parameters that it has inlined */
static __attribute__((noinline)) void update(%(parameters)s,
                                             const int64_t first, const int64_t last, const T *c) {
%(coefficients)s
  if (!(active > 0)) return;
  for (int64_t i = first; i < last; i++) {
%(loads)s
%(formula)s
%(stores)s
  }
}

/* at: addresses [tensors, count]; sizes, members, rows: [count]; thread s of `threads` takes the
   elements from total*s/threads on. */
void run(const int64_t count, const int64_t *at, const int64_t *sizes, const int64_t *members,
         const int64_t *rows, const T *table, const int64_t total, const int64_t threads) {
#pragma omp parallel for num_threads(threads) if (threads > 1)
  for (int64_t s = 0; s < threads; s++) {
    const int64_t from = total / threads * s + total %% threads * s / threads;
    const int64_t to = total / threads * (s + 1) + total %% threads * (s + 1) / threads;
    int64_t start = 0;
    for (int64_t p = 0; p < count && start < to; p++)
      for (int64_t k = 0; k < members[p]; k++, start += sizes[p]) {
        const int64_t first = from > start ? from - start : 0;
        const int64_t last = to - start < sizes[p] ? to - start : sizes[p];
        if (first < last)
          update(%(arguments)s, k * sizes[p] + first, k * sizes[p] + last,
                 table + (rows[p] + k) * %(fields)d);
      }
  }
}
"""


def source(variant: Variant, theta: str, gradient: str, buffer: str) -> str:
    """The C of a variant, for parameters, gradients and buffers of these C types."""
    rule, names = variant.rule, ("theta", "gradient", *variant.buffers)
    types = dict(zip(names, (theta, gradient, *[buffer] * len(variant.buffers)), strict=True))
    defined = {f"HAS_{name.upper()}": True for name in variant.buffers}
    defined |= {flag.upper(): True for flag in variant.flags}
    lines = [f"#define {name} 1" for name in sorted(defined)]
    lines.append(f"typedef {'double' if theta == 'double' else 'float'} T;")
    body = _LOOP % {
        "parameters": ", ".join(f"{kind} *restrict {name}_at" for name, kind in types.items()),
        "arguments": ", ".join(
            f"({kind} *)at[{i} * count + p]" for i, kind in enumerate(types.values())
        ),
        "coefficients": "\n".join(
            f"  const T {name} = c[{i}];\n  (void){name};" for i, name in enumerate(rule.fields)
        ),
        "loads": "\n".join(f"    T {name} = LOAD({name}_at[i]);" for name in names),
        "formula": rule.c.strip("\n"),
        "stores": "\n".join(
            f"    {name}_at[i] = STORE({name}, {name}_at[i]);"
            for name in names
            if name != "gradient"
        ),
        "fields": len(rule.fields),
    }
    return "\n".join(lines) + C_TYPES_SOURCE + body


class CpuUpdate:
    """One step for a fixed list of parameters with their buffers.

    Everything it reads and writes lies where it lay at construction, but the gradients. It keeps
    addresses alone: whoever calls it sees to it that they are still those of the tensors.

    Args:
        variant: of the rule.
        columns: thetas, then the buffers in the variant's order: lists of tensors [K, n],
            contiguous, no two of which overlap.
        rows: the number of each parameter's first row in the table.
        gradient_dtype: of the gradients.

    Raises:
        CompileError: it cannot be compiled.
        KeyError: C has no code for these dtypes.
        ValueError: tensors overlap.
    """

    def __init__(
        self,
        variant: Variant,
        columns: Sequence[Sequence[Tensor]],
        rows: Sequence[int],
        gradient_dtype: torch.dtype,
    ) -> None:
        thetas = columns[0]
        types = thetas[0].dtype, gradient_dtype, (columns[1:] or columns)[0][0].dtype
        self._run = c_function(source(variant, *(C_TYPES[each] for each in types)), 8)
        self._table_dtype = arithmetic(thetas[0].dtype)
        self._gradient_dtype = gradient_dtype
        self._count = len(thetas)
        self._at = np.empty((1 + len(columns), self._count), np.int64)
        for i, column in zip((0, *range(2, 1 + len(columns))), columns, strict=True):
            self._at[i] = [tensor.data_ptr() for tensor in column]
        self._members = np.array([theta.shape[0] for theta in thetas], np.int64)
        self._sizes = np.array([theta.shape[1] for theta in thetas], np.int64)
        self._rows = np.array(rows, np.int64)
        self._needed = int((self._rows + self._members).max())
        self._fields = len(variant.rule.fields)
        self._total = int((self._members * self._sizes).sum())
        self._taken = _Taken([tensor for column in columns for tensor in column])
        self._bytes = self._members * self._sizes * gradient_dtype.itemsize
        self._apart: list[int] = []  # addresses that were found to overlap nothing
        # the same at every call
        self._arguments = [
            array.ctypes.data for array in (self._at, self._sizes, self._members, self._rows)
        ]

    def __call__(self, gradients: Sequence[Tensor], table: Tensor) -> None:
        """Update everything in place.

        Args:
            gradients: as `Flat.in_order` gives them, in the parameters' order.
            table: coefficients, [rows, fields], on the CPU, in the dtype of the arithmetic.

        Raises ValueError for gradients or a table that are not those of this list.
        """
        fits = table.ndim == 2 and table.shape[1] == self._fields and len(table) >= self._needed
        if not (fits and table.dtype == self._table_dtype and table.is_contiguous()):
            raise ValueError(f"a table {tuple(table.shape)} of {table.dtype} is none of this rule")
        if len(gradients) != self._count:
            raise ValueError(f"{len(gradients)} gradients for {self._count} parameters")
        if any(gradient.dtype is not self._gradient_dtype for gradient in gradients):
            raise ValueError(
                f"gradients of {sorted({str(gradient.dtype) for gradient in gradients})}, not of "
                f"{self._gradient_dtype}"
            )
        addresses = list(map(Tensor.data_ptr, gradients))
        # gradients often lie where they lay in the step before
        if addresses != self._apart:
            self._apart = addresses
            starts = self._at[1] = np.array(addresses, np.int64)
            if overlapping := self._taken.overlapping(starts, self._bytes):
                self._apart = []
                gradients = list(gradients)
                for i in overlapping:
                    gradients[i] = gradients[i].clone()
                    self._at[1, i] = gradients[i].data_ptr()
        threads = torch.get_num_threads() if self._total >= _PARALLEL else 1
        self._run(self._count, *self._arguments, table.data_ptr(), self._total, threads)


class _Taken:
    """The memory of tensors, none of which may overlap another."""

    def __init__(self, tensors: Sequence[Tensor]) -> None:
        spans = sorted((t.data_ptr(), t.data_ptr() + t.nbytes) for t in tensors if t.numel())
        if any(end > start for (_, end), (start, _) in itertools.pairwise(spans)):
            raise ValueError("parameters or buffers share memory")
        self._starts = np.array([start for start, _ in spans] or [0], np.int64)
        self._ends = np.array([end for _, end in spans] or [0], np.int64)

    def overlapping(self, starts: np.ndarray, lengths: np.ndarray) -> list[int]:
        """Which of some other spans overlap one of these."""
        before = np.searchsorted(self._starts, starts + lengths) - 1
        hit = (before >= 0) & (self._ends[before] > starts) & (lengths > 0)
        return np.flatnonzero(hit).tolist() if hit.any() else []
