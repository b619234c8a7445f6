"""Attention among the words of a batch, of self and of the source: in C on a CPU, else by torch.

Activations are [T*B, C], as in `nlp.transformer`.
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from workload.attention import native_attention
from workload.differentiated_once import differentiated_once

_MASK_STRIDE = 8
"""Elements to which the attention kernels of GPUs want every stride of a mask aligned."""


class Attention:
    """Attention by torch's operators.

    Args:
        padding: [B, S] bool, of the source.
        heads: of every attention.
        dtype: of what is attended to.
    """

    def __init__(self, padding: Tensor, heads: int, dtype: torch.dtype) -> None:
        self._sentences, self._heads = len(padding), heads
        self._mask = _additive(padding, dtype)

    def within_source(self, projected: Tensor) -> Tensor:
        """[S*B, C], from queries, keys and values of all words side by side, [S*B, 3C]."""
        return self._joined(self._by_head(projected, 3), self._mask)

    def within_target(self, projected: Tensor) -> Tensor:
        """[T*B, C], of each word to those up to itself, from [T*B, 3C]."""
        return self._joined(self._by_head(projected, 3), None)

    def sources(self, projected: Tensor, layers: int) -> Sequence[Any]:
        """What each layer of a decoder attends to, from the keys and values of all, [S*B, L*2C]."""
        split = self._by_head(projected, 2 * layers)
        return list(zip(split[::2], split[1::2], strict=True))

    def to_source(self, query: Tensor, source: Any) -> Tensor:
        """[T*B, C], from queries [T*B, C] and one of `sources`."""
        return self._joined([*self._by_head(query, 1), *source], self._mask)

    def _by_head(self, x: Tensor, maps: int) -> Sequence[Tensor]:
        """For each of the maps that lie side by side in [T*B, maps*C]: [B, heads, T, size]."""
        sizes = self._sentences, maps, self._heads, x.shape[1] // (maps * self._heads)
        split: Sequence[Tensor] = _Split.apply(x, sizes)  # type: ignore[no-untyped-call]
        return split

    def _joined(self, parts: Sequence[Tensor], mask: Tensor | None) -> Tensor:
        query, key, value = parts
        attend = _attend_in_steps if _fused_is_slow(query) else _attend_fused
        attended = attend(query, key, value, mask).permute(2, 0, 1, 3)
        return attended.reshape(-1, self._heads * query.shape[3])


class NativeAttention(Attention):
    """The same in C.

    Args:
        attend: what `native_attention` returned.
        padding: [B, S] bool, of the source.
    """

    def __init__(self, attend: Callable[..., Tensor], padding: Tensor) -> None:
        self._attend, self._padding = attend, padding

    def within_source(self, projected: Tensor) -> Tensor:
        return self._flat(self._by_word(projected), padding=self._padding)

    def within_target(self, projected: Tensor) -> Tensor:
        return self._flat(self._by_word(projected))

    def sources(self, projected: Tensor, layers: int) -> Sequence[Any]:
        return self._by_word(projected).chunk(layers, 2)

    def to_source(self, query: Tensor, source: Any) -> Tensor:
        return self._flat(self._by_word(query), source, padding=self._padding)

    def _by_word(self, x: Tensor) -> Tensor:
        return x.view(-1, len(self._padding), x.shape[1])

    def _flat(self, *args: Tensor, padding: Tensor | None = None) -> Tensor:
        return self._attend(*args, words=0, padding=padding).flatten(0, 1)


def attention_of(
    x: Tensor, padding: Tensor, heads: int, longest: int, dtype: torch.dtype
) -> Attention:
    """That for activations like `x`, of sentences of up to `longest` words, computed in `dtype`;
    see `Attention`."""
    attend = native_attention(x, heads, longest, dtype)
    return NativeAttention(attend, padding) if attend else Attention(padding, heads, dtype)


def _attend_fused(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None) -> Tensor:
    return F.scaled_dot_product_attention(query, key, value, mask, is_causal=mask is None)


def _attend_in_steps(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None) -> Tensor:
    scores = (query * query.shape[-1] ** -0.5) @ key.mT
    if mask is None:
        mask = torch.full(scores.shape[-2:], -torch.inf, device=query.device).triu_(1)
    weights: Tensor = (scores.float() + mask).softmax(-1).to(value.dtype)
    return weights @ value


def _fused_is_slow(x: Tensor) -> bool:
    """The backward pass of torch's fused attention in bfloat16 on CPUs takes 2 to 7 times as long
    as the steps it is made of, for sentences of 100 and of 20 words."""
    return x.dtype == torch.bfloat16 and x.device.type == "cpu"


class _Split(torch.autograd.Function):
    """The maps as views, whose gradients are written side by side at once: autograd's own would be
    stacked first and then brought into that order."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, sizes: Sequence[int]) -> tuple[Tensor, ...]:
        ctx.sizes = sizes
        return _maps_of(x, sizes)

    @staticmethod
    @differentiated_once
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        sentences, maps, heads, size = ctx.sizes
        rows = sentences * gradients[0].shape[2]
        joined = gradients[0].new_empty(rows, maps * heads * size)
        torch._foreach_copy_(_maps_of(joined, ctx.sizes), gradients)
        return joined, None


def _maps_of(x: Tensor, sizes: Sequence[int]) -> tuple[Tensor, ...]:
    return x.view(-1, *sizes).permute(2, 1, 3, 0, 4).unbind()


def _additive(padding: Tensor, dtype: torch.dtype) -> Tensor:
    """0 where `padding` [B, S] is False and -inf where it is True, [B, 1, 1, S]."""
    batch, length = padding.shape
    aligned = -(-length // _MASK_STRIDE) * _MASK_STRIDE
    mask = torch.zeros(batch, 1, 1, aligned, dtype=dtype, device=padding.device)[..., :length]
    return mask.masked_fill_(padding[:, None, None], -torch.inf)
