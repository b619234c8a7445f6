"""The forward pass of fairseq's transformer for whole sentences, from its own parameters.

The numbers are those of `TransformerModel.forward(..., features_only=True)` at every position that
is no padding, and dropout draws the same masks in the same order. What fairseq does beside that is
left out:

- It asks the device whether there is padding, once per layer, and a GPU's queue runs empty.
- It makes attention weights in the last layer, and averages them over the heads.
- It masks padded targets in the decoder, which come after every word that could see them.
- Autocast converts every matrix of every layer by itself; here all are converted together.

Linear maps of the same input are one product: queries, keys and values of self-attention, and the
keys and values of the source for all layers of the decoder.

Activations are [T*B, C], the words of all sentences time by time: dropout follows their order,
which is fairseq's.
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from nlp.attention import attention_of
from nlp.dropout import dropout
from workload.differentiated_once import differentiated_once


class Transformer:
    """The forward pass of a model of `nlp.fairseq_model.build_model`, which it leaves as it is.

    Args:
        model: fairseq's TransformerModel, post-norm, with ReLU, without dropout of attention
            weights or behind the ReLU.
        dtype: of matrix products: float32, or bfloat16, for which the matrices and what they are
            multiplied with are rounded. All else is float32, as under autocast.
    """

    def __init__(self, model: Any, dtype: torch.dtype = torch.float32) -> None:
        self.model, self.dtype = model, dtype
        encoder, decoder = model.encoder.layers, model.decoder.layers
        of_source = [layer.encoder_attn for layer in decoder]
        groups = [[p for attention in of_source for p in (attention.k_proj, attention.v_proj)]]
        for attention in (layer.self_attn for layer in (*encoder, *decoder)):
            groups.append([attention.q_proj, attention.k_proj, attention.v_proj])
        grouped = {linear for group in groups for linear in group}
        for module in model.modules():
            if isinstance(module, nn.Linear) and module not in grouped:
                groups.append([module])
        self._maps = _Maps(groups, dtype)

    @sdpa_kernel([SDPBackend.FLASH_ATTENTION, SDPBackend.EFFICIENT_ATTENTION, SDPBackend.MATH])
    def features(self, source: Tensor, previous: Tensor) -> Tensor:
        """What the output projection sees.

        Not with cuDNN's attention, which is built anew for every size of a batch.

        Args:
            source: int64 [B, S], padded on the left.
            previous: int64 [B, T], the target one place to the right, padded on the right.

        Returns:
            float32 [T*B, C]; at padded places of `previous` it means nothing.
        """
        self._maps.begin_pass()
        encoder, decoder = self.model.encoder, self.model.decoder
        heads = decoder.layers[0].encoder_attn.num_heads
        x = _embed(encoder, source)
        padding, longest = source.eq(encoder.padding_idx), max(source.shape[1], previous.shape[1])
        attention = attention_of(x, padding, heads, longest, self.dtype)
        for layer in encoder.layers:
            x = self._attend_self(layer, x, attention.within_source)
            x = self._feed_forward(layer, x)
        projected = self._maps(decoder.layers[0].encoder_attn.k_proj, x)
        sources = attention.sources(projected, len(decoder.layers))
        x = _embed(decoder, previous)
        for layer, of_source in zip(decoder.layers, sources, strict=True):
            x = self._attend_self(layer, x, attention.within_target)
            query = self._maps(layer.encoder_attn.q_proj, x)
            attended = attention.to_source(query, of_source)
            change = self._maps(layer.encoder_attn.out_proj, attended)
            x = _join(layer, layer.encoder_attn_layer_norm, x, change)
            x = self._feed_forward(layer, x)
        return x

    def logits(self, features: Tensor) -> Tensor:
        """[..., V] of the dtype of matrix products, from the last pass's features [..., C]."""
        return self._maps(self.model.decoder.output_projection, features)

    def forget(self) -> None:
        """Let go of the last pass's matrices, and of the graph of autograd that they belong to."""
        self._maps.end_pass()

    def _attend_self(self, layer: Any, x: Tensor, attend: Callable[[Tensor], Tensor]) -> Tensor:
        """`x` and what each word attends to in its sentence."""
        attended = attend(self._maps(layer.self_attn.q_proj, x))
        change = self._maps(layer.self_attn.out_proj, attended)
        return _join(layer, layer.self_attn_layer_norm, x, change)

    def _feed_forward(self, layer: Any, x: Tensor) -> Tensor:
        hidden = self._maps(layer.fc2, self._maps(layer.fc1, x).relu())
        return _join(layer, layer.final_layer_norm, x, hidden)


class _Maps:
    """The linear maps of a model; those of one group are computed as one.

    Args:
        groups: maps of the same input; the first one's name stands for the group.
        dtype: what they are computed in.
    """

    def __init__(self, groups: Sequence[Sequence[nn.Linear]], dtype: torch.dtype) -> None:
        self._groups, self._dtype = groups, dtype
        self._ready: dict[nn.Linear, tuple[Tensor, Tensor | None]] = {}

    def begin_pass(self) -> None:
        """Follow the parameters."""
        self.end_pass()
        firsts = [group[0] for group in self._groups]
        biased = [group for group in self._groups if group[0].bias is not None]
        weights: list[list[Tensor]] = [[linear.weight for linear in g] for g in self._groups]
        biases: list[list[Tensor]] = [[linear.bias for linear in group] for group in biased]
        joined = self._joined(weights + biases)
        of_weights, of_biases = joined[: len(firsts)], joined[len(firsts) :]
        bias = dict(zip((group[0] for group in biased), of_biases, strict=True))
        pairs = zip(firsts, of_weights, strict=True)
        self._ready = {first: (weight, bias.get(first)) for first, weight in pairs}

    def end_pass(self) -> None:
        self._ready = {}

    def __call__(self, first: nn.Linear, x: Tensor) -> Tensor:
        """The group's outputs one behind the other, [..., sum of sizes]."""
        weight, bias = self._ready[first]
        return F.linear(x.to(self._dtype), weight, bias)

    def _joined(self, groups: Sequence[Sequence[Tensor]]) -> Sequence[Tensor]:
        if self._dtype == torch.float32:
            return [torch.cat(tuple(group)) if len(group) > 1 else group[0] for group in groups]
        sizes = [len(group) for group in groups]
        each = [parameter for group in groups for parameter in group]
        rounded: Sequence[Tensor] = _Rounded.apply(self._dtype, sizes, *each)  # type: ignore[no-untyped-call]
        return rounded


class _Rounded(torch.autograd.Function):
    """Groups of tensors, each joined along its first axis, in another dtype; the gradients come
    back in the tensors' own.

    Not one by one, as autocast does: on a GPU each would be a launch in either direction.
    """

    @staticmethod
    def forward(
        ctx: Any, dtype: torch.dtype, sizes: Sequence[int], *tensors: Tensor
    ) -> tuple[Tensor, ...]:
        ctx.dtypes, ctx.lengths, joined = [t.dtype for t in tensors], [], []
        rest = iter(tensors)
        for size in sizes:
            group = [next(rest) for _ in range(size)]
            lengths = [tensor.shape[0] for tensor in group]
            ctx.lengths.append(lengths)
            joined.append(group[0].new_empty((sum(lengths), *group[0].shape[1:]), dtype=dtype))
        torch._foreach_copy_(_parts(joined, ctx.lengths), list(tensors))
        return tuple(joined)

    @staticmethod
    @differentiated_once
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        parts = _parts(gradients, ctx.lengths)
        wide = [torch.empty_like(p, dtype=d) for p, d in zip(parts, ctx.dtypes, strict=True)]
        torch._foreach_copy_(wide, parts)
        return None, None, *wide


def _parts(joined: Sequence[Tensor], lengths: Sequence[list[int]]) -> list[Tensor]:
    parts: list[Tensor] = []
    for whole, each in zip(joined, lengths, strict=True):
        parts += torch.split(whole, each) if len(each) > 1 else (whole,)
    return parts


def _embed(side: Any, tokens: Tensor) -> Tensor:
    """[T*B, C] from [B, T]."""
    x = side.embed_scale * side.embed_tokens(tokens)
    x += side.embed_positions(tokens)
    return _dropped(side.dropout_module, x).transpose(0, 1).flatten(0, 1)


def _join(layer: Any, norm: nn.Module, x: Tensor, change: Tensor) -> Tensor:
    joined: Tensor = norm(x + _dropped(layer.dropout_module, change))
    return joined


def _dropped(module: Any, x: Tensor) -> Tensor:
    drops = module.training or module.apply_during_inference
    return dropout(x, module.p) if drops else x
