"""The order of training batches, with fairseq's trainer as the oracle."""

import dataclasses

import pytest

pytest.importorskip("fairseq", reason="fairseq is not installed")

import torch

from nlp.batches import TrainingBatches
from nlp.data.corpus import Corpus, corpus_folder
from nlp.fairseq_model import build_task, load_split
from tests.nlp.fairseq_peer import fairseq_peer
from tests.nlp.runs import SMALL

pytestmark = pytest.mark.slow

EPOCHS = 3


def pairs(batches):
    return [batch["id"].tolist() for batch in batches]


@pytest.fixture(scope="module")
def recipe():
    return dataclasses.replace(SMALL, width=16, feed_forward=16, layers=1)


@pytest.fixture(scope="module")
def fairseqs(data_dir, recipe):
    """The pairs of every batch of the first epochs, as fairseq-train takes them."""
    folder = corpus_folder(data_dir, recipe.data, recipe.preparation)
    peer = fairseq_peer(folder, recipe)
    return [pairs(peer.batches.next_epoch_itr(shuffle=True)) for _ in range(EPOCHS)]


@pytest.fixture
def batches(data_dir, recipe):
    corpus = Corpus.open(corpus_folder(data_dir, recipe.data, recipe.preparation))
    task = build_task(recipe, corpus)
    load_split(task, "train")
    return TrainingBatches(task, recipe.max_tokens, seed=1, shard=0, shards=1)


def test_epoch_after_epoch_is_in_fairseqs_order(batches, fairseqs):
    assert [pairs(batches) for _ in range(EPOCHS)] == fairseqs
    assert fairseqs[0] != fairseqs[1]


def test_an_epoch_placed_after_another_came_to_its_end_is_that_epoch(batches, fairseqs):
    for epoch in (0, 1, 2, 1):
        batches.seek(epoch, 0)
        assert pairs(batches) == fairseqs[epoch]


def test_an_epoch_is_continued_after_the_batches_that_are_done(batches, fairseqs):
    batches.seek(2, 3)
    assert pairs(batches) == fairseqs[2][3:]
    batches.seek(0, 1)
    assert pairs(batches) == fairseqs[0][1:]


def test_a_batch_is_the_one_that_fairseq_collates(batches, data_dir, recipe):
    """In every tensor, down to which of two sentences of the same length comes first."""
    theirs = fairseq_peer(
        corpus_folder(data_dir, recipe.data, recipe.preparation), recipe
    ).batches.next_epoch_itr(shuffle=True)
    for ours, expected in zip(batches, theirs, strict=True):
        assert ours.keys() == expected.keys()
        assert ours["net_input"].keys() == expected["net_input"].keys()
        for one, other in (
            *((ours[key], expected[key]) for key in ("id", "target")),
            *((ours["net_input"][key], value) for key, value in expected["net_input"].items()),
        ):
            assert one.dtype == other.dtype
            assert torch.equal(one, other)
        for key in ("nsentences", "ntokens"):
            assert ours[key] == expected[key]
            assert type(ours[key]) is int
