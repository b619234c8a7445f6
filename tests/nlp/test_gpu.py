"""Translation trained whole on a GPU."""

import dataclasses

import pytest
import torch

pytest.importorskip("fairseq", reason="fairseq is not installed")

from nlp.data.corpus import Corpus, corpus_folder
from nlp.module import TranslationModule
from tests.nlp.runs import SMALL, train_one
from workload.member import Member

pytestmark = pytest.mark.gpu

MEMBER = Member("separated", 1e-3, 1)


@pytest.mark.parametrize(("precision", "tolerance"), [("float32", 1e-3), ("bf16", 1e-2)])
def test_it_learns_as_on_the_cpu(tmp_path, data_dir, precision, tolerance):
    recipe = dataclasses.replace(SMALL, dropout=0.0, precision=precision)
    ours, outcome = train_one(tmp_path / "cuda", MEMBER, data_dir, recipe=recipe, device="cuda")
    theirs, _ = train_one(tmp_path / "cpu", MEMBER, data_dir, recipe=recipe)
    assert outcome.status == "finished"
    for row, expected in zip(ours.rows["eval"][:2], theirs.rows["eval"][:2], strict=True):
        for key in ("train/loss", "valid/loss"):
            assert row[key] == pytest.approx(expected[key], rel=tolerance), key


def test_a_stopped_run_goes_on(tmp_path, data_dir):
    whole, _ = train_one(tmp_path / "whole", MEMBER, data_dir, device="cuda")
    train_one(tmp_path / "stopped", MEMBER, data_dir, device="cuda", stop_after=7)
    again, outcome = train_one(tmp_path / "stopped", MEMBER, data_dir, device="cuda")
    assert outcome.status == "finished"
    for row, expected in zip(again.rows["metrics"], whole.rows["metrics"], strict=True):
        assert row["updates"] == expected["updates"]
        assert row["train/loss"] == pytest.approx(expected["train/loss"], rel=1e-4)


@pytest.mark.parametrize(("precision", "tolerance"), [("float32", 1e-3), ("bf16", 1e-2)])
@pytest.mark.parametrize("accumulate", [1, 2])
def test_captured_programs_learn_as_the_plain_path(
    tmp_path, data_dir, precision, tolerance, accumulate
):
    """`on` ends in an error where the proof fails."""
    recipe = dataclasses.replace(SMALL, dropout=0.0, precision=precision, accumulate=accumulate)
    rows = []
    for graphs in ("on", "off"):
        log, outcome = train_one(
            tmp_path / graphs, MEMBER, data_dir, recipe=recipe, device="cuda", graphs=graphs
        )
        assert outcome.status == "finished"
        rows.append(log.rows["eval"][:2])
    for row, expected in zip(*rows, strict=True):
        for key in ("train/loss", "valid/loss"):
            assert row[key] == pytest.approx(expected[key], rel=tolerance), key


def test_dropout_differs_from_update_to_update_and_not_from_replay_to_replay(data_dir):
    """The seed of every update reaches the graph, whatever was drawn before."""
    corpus = Corpus.open(corpus_folder(data_dir, SMALL.data, SMALL.preparation))
    recipe = dataclasses.replace(SMALL, dropout=0.5, accumulate=2)
    module = TranslationModule(recipe, MEMBER, corpus).cuda()
    module.use_graphs("on")
    programs = module.programs
    batch = module.batches.at(0)
    losses = []
    for seed, run in ((1, programs.call), (1, programs.replay), (2, programs.replay)) * 2:
        torch.rand(len(losses) + 1, device="cuda")
        torch.manual_seed(seed)
        programs.begin()
        run(programs.load(batch))
        losses.append(float(programs.sums[0]))
    assert losses[:3] == losses[3:]
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)
    assert losses[2] != pytest.approx(losses[1], rel=1e-5)
