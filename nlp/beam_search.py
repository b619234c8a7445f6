"""fairseq's SequenceGenerator with its costly parts replaced; the hypotheses stay the same.

The search, its scores and when a sentence is finished are fairseq's. Replaced are the two parts
that it takes from outside: the model that it calls for every next word, and the choice of
candidates.

- Keys and values of a source are computed once, not once per hypothesis, and stay where they are:
  hypotheses change places within their sentence only.
- The decoder's past is copied once per step for all layers together.
- No attention weights are kept.
- The search sees, of every hypothesis, only the words that can be among its candidates: those most
  probable. What fairseq does to whole rows of the vocabulary, it does to a dozen columns.
- A sentence may have a limit of its own and not that of its batch.

Importing this imports fairseq.
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import embedding, linear, scaled_dot_product_attention

from nlp.fairseq_model import quiet
from nlp.stopping import StoppedError

with quiet():
    from fairseq.search import BeamSearch
    from fairseq.sequence_generator import EnsembleModel, SequenceGenerator

BLOCK = 64
"""Neighbouring words of the vocabulary of which the best is looked at first."""


class Generator(SequenceGenerator):  # type: ignore[misc]
    """Beam search over one model.

    Keep it in no attribute of a module: it holds the model as a submodule.

    Args:
        model: the transformer of `nlp.fairseq_model.build_model`; it is put into evaluation mode.
        dictionary: of the target language.
        beam: hypotheses kept per sentence.
        stop: asked before every word; on True StoppedError is raised.
        length_penalty: a hypothesis' score is its log p divided by its length to this power.
        no_repeat_ngram: words of which no sequence comes twice in a hypothesis; 0 allows all.
    """

    def __init__(
        self,
        model: nn.Module,
        dictionary: Any,
        beam: int,
        stop: Callable[[], bool] = lambda: False,
        length_penalty: float = 1.0,
        no_repeat_ngram: int = 0,
    ) -> None:
        stepwise = _StepwiseModel(model, dictionary, beam, stop, no_repeat_ngram)
        search = _CandidateSearch(dictionary, stepwise)
        super().__init__(
            stepwise,
            dictionary,
            stepwise.beam,
            search_strategy=search,
            len_penalty=length_penalty,
        )
        self.vocab_size = stepwise.columns
        self.max_len_a = 0

    def hypotheses(self, sources: Tensor, limits: Sequence[int]) -> list[list[dict[str, Tensor]]]:
        """The hypotheses of every source, best first: `tokens`, int64 [length] with the end mark,
        and `score`.

        Args:
            sources: int64 [B, S], padded on the left.
            limits: per source, the most tokens before the end mark.
        """
        self.max_len_b = max(limits)
        self.search.limits = torch.tensor(limits, device=sources.device)
        found: list[list[dict[str, Tensor]]] = self._generate(
            {"net_input": {"src_tokens": sources}}
        )
        return found

    def is_finished(
        self, step: int, unfin_idx: int, max_len: int, finalized_sent_len: int, beam_size: int
    ) -> bool:
        return finalized_sent_len == beam_size or self.search.at_limit[unfin_idx]


class _CandidateSearch(BeamSearch):  # type: ignore[misc]
    """fairseq's choice among the columns of `_StepwiseModel`; at a limit, the end mark only."""

    limits: Tensor
    """Per sentence of the batch."""

    at_limit: list[bool]
    """Per unfinished sentence, whether it may grow no further."""

    def __init__(self, dictionary: Any, model: "_StepwiseModel") -> None:
        super().__init__(dictionary)
        # a function, for a model would become a submodule
        self._words: Callable[[], Tensor] = lambda: model.words

    def step(
        self,
        step: int,
        lprobs: Tensor,
        scores: Tensor,
        prev_output_tokens: Tensor,
        original_batch_idxs: Tensor,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Scores, words and hypotheses of the candidates, each [B, 2*beam], best first.

        `lprobs` is [B, beam, columns], `scores` [B, beam, step].
        """
        at_limit = self.limits[original_batch_idxs] <= step
        self.at_limit = at_limit.tolist()
        no_end = torch.arange(lprobs.shape[2], device=lprobs.device) != self.eos
        lprobs = lprobs.masked_fill(at_limit[:, None, None] & no_end, -torch.inf)
        best, column, hypothesis = super().step(step, lprobs, scores)
        words = self._words().view(lprobs.shape).flatten(1)
        return best, words.gather(1, hypothesis * lprobs.shape[2] + column), hypothesis


class _StepwiseModel(EnsembleModel):  # type: ignore[misc]
    """A fairseq transformer that decodes one word of all hypotheses at a time.

    Rows are hypotheses, those of a sentence side by side. What the decoder keeps of their past is
    one tensor [time, layers, 2, rows, width] of keys and values. The columns it gives are the
    dictionary's special symbols, in their places, and the 2*beam most probable of the other words.
    """

    words: Tensor
    """int64 [rows, columns]: the dictionary's index of every column of the last step."""

    def __init__(
        self,
        model: Any,
        dictionary: Any,
        beam: int,
        stop: Callable[[], bool] = lambda: False,
        no_repeat_ngram: int = 0,
    ) -> None:
        super().__init__([model])
        self._stop, self._no_repeat_ngram = stop, no_repeat_ngram
        decoder = model.decoder
        self.beam = min(beam, len(dictionary) - 1)
        self._special = dictionary.nspecial
        self._candidates = min(2 * self.beam, len(dictionary) - self._special)
        self.columns = self._special + self._candidates
        self._query_key_value = [
            tuple(
                torch.cat([getattr(projection, kind) for projection in _projections(layer)])
                for kind in ("weight", "bias")
            )
            for layer in decoder.layers
        ]
        self._positions = decoder.embed_positions.get_embedding(
            decoder.max_target_positions + decoder.padding_idx + 1,
            decoder.embed_dim,
            decoder.padding_idx,
        ).to(decoder.embed_tokens.weight)

    def forward_encoder(self, net_input: dict[str, Tensor]) -> list[dict[str, Any]]:
        """Per decoder layer keys and values [B, heads, S, size] of the sources, and their mask."""
        encoded = self.single_model.encoder(net_input["src_tokens"])
        x, padding = encoded["encoder_out"][0].transpose(0, 1), encoded["encoder_padding_mask"][0]
        layers = []
        for attention in (layer.encoder_attn for layer in self.single_model.decoder.layers):
            key, value = (
                projection(x).unflatten(2, (attention.num_heads, -1)).transpose(1, 2).contiguous()
                for projection in (attention.k_proj, attention.v_proj)
            )
            layers.append((key, value))
        mask = ~padding[:, None, None] if bool(padding.any()) else None
        return [{"layers": layers, "mask": mask, "sentences": x.shape[0]}]

    def reorder_encoder_out(
        self, encoder_outs: list[dict[str, Any]], new_order: Tensor
    ) -> list[dict[str, Any]]:
        """Leave out the sentences that are finished."""
        (encoded,) = encoder_outs
        sentences = new_order.numel() // self.beam
        if sentences == encoded["sentences"]:
            return encoder_outs
        kept = new_order.view(-1, self.beam)[:, 0] // self.beam
        layers = [(key[kept], value[kept]) for key, value in encoded["layers"]]
        mask = None if encoded["mask"] is None else encoded["mask"][kept]
        return [{"layers": layers, "mask": mask, "sentences": sentences}]

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
        """log p [rows, columns] of the word that follows `tokens` [rows, time]; see `words`."""
        if self._stop():
            raise StoppedError
        decoder = self.single_model.decoder
        (encoded,), (state,) = encoder_outs, incremental_states
        rows, time = tokens.shape
        x = embedding(tokens[:, -1], decoder.embed_tokens.weight) * decoder.embed_scale
        x += self._positions[decoder.padding_idx + time]
        if "past" not in state:
            state["past"] = x.new_empty(1, len(decoder.layers), 2, rows, x.shape[1])
        for index, layer in enumerate(decoder.layers):
            past, (key, value) = state["past"][:, index], encoded["layers"][index]
            x = layer.self_attn_layer_norm(x + self._attend_past(x, layer, index, past))
            attended = self._attend_source(x, layer, key, value, encoded["mask"])
            x = layer.encoder_attn_layer_norm(x + attended)
            x = layer.final_layer_norm(x + layer.fc2(layer.fc1(x).relu_()))
        log_p = decoder.output_projection(x).log_softmax(1)
        if self._no_repeat_ngram:
            forbid_repeats(log_p, tokens, self._no_repeat_ngram)
        return self._select(log_p), None

    def _attend_past(self, x: Tensor, layer: Any, index: int, past: Tensor) -> Tensor:
        """[rows, width] from the past [time, 2, rows, width], whose newest is written here."""
        time, _, rows, _ = past.shape
        by_head = (rows, layer.self_attn.num_heads, layer.self_attn.head_dim)
        query, past[-1, 0], past[-1, 1] = linear(x, *self._query_key_value[index]).chunk(3, 1)
        key, value = past.view(time, 2, *by_head).permute(1, 2, 3, 0, 4)
        # unsqueeze and not mT: GPUs want even the stride of a single query aligned
        attended = scaled_dot_product_attention(query.view(by_head).unsqueeze(2), key, value)
        projected: Tensor = layer.self_attn.out_proj(attended.reshape(x.shape))
        return projected

    def _attend_source(
        self, x: Tensor, layer: Any, key: Tensor, value: Tensor, mask: Tensor | None
    ) -> Tensor:
        """[rows, width]; all hypotheses of a sentence attend to its one key and value."""
        attention = layer.encoder_attn
        query = attention.q_proj(x).view(-1, self.beam, attention.num_heads, attention.head_dim)
        attended = scaled_dot_product_attention(query.transpose(1, 2), key, value, mask)
        projected: Tensor = attention.out_proj(attended.transpose(1, 2).reshape(x.shape))
        return projected

    def _select(self, log_p: Tensor) -> Tensor:
        """The columns of log p [rows, V]; what they stand for goes to `words`."""
        rows = log_p.shape[0]
        words = log_p[:, self._special :]
        blocks = words.shape[1] // BLOCK
        # The best words lie in the blocks with the best maxima, or behind the last whole block.
        looked_at = torch.arange(blocks * BLOCK, words.shape[1], device=log_p.device)
        looked_at = looked_at.expand(rows, -1)
        if blocks:
            maxima = words[:, : blocks * BLOCK].reshape(rows, blocks, BLOCK).amax(2)
            block = maxima.topk(min(self._candidates, blocks), 1, sorted=False).indices
            word = block.unsqueeze(2) * BLOCK + torch.arange(BLOCK, device=log_p.device)
            looked_at = torch.cat((word.flatten(1), looked_at), 1)
        best, place = words.gather(1, looked_at).topk(self._candidates, 1)
        special = torch.arange(self._special, device=log_p.device).expand(rows, -1)
        self.words = torch.cat((special, looked_at.gather(1, place) + self._special), 1)
        return torch.cat((log_p[:, : self._special], best), 1)


def forbid_repeats(log_p: Tensor, tokens: Tensor, size: int) -> None:
    """-inf for every word that would complete a sequence of `size` words that its hypothesis has.

    As fairseq means it: on a CPU its own block looks at the padding behind the words, and forbids
    nothing.

    Args:
        log_p: [rows, V], changed.
        tokens: int64 [rows, time] of the hypotheses.
        size: 2 or more.
    """
    if tokens.shape[1] < size:
        return
    sequences = tokens.unfold(1, size, 1)  # [rows, time - size + 1, size]
    begun = tokens[:, None, tokens.shape[1] - size + 1 :]
    row, place = (sequences[..., :-1] == begun).all(-1).nonzero(as_tuple=True)
    log_p[row, sequences[row, place, -1]] = -torch.inf


def _projections(layer: Any) -> tuple[nn.Module, nn.Module, nn.Module]:
    return layer.self_attn.q_proj, layer.self_attn.k_proj, layer.self_attn.v_proj
