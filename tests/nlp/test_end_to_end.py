"""The commands on real text, real training and real files, at the smallest size that trains."""

import json
import os
import signal
import time

import pytest
from PIL import Image

from nlp.report import REPORT
from suite.__main__ import main
from tests.suite.results.declared import check_declared
from tests.suite.run_files import contents
from workload.grammar import pairs

pytest.importorskip("fairseq", reason="translation needs fairseq: `make nlp`")

from nlp import beam_search, recorder
from nlp.recorder import TranslationRecorder

pytestmark = pytest.mark.slow

TINY = """\
data: text
bpe: 60
joined: true
epochs: 2
width: 16
feed_forward: 16
heads: 2
layers: 1
warm_up: 10
max_tokens: 400
beam: 2
validation_sentences: 4
average_last: 2
log_every: 5
checkpoint_every: 5
device: cpu
threads: 1
seed: 1
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with a small parallel text, prepared, and the configuration of a run on it."""
    folder = tmp_path_factory.mktemp("translation")
    sentences = pairs(180)
    (folder / "text").mkdir()
    for name, begin, end in (("train", 0, 160), ("valid", 160, 170), ("test", 170, 180)):
        for side, language in enumerate(("de", "en")):
            text = "".join(f"{pair[side]}\n" for pair in sentences[begin:end])
            (folder / "text" / f"{name}.{language}").write_text(text)
    (folder / "tiny.yaml").write_text(TINY)
    prepare = ["prepare", str(folder / "text"), "--bpe", "60", "--joined", "--jobs", "1"]
    assert main([*prepare, "--data-dir", str(folder / "data")]) == 0
    return folder


def command(folder, *more):
    config, data = folder / "tiny.yaml", folder / "data"
    return ["run", "nlp", "--config", str(config), "--data-dir", str(data), *more]


def rows(path, name):
    return [json.loads(line) for line in (path / name).read_text().splitlines()]


@pytest.fixture(scope="module")
def trained(folder):
    schemes = ["--scheme", "none", "l2", "--weight-decay", "1e-3"]
    assert main(command(folder, *schemes, "--runs", str(folder / "runs"))) == 0
    return sorted((folder / "runs").rglob("seed1-*"))


def test_every_member_has_its_rows_figures_and_bleu(trained):
    assert [path.parts[-4:-1] for path in trained] == [
        ("nlp", "text", "l2-1e-3"),
        ("nlp", "text", "none"),
    ]
    for path in trained:
        assert json.loads((path / "done.json").read_text())["status"] == "finished"
        steps = [row["updates"] for row in rows(path, "metrics.jsonl")]
        assert steps == list(range(5, steps[-1] + 1, 5))
        evaluations = rows(path, "eval.jsonl")
        assert [row["epoch"] for row in evaluations] == [1, 2, 2]
        assert 0 <= evaluations[-1]["test/bleu"] <= 100
        newest = rows(path, "metrics.jsonl")[-1]
        assert newest["optim/log_m_over_w/q25"] < newest["optim/log_m_over_w/q75"]
        assert Image.open(path / "plot.png").format == "PNG"


def test_what_is_declared_is_logged(trained):
    for path in trained:
        check_declared(REPORT, rows(path, "metrics.jsonl"), rows(path, "eval.jsonl"))


def test_the_table_is_made_of_it(trained, capsys):
    assert main(["table", *map(str, trained)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split()[:6] == ["data", "scheme", "lambda", "seed", "status", "BLEU"]
    assert all("-  " not in line.split("finished")[1] for line in lines[2:4])


def test_a_run_asked_to_stop_is_finished_by_the_same_command_with_the_same_rows(
    folder, trained, monkeypatch
):
    runs = folder / "stopped"
    arguments = command(folder, "--runs", str(runs))
    report = TranslationRecorder._report

    def ask(its, phase, step, steps):
        report(its, phase, step, steps)
        if (phase, step) == ("training", 7):
            os.kill(os.getpid(), signal.SIGTERM)

    with monkeypatch.context() as patch:
        patch.setattr(TranslationRecorder, "_report", ask)
        assert main(arguments) == 143
    (path,) = runs.rglob("seed1-*")
    assert [row["updates"] for row in rows(path, "metrics.jsonl")] == [5]
    assert not (path / "done.json").exists()
    assert main(arguments) == 0
    for name in ("metrics.jsonl", "eval.jsonl"):
        assert timeless(rows(path, name)) == timeless(rows(trained[1], name))


@pytest.mark.parametrize("split", ["valid", "test"])
def test_a_stop_while_decoding_is_answered_within_ten_seconds(folder, tmp_path, monkeypatch, split):
    """Of a decoding that would take half a second a word, a quarter of a minute in all."""
    began = []
    decode, forward = recorder.translate_split, beam_search._StepwiseModel.forward_decoder

    def begin(model, task, name, *arguments, **rest):
        if name == split:
            began.append(time.monotonic())
            os.kill(os.getpid(), signal.SIGTERM)
        return decode(model, task, name, *arguments, **rest)

    def slow(*arguments):
        found = forward(*arguments)
        time.sleep(0.5 if began else 0)
        return found

    monkeypatch.setattr(recorder, "translate_split", begin)
    monkeypatch.setattr(beam_search._StepwiseModel, "forward_decoder", slow)
    assert main(command(folder, "--runs", str(tmp_path), "--epochs", "1")) == 143
    assert time.monotonic() - began[0] < 10
    assert not list(tmp_path.rglob("done.json"))


def timeless(rows):
    return [{k: v for k, v in row.items() if not k.endswith("per_second")} for row in rows]


def test_a_finished_run_is_made_longer_and_equals_one_begun_so(folder, trained, capsys):
    longer = command(folder, "--runs", str(folder / "longer"), "--epochs")
    assert main([*longer, "1"]) == 0
    (path,) = (folder / "longer").rglob("seed1-*")
    assert [row["epoch"] for row in rows(path, "eval.jsonl")] == [1, 1]
    assert main([*longer, "2"]) == 0
    assert f"{path} goes on from epochs 1\n" in capsys.readouterr().out
    assert path.name == trained[1].name
    ours, begun_so = contents(path), contents(trained[1])
    first = "weights/epoch001.pt"  # says how long was asked for then; the second epoch is best
    assert ours[first]["recipe"].pop("epochs") == "1"
    assert begun_so[first]["recipe"].pop("epochs") == "2"
    assert {"weights/best.pt", "test.hypotheses.txt", "checkpoint/002-000000.pt"} <= set(ours)
    assert ours == begun_so
