"""A matrix times one vector in bfloat16 on a CPU, in C.

An agent that acts multiplies its largest matrix, of 3 MB, with one state: all that counts is how
fast the matrix is read, and torch's product is made for many states.
"""

import functools
from collections.abc import Callable

import torch
from torch import Tensor

from workload.c_vectors import LANES, vector_function

_ROWS = 4
_SOURCE = """
/* result[o] = bias[o] + sum over i of matrix[o][i] x[i]. A word of 32 bits is two numbers, and each
   of them a float with the other's bits gone. */
void run(const int64_t outputs, const int64_t inputs, const T *matrix, const T *x, const T *bias,
         T *result) {
  for (int64_t o = 0; o < outputs; o += ROWS) {
    const int rows = outputs - o < ROWS ? outputs - o : ROWS;
    floats low[ROWS] = {0}, high[ROWS] = {0};
    for (int64_t i = 0; i < inputs; i += 2 * LANES) {
      words pairs;
      __builtin_memcpy(&pairs, x + i, sizeof(pairs));
      const floats x_low = (floats)(pairs << 16), x_high = (floats)(pairs & 0xffff0000u);
      for (int r = 0; r < ROWS; r++) { /* a row that is not there is the last one again */
        __builtin_memcpy(&pairs, matrix + (o + (r < rows ? r : rows - 1)) * inputs + i,
                         sizeof(pairs));
        low[r] += (floats)(pairs << 16) * x_low;
        high[r] += (floats)(pairs & 0xffff0000u) * x_high;
      }
    }
    for (int r = 0; r < rows; r++) {
      const floats parts = low[r] + high[r];
      float sum = 0;
      for (int j = 0; j < LANES; j++) sum += parts[j];
      write(result + o + r, (floats){0} + (sum + read(bias + o + r, 1)[0]), 1);
    }
  }
}
"""


def row_product(x: Tensor, matrix: Tensor, bias: Tensor) -> Tensor | None:
    """matrix x + bias in float32, rounded once; None where it has to be made of operators.

    Args:
        x: [1, 1, I] bfloat16 on the CPU, I a multiple of 32; of no graph of autograd.
        matrix: [1, O, I].
        bias: [1, O].

    Returns: [1, 1, O].
    """
    inputs = x.shape[2]
    suits = x.is_cpu and not torch.is_grad_enabled() and matrix.is_contiguous()
    suits &= all(tensor.dtype == torch.bfloat16 for tensor in (x, matrix, bias))
    if not suits or inputs % (2 * LANES) or x.shape != (1, 1, inputs):
        return None
    if matrix.shape != (1, bias.numel(), inputs):
        return None
    function = _c_function()
    if function is None:
        return None
    x, bias = x.contiguous(), bias.contiguous()
    result = x.new_empty(1, 1, matrix.shape[1])
    addresses = (tensor.data_ptr() for tensor in (matrix, x, bias, result))
    function(matrix.shape[1], inputs, *addresses)
    return result


@functools.cache
def _c_function() -> Callable[..., None] | None:
    return vector_function(_SOURCE, 6, torch.bfloat16, ROWS=_ROWS)
