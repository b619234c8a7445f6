"""fairseq's SequenceGenerator with its costly parts replaced; the hypotheses stay the same.

What is computed otherwise: keys and values of the source once per sentence and not per hypothesis,
encoder outputs never reordered, one copy of the decoder's past per step instead of two per layer,
no attention weights kept, the candidates found without sorting the whole vocabulary.

Importing this imports fairseq.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from nlp.network import quiet

with quiet():
    from fairseq.search import BeamSearch
    from fairseq.sequence_generator import EnsembleModel, SequenceGenerator

BLOCK = 64
"""Neighbouring words of the vocabulary whose maximum is looked at first."""


class Generator(SequenceGenerator):  # type: ignore[misc]
    """Beam search over one model, with a limit of length for every sentence of its own.

    Keep it in no attribute of a module: it holds the model as a submodule.

    Args:
        model: the transformer of `nlp.network.build_model`; it is put into evaluation mode.
        dictionary: of the target language.
        beam: hypotheses kept per sentence.
    """

    def __init__(self, model: nn.Module, dictionary: Any, beam: int) -> None:
        search = _LimitedBeamSearch(dictionary)
        super().__init__(_StepwiseModel(model), dictionary, beam, search_strategy=search)
        self.max_len_a = 0

    def best(self, sources: Tensor, lengths: Tensor, limits: Sequence[int]) -> list[Tensor]:
        """The best hypothesis of every source, int64 [length] with the end mark.

        Args:
            sources: int64 [B, S], padded on the left.
            lengths: int64 [B] of the sources.
            limits: per source, the most tokens before the end mark.
        """
        self.max_len_b = max(limits)
        self.search.limits = torch.tensor(limits, device=sources.device)
        self.search.smallest_limit = min(limits)
        batch = {"net_input": {"src_tokens": sources, "src_lengths": lengths}}
        return [hypotheses[0]["tokens"] for hypotheses in self._generate(batch)]

    def is_finished(
        self, step: int, unfin_idx: int, max_len: int, finalized_sent_len: int, beam_size: int
    ) -> bool:
        if finalized_sent_len == beam_size or step == max_len:
            return True
        return self.search.at_limit(step, unfin_idx)


class _LimitedBeamSearch(BeamSearch):  # type: ignore[misc]
    """The 2*beam best continuations of every sentence; at its limit, only end marks."""

    limits: Tensor
    smallest_limit: int

    def step(
        self,
        step: int,
        lprobs: Tensor,
        scores: Tensor,
        prev_output_tokens: Tensor,
        original_batch_idxs: Tensor,
        candidate_multiple: int = 2,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Scores, words and beams of the candidates, each [B, 2*beam], best first.

        `lprobs` is [B, beam, V], `scores` [B, beam, step] of what the hypotheses have so far.
        """
        beam, words = lprobs.shape[1:]
        if step >= self.smallest_limit:
            self._limits_now = self.limits[original_batch_idxs.to(self.limits.device)]
            at_limit = (self._limits_now <= step).nonzero().squeeze(1)
            only_end = torch.full_like(lprobs[at_limit], -torch.inf)
            only_end[..., self.eos] = lprobs[at_limit, :, self.eos]
            lprobs[at_limit] = only_end
        if step == 0:  # all hypotheses are alike
            lprobs = lprobs[:, :1]
        # The best candidates lie in the blocks with the best maxima.
        count = candidate_multiple * beam
        whole = words // BLOCK * BLOCK
        maxima = lprobs[..., :whole].unflatten(2, (-1, BLOCK)).amax(3)
        if whole < words:
            maxima = torch.cat((maxima, lprobs[..., whole:].amax(2, keepdim=True)), 2)
        if step:
            maxima = maxima + scores[:, :, -1:]
        blocks = maxima.shape[2]
        best = maxima.flatten(1).topk(min(count, maxima[0].numel())).indices
        beams, block = best // blocks, best % blocks
        word = block.unsqueeze(2) * BLOCK + torch.arange(BLOCK, device=lprobs.device)
        inside = word < words
        place = (beams * words).unsqueeze(2) + word.clamp(max=words - 1)
        candidates = lprobs.flatten(1).gather(1, place.flatten(1)).view_as(place)
        if step:
            candidates = candidates + scores[:, :, -1].gather(1, beams).unsqueeze(2)
        candidates = candidates.masked_fill(~inside, -torch.inf).flatten(1)
        top, chosen = candidates.topk(min(count, lprobs.shape[1] * words - 1))
        place = place.flatten(1).gather(1, chosen)
        return top, place % words, place // words

    def at_limit(self, step: int, sentence: int) -> bool:
        """Whether a sentence, by its place among the unfinished, may grow no further."""
        return step >= self.smallest_limit and step >= int(self._limits_now[sentence])


class _StepwiseModel(EnsembleModel):  # type: ignore[misc]
    """A fairseq transformer that decodes one word of all hypotheses at a time.

    Rows are hypotheses, those of a sentence side by side. What the decoder remembers of them is one
    tensor [time, layers, 2, rows, width] of keys and values.
    """

    def __init__(self, model: Any) -> None:
        super().__init__([model])
        decoder = model.decoder
        self._attention_weights = [
            tuple(
                torch.cat([getattr(getattr(layer.self_attn, part), kind) for part in _QKV])
                for kind in ("weight", "bias")
            )
            for layer in decoder.layers
        ]
        positions = decoder.embed_positions
        self._positions = positions.get_embedding(
            decoder.max_target_positions + positions.padding_idx + 1,
            positions.embedding_dim,
            positions.padding_idx,
        ).to(decoder.embed_tokens.weight)

    def forward_encoder(self, net_input: dict[str, Tensor]) -> list[dict[str, Any]]:
        """Keys and values of the sources for every decoder layer, and what to leave out."""
        (model,) = self.models
        encoded = model.encoder.forward_torchscript(net_input)
        x, padding = encoded["encoder_out"][0], encoded["encoder_padding_mask"][0]
        layers = []
        for layer in model.decoder.layers:
            heads = layer.encoder_attn.num_heads
            key = layer.encoder_attn.k_proj(x).unflatten(2, (heads, -1)).permute(1, 2, 3, 0)
            value = layer.encoder_attn.v_proj(x).unflatten(2, (heads, -1)).permute(1, 2, 0, 3)
            layers.append((key.contiguous(), value.contiguous()))
        mask = None
        if bool(padding.any()):
            mask = torch.zeros(padding.shape, device=x.device).masked_fill(padding, -torch.inf)
            mask = mask[:, None, None]
        return [{"layers": layers, "mask": mask, "sentences": x.shape[1]}]

    def reorder_encoder_out(
        self, encoder_outs: list[dict[str, Any]], new_order: Tensor
    ) -> list[dict[str, Any]]:
        """Hypotheses move within their sentence only: nothing to do until sentences are through."""
        (encoded,) = encoder_outs
        sentences = new_order.numel() // self.beam
        if sentences == encoded["sentences"]:
            return encoder_outs
        kept = new_order.view(-1, self.beam)[:, 0] // self.beam
        mask = encoded["mask"]
        layers = [(key[kept], value[kept]) for key, value in encoded["layers"]]
        mask = None if mask is None else mask[kept]
        return [{"layers": layers, "mask": mask, "sentences": sentences}]

    def set_decoder_beam_size(self, beam_size: int) -> None:
        self.beam = beam_size

    def reorder_incremental_state(
        self, incremental_states: list[dict[str, Any]], new_order: Tensor
    ) -> None:
        """Every hypothesis takes over the past of the one it continues; room for the next word."""
        (state,) = incremental_states
        past = state["past"]
        time, layers, two, _, width = past.shape
        longer = past.new_empty(time + 1, layers, two, new_order.numel(), width)
        torch.index_select(past, 3, new_order, out=longer[:time])
        state["past"] = longer

    def forward_decoder(
        self,
        tokens: Tensor,
        encoder_outs: list[dict[str, Any]],
        incremental_states: list[dict[str, Any]],
        temperature: float = 1.0,
    ) -> tuple[Tensor, None]:
        """log p [rows, V] of the word that follows `tokens` [rows, time]."""
        decoder = self.single_model.decoder
        (encoded,), (state,) = encoder_outs, incremental_states
        rows, time = tokens.shape
        x = functional.embedding(tokens[:, -1], decoder.embed_tokens.weight) * decoder.embed_scale
        x += self._positions[decoder.padding_idx + time]
        if "past" not in state:
            state["past"] = x.new_empty(1, len(decoder.layers), 2, rows, x.shape[1])
        for index, layer in enumerate(decoder.layers):
            past = state["past"][:, index]
            x = layer.self_attn_layer_norm(x + self._self_attention(x, layer, index, past))
            attended = self._source_attention(x, layer, *encoded["layers"][index], encoded["mask"])
            x = layer.encoder_attn_layer_norm(x + attended)
            x = layer.final_layer_norm(x + layer.fc2(layer.fc1(x).relu_()))
        return decoder.output_projection(x).log_softmax(1), None

    def _self_attention(self, x: Tensor, layer: Any, index: int, past: Tensor) -> Tensor:
        """[rows, width] from the past [time, 2, rows, width], whose last row is filled in here."""
        attention = layer.self_attn
        rows, width = x.shape
        heads, size = attention.num_heads, attention.head_dim
        query, past[-1, 0], past[-1, 1] = functional.linear(
            x, *self._attention_weights[index]
        ).split(width, 1)
        query = (query * attention.scaling).view(rows * heads, 1, size)
        keys = past[:, 0].unflatten(2, (heads, size)).flatten(1, 2).transpose(0, 1)
        values = past[:, 1].unflatten(2, (heads, size)).flatten(1, 2).transpose(0, 1)
        weights = torch.bmm(query, keys.transpose(1, 2)).softmax(2)
        return attention.out_proj(torch.bmm(weights, values).view(rows, width))

    def _source_attention(
        self, x: Tensor, layer: Any, keys: Tensor, values: Tensor, mask: Tensor | None
    ) -> Tensor:
        """[rows, width]; keys [B, heads, size, S], values [B, heads, S, size], mask [B, 1, 1, S]."""
        attention = layer.encoder_attn
        query = (attention.q_proj(x) * attention.scaling).view(
            -1, self.beam, attention.num_heads, attention.head_dim
        )
        weights = query.transpose(1, 2) @ keys
        if mask is not None:
            weights += mask
        attended = weights.softmax(3) @ values
        return attention.out_proj(attended.transpose(1, 2).reshape(x.shape))


_QKV = ("q_proj", "k_proj", "v_proj")
