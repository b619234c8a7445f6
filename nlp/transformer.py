"""The forward pass of fairseq's transformer for whole sentences, from its own parameters.

The numbers are those of `TransformerModel.forward(..., features_only=True)` at every position that
is no padding, and dropout draws the same masks in the same order. What fairseq does beside that is
left out:

- It asks the device whether there is padding, once per layer, and a GPU's queue runs empty.
- It makes attention weights in the last layer, and averages them over the heads.
- It masks padded targets in the decoder, which come after every word that could see them.
- Autocast converts every matrix of every layer by itself; here all are converted together.

Tensors are [T, B, C]: time, sentences, width, as in fairseq, whose order dropout follows.
"""

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel

_MASK_STRIDE = 8
"""Elements to which the attention kernels of GPUs want the rows of a mask aligned."""


class Transformer:
    """The forward pass of a model of `nlp.network.build_model`, which it leaves as it is.

    Args:
        model: fairseq's TransformerModel, post-norm, with ReLU and dropout of activations only.
        dtype: of matrix products: float32, or bfloat16, for which the matrices and what they are
            multiplied with are rounded. All else is float32, as under autocast.
    """

    def __init__(self, model: Any, dtype: torch.dtype = torch.float32) -> None:
        self.model, self.dtype = model, dtype
        linears = [module for module in model.modules() if isinstance(module, nn.Linear)]
        parameters = [p for linear in linears for p in (linear.weight, linear.bias)]
        self._rounding = [p for p in parameters if p is not None and dtype != torch.float32]
        self._rounded: dict[int, Tensor] = {}  # by the parameters' ids, of the present pass

    @sdpa_kernel([SDPBackend.FLASH_ATTENTION, SDPBackend.EFFICIENT_ATTENTION, SDPBackend.MATH])
    def features(self, source: Tensor, previous: Tensor) -> Tensor:
        """What the output projection sees.

        Not with cuDNN's attention, which is built anew for every size of a batch.

        Args:
            source: int64 [B, S], padded on the left.
            previous: int64 [B, T], the target one place to the right, padded on the right.

        Returns:
            float32 [T, B, C]; at padded places of `previous` it means nothing.
        """
        if self._rounding:
            rounded = _Rounded.apply(self.dtype, *self._rounding)  # type: ignore[no-untyped-call]
            self._rounded = dict(zip(map(id, self._rounding), rounded, strict=True))
        padding = source.eq(self.model.encoder.padding_idx)
        mask = _additive(padding, self.dtype)
        x = self._embed(self.model.encoder, source)
        for layer in self.model.encoder.layers:
            x = self._attend(layer.self_attn, layer, layer.self_attn_layer_norm, x, mask=mask)
            x = self._feed_forward(layer, x)
        encoded = x.to(self.dtype)
        x = self._embed(self.model.decoder, previous)
        for layer in self.model.decoder.layers:
            x = self._attend(layer.self_attn, layer, layer.self_attn_layer_norm, x)
            x = self._attend(
                layer.encoder_attn, layer, layer.encoder_attn_layer_norm, x, encoded, mask
            )
            x = self._feed_forward(layer, x)
        return x

    def logits(self, features: Tensor) -> Tensor:
        """[..., V] of the dtype of matrix products, from the last pass's features [..., C]."""
        return self._linear(self.model.decoder.output_projection, features)

    def _linear(self, linear: Any, x: Tensor) -> Tensor:
        weight, bias = linear.weight, linear.bias
        if self._rounded:
            weight = self._rounded[id(weight)]
            bias = None if bias is None else self._rounded[id(bias)]
        return F.linear(x.to(self.dtype), weight, bias)

    def _embed(self, side: Any, tokens: Tensor) -> Tensor:
        x = side.embed_scale * side.embed_tokens(tokens)
        x += side.embed_positions(tokens)
        embedded: Tensor = side.dropout_module(x)
        return embedded.transpose(0, 1)

    def _attend(
        self,
        attention: Any,
        layer: Any,
        norm: nn.Module,
        x: Tensor,
        memory: Tensor | None = None,
        mask: Tensor | None = None,
    ) -> Tensor:
        """`x` and what it attends to in `memory`, or in itself; without a mask only in its past."""
        queried = x.to(self.dtype)
        memory = queried if memory is None else memory
        query, key, value = (
            _by_head(self._linear(projection, of), attention.num_heads)
            for projection, of in (
                (attention.q_proj, queried),
                (attention.k_proj, memory),
                (attention.v_proj, memory),
            )
        )
        attend = _attend_in_steps if _fused_is_slow(queried) else _attend_fused
        attended = attend(query, key, value, mask)
        attended = self._linear(attention.out_proj, attended.permute(2, 0, 1, 3).flatten(2))
        return self._join(layer, norm, x, attended)

    def _feed_forward(self, layer: Any, x: Tensor) -> Tensor:
        hidden = self._linear(layer.fc2, self._linear(layer.fc1, x).relu())
        return self._join(layer, layer.final_layer_norm, x, hidden)

    @staticmethod
    def _join(layer: Any, norm: nn.Module, x: Tensor, change: Tensor) -> Tensor:
        joined: Tensor = norm(x + layer.dropout_module(change))
        return joined


def _by_head(x: Tensor, heads: int) -> Tensor:
    """[B, heads, T, size] from [T, B, C]."""
    return x.view(*x.shape[:2], heads, -1).permute(1, 2, 0, 3)


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


def _additive(padding: Tensor, dtype: torch.dtype) -> Tensor:
    """0 where `padding` [B, S] is False and -inf where it is True, [B, 1, 1, S]."""
    batch, length = padding.shape
    room = -(-length // _MASK_STRIDE) * _MASK_STRIDE
    mask = torch.zeros(batch, room, dtype=dtype, device=padding.device)[:, :length]
    return mask.masked_fill_(padding, -torch.inf)[:, None, None]


class _Rounded(torch.autograd.Function):
    """Copies in another dtype of many tensors at once; the gradients go back in the tensors' own.

    Not one by one, as autocast does: on a GPU each would be a launch in either direction.
    """

    @staticmethod
    def forward(ctx: Any, dtype: torch.dtype, *tensors: Tensor) -> tuple[Tensor, ...]:
        ctx.dtypes = [tensor.dtype for tensor in tensors]
        return _copies(tensors, [dtype] * len(tensors))

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        return None, *_copies(gradients, ctx.dtypes)


def _copies(tensors: Sequence[Tensor], dtypes: Sequence[torch.dtype]) -> tuple[Tensor, ...]:
    copies = [torch.empty_like(t, dtype=dtype) for t, dtype in zip(tensors, dtypes, strict=True)]
    torch._foreach_copy_(copies, list(tensors))
    return tuple(copies)
