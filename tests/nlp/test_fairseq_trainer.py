"""fairseq's own trainer as the oracle: the same weights and batches give the same updates."""

import dataclasses
import itertools
import math

import pytest

pytest.importorskip("fairseq", reason="fairseq is not installed")

import torch

from nlp.data.corpus import Corpus, corpus_folder
from nlp.module import TranslationModule, dropout_seed
from tests.nlp.fairseq_peer import fairseq_peer
from tests.nlp.runs import SMALL
from workload.member import Member


def seed_each_batch(peer, update):
    """Have fairseq's task seed the batches of an update that follow the first."""
    step, numbers = type(peer.task).train_step, itertools.count()

    def seeded(*arguments, **named):
        if number := next(numbers):
            torch.manual_seed(dropout_seed(1, update, number))
        return step(peer.task, *arguments, **named)

    peer.trainer.task.train_step = seeded


@pytest.mark.parametrize("accumulate", [1, 2])
def test_four_updates_with_decoupled_decay_are_those_of_fairseq(data_dir, accumulate, monkeypatch):
    """Same initial weights, order, dropout and learning rates (0 at first); equal to rounding.

    fairseq seeds dropout once per update; here its second batch is seeded as well.
    """
    # fairseq clips on the GPU if it sees one, wherever the gradients are
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    recipe = dataclasses.replace(SMALL, accumulate=accumulate, clip_norm=1.0)
    folder = corpus_folder(data_dir, recipe.data, recipe.preparation)
    peer = fairseq_peer(folder, recipe, weight_decay=0.1)
    module = TranslationModule(recipe, Member("decoupled", 0.1, 1), Corpus.open(folder))
    module.manual_backward = lambda loss: loss.backward()
    module.log_dict = lambda *_, **__: None
    theirs = dict(peer.trainer.model.named_parameters())
    for name, parameter in module.model.named_parameters():
        assert torch.equal(parameter, theirs[name])
    their_batches = peer.batches.next_epoch_itr(shuffle=True)
    our_batches = iter(module.train_dataloader())
    seen = torch.zeros(3, dtype=torch.float64)
    for update in range(4):
        samples = [next(their_batches) for _ in range(accumulate)]
        seed_each_batch(peer, update)
        logged = peer.step(samples)
        for index, sample in enumerate(samples):
            batch = next(our_batches)
            assert torch.equal(batch["target"], sample["target"])
            module.training_step(batch, index)
        loss, nll, tokens = (module.epoch_sums - seen).tolist()
        seen = module.epoch_sums.clone()
        # fairseq rounds what it logs to three decimals
        assert loss / tokens / math.log(2) == pytest.approx(float(logged["loss"]), abs=2e-3)
        assert nll / tokens / math.log(2) == pytest.approx(float(logged["nll_loss"]), abs=2e-3)
        for name, parameter in module.model.named_parameters():
            # softmax does not change with the keys' bias: its gradient is rounding, which Adam
            # makes as large as any other
            if not name.endswith("k_proj.bias"):
                torch.testing.assert_close(parameter, theirs[name], rtol=1e-4, atol=5e-6)
