"""Loss and gradient of the smoothed cross entropy on a CPU, in one pass over the logits.

By operators each logit is read or written a dozen times, and its exponential is taken twice. The
row in hand stays in the first cache here.
"""

import functools
from collections.abc import Callable

import torch
from torch import Tensor

from workload.c_vectors import LANES, vector_function

# A row's sums are of float32 within BLOCK words and of float64 over blocks: the order, and so the
# bits, are the same on every processor.
_SOURCE = """
#define BLOCK (16 * LANES)

/* 0 behind the first `count` */
static inline floats first_of(const floats x, const int64_t count) {
  return count == LANES ? x : (floats)((wholes)x & (numbers < (int32_t)count));
}

/* The statements for every LANES words of [from, to), `count` of them at the end */
#define EACH(from, to, ...) { \
    int64_t k = from; \
    for (; k + LANES <= to; k += LANES) { const int64_t count = LANES; __VA_ARGS__ } \
    if (k < to) { const int64_t count = to - k; __VA_ARGS__ } }

void run(const int64_t rows, const int64_t n, const int64_t logits_at, const int64_t target_at,
         const int64_t gradient_at, const int64_t row_at, const int64_t sums_at) {
  const int64_t *target = (const int64_t *)target_at;
  double *sums = (double *)sums_at; /* other, more; nll and the sum of all log p */
  const float other = sums[0], more = sums[1];
  double nll = 0, all = 0;
  float *e = (float *)row_at; /* [n + LANES] */
  for (int64_t i = 0; i < rows; i++) {
    const T *x = (const T *)logits_at + i * n;
    floats most = (floats){0} - __builtin_inff();
    EACH(0, n, {
      const floats z = read(x + k, count);
      if (count == LANES) most = larger(z, most);
      else for (int j = 0; j < count; j++) most[0] = z[j] > most[0] ? z[j] : most[0]; })
    float largest = most[0];
    for (int j = 1; j < LANES; j++) largest = most[j] > largest ? most[j] : largest;

    double sum = 0, of_x = 0; /* of exp(x - largest) and of x - largest */
    for (int64_t first = 0; first < n; first += BLOCK) {
      const int64_t end = n - first < BLOCK ? n : first + BLOCK;
      floats s = {0}, t = {0};
      EACH(first, end, {
        const floats z = read(x + k, count) - largest, y = exponential(z);
        __builtin_memcpy(e + k, &y, sizeof(y));
        s += first_of(y, count);
        t += first_of(z, count); })
      for (int j = 0; j < LANES; j++) { sum += s[j]; of_x += t[j]; }
    }
    const double log_sum = __builtin_log(sum);
    const float of_reference = read(x + target[i], 1)[0];
    nll += log_sum - (of_reference - largest);
    all += of_x - n * log_sum;
    if (gradient_at) {
      T *out = (T *)gradient_at + i * n;
      const float scale = 1 / sum;
      EACH(0, n, {
        floats y;
        __builtin_memcpy(&y, e + k, sizeof(y));
        write(out + k, y * scale - other, count); })
      write(out + target[i], (floats){0} + e[target[i]] * scale - other - more, 1);
    }
  }
  sums[2] = nll;
  sums[3] = all;
}
"""


def native_loss(logits: Tensor) -> Callable[..., tuple[Tensor, Tensor]] | None:
    """What computes the loss of these logits in C; None where it has to be made of operators."""
    if not (logits.is_cpu and logits.is_contiguous()):
        return None
    function = _c_function(logits.dtype)
    return function and functools.partial(_loss_and_gradient, function, logits)


def _loss_and_gradient(
    function: Callable[..., None],
    logits: Tensor,
    target: Tensor,
    other: float,
    more: float,
    gradient: Tensor | None,
) -> tuple[Tensor, Tensor]:
    """Sums over rows of -log p(reference) and of log p(w) over all w, float32; the gradient of
    `more` times the first less `other` times the second is written into `gradient`.

    Args:
        logits: [N, V], float32 or bfloat16.
        target: [N] int64, on the CPU.
        gradient: like `logits`, to write into.

    Raises:
        IndexError: a target is no word.
        ValueError: targets of another shape, dtype or device.
    """
    rows, words = logits.shape
    if target.shape != (rows,) or target.dtype != torch.int64 or not target.is_cpu:
        raise ValueError(
            f"targets are {tuple(target.shape)} {target.dtype} on {target.device}, not ({rows},) "
            "torch.int64 on the CPU"
        )
    if rows and not 0 <= int(target.min()) <= int(target.max()) < words:
        raise IndexError(f"a target is not one of {words} words")
    target = target.contiguous()
    sums = torch.tensor([other, more, 0, 0], dtype=torch.float64, device="cpu")
    row = torch.empty(words + LANES, dtype=torch.float32, device="cpu")
    into = [0 if gradient is None else gradient.data_ptr(), row.data_ptr(), sums.data_ptr()]
    function(rows, words, logits.data_ptr(), target.data_ptr(), *into)
    nll, of_all = sums[2:].float()
    return nll, of_all


@functools.cache
def _c_function(dtype: torch.dtype) -> Callable[..., None] | None:
    return vector_function(_SOURCE, 7, dtype)
