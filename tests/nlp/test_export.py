"""Models for other programs, translated with by those programs themselves."""

import importlib
import io
import json
import math
import sys
from pathlib import Path

import pytest

pytest.importorskip("fairseq", reason="translation needs fairseq: `make nlp`")

import torch

from nlp import weights
from nlp.decoding import length_limit, search
from nlp.fairseq_model import quiet
from suite.__main__ import main

pytestmark = pytest.mark.slow


@pytest.fixture
def model(taught):
    return taught


@pytest.fixture
def sources(model):
    dataset = model.task.dataset("test")
    return [dataset.src[place] for place in range(8)]


def write(model, tmp_path, monkeypatch, to):
    monkeypatch.setattr(weights, "load_model", lambda *_, **__: model)
    monkeypatch.setattr("nlp.export.read_config", lambda run: {"workload": "nlp"})
    assert main(["export", "RUN", "--to", to, "--out", str(tmp_path / "out")]) == 0
    return tmp_path / "out"


@pytest.mark.parametrize("name", ["interactive", "generate"])
def test_fairseqs_own_commands_translate_alike(model, sources, tmp_path, monkeypatch, capsys, name):
    folder = write(model, tmp_path, monkeypatch, "fairseq")
    text = "".join(f"{model.task.source_dictionary.string(tokens)}\n" for tokens in sources)
    command = [
        *(f"fairseq-{name}", str(folder if name == "interactive" else model.corpus.folder)),
        *("--path", str(folder / "checkpoint.pt"), "--cpu"),
        *("--source-lang", "de", "--target-lang", "en"),
        *("--beam", "5", "--max-len-a", "1.2", "--max-len-b", "10", "--batch-size", "1"),
        *("--required-batch-size-multiple", "1"),
    ]
    monkeypatch.setattr(sys, "argv", command)
    monkeypatch.setattr(sys, "stdin", io.StringIO(text))
    capsys.readouterr()
    with quiet():
        importlib.import_module(f"fairseq_cli.{name}").cli_main()
    printed = [line.split("\t") for line in capsys.readouterr().out.splitlines()]
    theirs = {int(line[0][2:]): line[1:] for line in printed if line[0].startswith("H-")}
    ours = [found[0] for found in search(model.model, model.task, sources, beam=5)]
    words = [model.task.target_dictionary.string(each.tokens) for each in ours]
    assert len(set(words)) > 1
    assert [theirs[place][1] for place in range(len(words))] == words
    scores = [float(theirs[place][0]) for place in range(len(words))]
    assert scores == pytest.approx([each.score for each in ours], abs=1e-4)


def test_ctranslate2_gives_the_same_words_and_probabilities(model, sources, tmp_path, monkeypatch):
    ctranslate2 = pytest.importorskip("ctranslate2", reason="`pip install ctranslate2`")
    folder = write(model, tmp_path, monkeypatch, "ctranslate2")
    assert (folder / "codes").read_bytes() == model.corpus.codes.read_bytes()
    translator = ctranslate2.Translator(str(folder), device="cpu", intra_threads=1)
    dictionary = model.task.target_dictionary
    for source, found in zip(
        sources, search(model.model, model.task, sources, beam=1), strict=True
    ):
        words = model.task.source_dictionary.string(source).split()
        tokens = found[0].tokens
        ours = dictionary.string(tokens).split()
        (theirs,) = translator.translate_batch(
            [words], beam_size=1, max_decoding_length=length_limit(len(source))
        )
        assert theirs.hypotheses[0] == ours
        previous = tokens.roll(1)
        previous[0] = dictionary.eos()
        with torch.no_grad():
            log_p = model.model(source[None], None, previous[None])[0][0].log_softmax(-1)
        expected = log_p[range(len(tokens)), tokens].tolist()
        (scored,) = translator.score_batch([words], [ours])
        assert scored.log_probs == pytest.approx(expected, abs=1e-4)


def test_ctranslate2_finds_the_same_translations_with_a_beam(model, sources, tmp_path, monkeypatch):
    """Its scores are of p without the end mark for a first word, which cannot be one. What does not
    come to an end, each cuts off in its own way."""
    ctranslate2 = pytest.importorskip("ctranslate2", reason="`pip install ctranslate2`")
    folder = write(model, tmp_path, monkeypatch, "ctranslate2")
    translator = ctranslate2.Translator(str(folder), device="cpu", intra_threads=1)
    dictionary = model.task.target_dictionary
    start = torch.tensor([[dictionary.eos()]])
    found = search(model.model, model.task, sources, beam=5)
    ended = [
        (source, best)
        for source, (best, *_) in zip(sources, found, strict=True)
        if len(best.tokens) <= length_limit(len(source))
    ]
    assert len(ended) > len(sources) / 2
    for source, best in ended:
        words = model.task.source_dictionary.string(source).split()
        (theirs,) = translator.translate_batch(
            [words], beam_size=5, max_decoding_length=length_limit(len(source)), return_scores=True
        )
        assert theirs.hypotheses[0] == dictionary.string(best.tokens).split()
        with torch.no_grad():
            p = model.model(source[None], None, start)[0][0, 0].softmax(-1)
        log_p = best.score * math.log(2) * len(best.tokens) - math.log1p(-float(p[start]))
        assert theirs.scores[0] * len(best.tokens) == pytest.approx(log_p, abs=1e-3)


def test_what_export_refuses(made, tmp_path, capsys, monkeypatch):
    _, run = made
    there = tmp_path / "there"
    there.mkdir()
    assert main(["export", str(run), "--to", "fairseq", "--out", str(there)]) == 2
    assert "is there already" in capsys.readouterr().err
    assert list(there.iterdir()) == []
    (tmp_path / "other").mkdir()
    config = {"format": 1, "workload": "rl", "recipe": {}, "member": {}}
    (tmp_path / "other" / "config.json").write_text(json.dumps(config))
    out = str(tmp_path / "out")
    assert main(["export", str(tmp_path / "other"), "--to", "fairseq", "--out", out]) == 2
    assert "is no nlp run" in capsys.readouterr().err
    monkeypatch.setattr("importlib.util.find_spec", lambda name: name != "ctranslate2" or None)
    assert main(["export", str(run), "--to", "ctranslate2", "--out", out]) == 2
    assert "`pip install ctranslate2`" in capsys.readouterr().err
    assert not Path(out).exists()
