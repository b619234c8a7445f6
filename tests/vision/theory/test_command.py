"""`wdbench theory` from the command line: tables, files, and what it refuses."""

import json
from pathlib import Path

import pytest

from suite.__main__ import main
from tests.vision.runs import MEMBER, prepared, recipe, train
from vision.workload import WORKLOAD
from workload.identity import config_of

SHORT = {
    "diagonal-net": ["--steps", "40", "--seeds", "2", "--learning-rates", "0.01", "0.02"],
    "max-margin": ["--steps", "1000", "--decays", "1e-2", "1e-4", "--time", "1e6"],
    "noise": ["--images", "20", "--epochs", "2", "--seeds", "1", "--threads", "1"],
}


@pytest.fixture(autouse=True)
def _own_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def theory(*arguments):
    return main(["theory", *arguments])


def finished(folder, norm):
    """A finished run without or with batch normalisation, and its data folder."""
    data_dir, run = prepared(folder), folder / "l2-1e-2" / "seed0"
    run.parent.mkdir()
    own = recipe(norm=norm)
    train(data_dir, run, own)
    (run / "config.json").write_text(json.dumps(config_of(WORKLOAD, own, MEMBER)))
    (run / "done.json").write_text("{}")
    return run, data_dir


@pytest.mark.parametrize("model", SHORT)
def test_table_figure_and_numbers(model, capsys):
    assert theory(model, *SHORT[model]) == 0
    out = capsys.readouterr().out
    assert f"theory/{model}.png" in out
    folder = Path("theory")
    assert {path.name for path in folder.iterdir()} == {
        f"{model}.json", f"{model}.png", f"{model}.pdf"
    }  # fmt: skip
    assert (folder / f"{model}.png").read_bytes().startswith(b"\x89PNG")
    assert json.loads((folder / f"{model}.json").read_text())["theory"] == model


@pytest.mark.slow
@pytest.mark.parametrize("model", SHORT)
def test_the_same_command_gives_the_same_files(model):
    theory(model, *SHORT[model], "--out", "here")
    first = {path: path.read_bytes() for path in Path("here").iterdir()}
    theory(model, *SHORT[model], "--out", "here")
    assert {path: path.read_bytes() for path in Path("here").iterdir()} == first


@pytest.mark.slow
def test_numbers_of_the_table_are_those_of_the_file(capsys):
    theory("diagonal-net", *SHORT["diagonal-net"])
    trainings = json.loads(Path("theory/diagonal-net.json").read_text())["trainings"]
    lines = capsys.readouterr().out.splitlines()[2:]
    assert len(trainings) == 6  # two learning rates, with and without decay, and two controls
    for line, training in zip(lines, trainings, strict=False):
        final = [curve[-1] for curve in training["test_error"]]
        assert line.startswith(f"lr {training['learning_rate']:g}, decay {training['decay']:g}")
        assert f"{sum(final) / 2:.4f} [{min(final):.4f}, {max(final):.4f}]" in line
    assert trainings[-1]["steps"] == 80


@pytest.mark.parametrize("kind", ["png", "json", "pdf"])
@pytest.mark.parametrize("content", ["mine", '{"theory": "other"}', "[]"])
def test_files_of_others_are_left_alone(kind, content, capsys):
    Path("theory").mkdir()
    theirs = Path("theory") / f"max-margin.{kind}"
    theirs.write_text(content)
    assert theory("max-margin", *SHORT["max-margin"]) == 2
    assert f"{theirs} is there, and not from `theory max-margin`" in capsys.readouterr().err
    assert theirs.read_text() == content
    assert list(Path("theory").iterdir()) == [theirs]


def test_a_file_where_the_folder_should_be(capsys):
    Path("theory").write_text("mine")
    assert theory("max-margin", *SHORT["max-margin"]) == 2
    assert "--out: theory cannot be made a folder: File exists; choose" in capsys.readouterr().err
    assert Path("theory").read_text() == "mine"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "the following arguments are required: MODEL"),
        (["nothing"], "invalid choice: 'nothing'"),
        (["diagonal-net", "--learning-rates", "0"], "learning_rates: 0.0 is not a number above 0"),
        (["diagonal-net", "--learning-rates", "nan"], "learning_rates: nan is not"),
        (["diagonal-net", "--decays", "-1"], "decays: -1.0 is not a number of 0 or more"),
        (["diagonal-net", "--steps", "1"], "steps: 1 cannot be halved; 2 or more are needed"),
        (["diagonal-net", "--seeds", "0"], "seeds: 0 is not above 0"),
        (["max-margin", "--decays", "0"], "decays: 0.0 is not a number of 1e-12 or more"),
        (["max-margin", "--learning-rate", "-1"], "learning_rate: -1.0 is not a number above 0"),
        (["max-margin", "--learning-rate", "9"], "learning_rate: 9 is not below"),
        (["max-margin", "--steps", "0"], "steps: 0 is not above 0"),
        (["max-margin", "--time", "10"], "time: 10 is not between learning rate times steps"),
        (["max-margin", "--seed", "-1"], "seed: -1 is negative"),
        (["noise", "--images", "0"], "images: 0 is not a number above 0"),
        (["noise", "--decay", "-0.1"], "decay: -0.1 is not a number of 0 or more"),
        (["noise", "--losses", "hinge"], "invalid choice: 'hinge'"),
        (["noise", "missing"], "missing"),
    ],
)
def test_flags_that_have_no_meaning(arguments, message, capsys):
    assert theory(*arguments) == 2
    assert message in capsys.readouterr().err


@pytest.mark.slow
def test_a_divergence_is_said(capsys):
    flags = ["--steps", "60", "--seeds", "1", "--learning-rates", "9", "--decays", "0"]
    assert theory("diagonal-net", *flags) == 0
    assert "diverged" in capsys.readouterr().out


@pytest.mark.slow
def test_noise_of_a_run(tmp_path, capsys):
    """Over all training images its loss is the last row's `fit/loss`."""
    run, data_dir = finished(tmp_path, "none")
    assert theory("noise", str(run), "--data-dir", str(data_dir), "--threads", "1") == 0
    assert "l2-1e-2/seed0" in capsys.readouterr().out
    (found,) = json.loads(Path("theory/noise.json").read_text())["runs"]
    rows = json.loads((run / "rows.json").read_text())["eval"]
    assert found["loss"] == pytest.approx(rows[-1]["fit/loss"], rel=1e-5)
    assert found["lowest"] <= found["square"] / found["loss"] <= found["highest"]


@pytest.mark.slow
def test_a_run_with_batch_normalisation_is_refused(tmp_path, capsys):
    run, data_dir = finished(tmp_path, "batch")
    assert theory("noise", str(run), "--data-dir", str(data_dir)) == 2
    assert f"norm: {run} has batch normalisation" in capsys.readouterr().err
