"""The command on finished runs: what it writes, and what it refuses."""

import json
import shutil

import pytest

from suite.commands.arguments import Parser
from tests.vision.runs import MEMBER, prepared, recipe, train
from vision.sharpness import main
from vision.sharpness_file import read_sharpness
from vision.workload import WORKLOAD
from workload.errors import UserError
from workload.identity import config_of


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A finished run as the suite leaves it, and its data folder."""
    folder = tmp_path_factory.mktemp("sharpness")
    data_dir, run = prepared(folder), folder / "l2-1e-2" / "seed0"
    run.parent.mkdir()
    train(data_dir, run, keep_every=1)
    config = config_of(WORKLOAD, recipe(), MEMBER)
    (run / "config.json").write_text(json.dumps(config))
    (run / "done.json").write_text("{}")
    return run, data_dir


def measure(run, data_dir, *more):
    arguments = [str(run), "--data-dir", str(data_dir), "--draws", "2", "--probes", "2"]
    return main(Parser("wdbench sharpness", "x"), [*arguments, "--threads", "1", *more])


def test_all_measures_are_written_and_printed(finished, capsys):
    run, data_dir = finished
    assert measure(run, data_dir, "--images", "30", "--gammas", "0.1", "0.2") == 0
    found = read_sharpness(run)
    assert (found["epoch"], found["images"]) == (3, 30)
    assert [each["gamma"] for each in found["multiplicative"]] == [0.1, 0.2]
    for each in (*found["multiplicative"], *found["additive"]):
        assert each["difference"] == pytest.approx(each["loss"] - found["loss"])
    assert found["bottom"]["value"] <= found["trace"]["value"] / 100 < found["top"]["value"]
    assert found["keskar"] > 0
    out = capsys.readouterr().out
    assert f"{found['loss']:.3f}" in out
    assert "l2-1e-2/seed0" in out


@pytest.mark.slow
def test_the_loss_is_that_of_the_runs_last_row(finished):
    """Over all training images it is `fit/loss`."""
    run, data_dir = finished
    measure(run, data_dir)
    rows = json.loads((run / "rows.json").read_text())["eval"]
    assert read_sharpness(run)["loss"] == pytest.approx(rows[-1]["fit/loss"], rel=1e-5)


@pytest.mark.slow
def test_kept_epochs_are_measured_each_beside_its_state(finished, tmp_path, capsys):
    """Their losses differ, and the last one's numbers are those of the newest weights. A run that
    is not finished will do."""
    run, data_dir = finished
    measure(run, data_dir)
    copy = tmp_path / "seed0"
    shutil.copytree(run, copy)
    (copy / "done.json").unlink()
    shutil.rmtree(copy / "checkpoint")
    (copy / "checkpoint.json").unlink()
    assert measure(copy, data_dir, "--epoch", "all") == 0
    found = [read_sharpness(copy, epoch) for epoch in (1, 2, 3)]
    assert [each["epoch"] for each in found] == [1, 2, 3]
    assert len({each["loss"] for each in found}) == 3
    assert found[2] == read_sharpness(run)
    assert f"seed0@2  {found[1]['loss']:.3f}" in capsys.readouterr().out
    assert measure(run, data_dir, "--epoch", "2") == 0
    assert read_sharpness(run, 2) == found[1]
    assert read_sharpness(run, 1) is None


def test_runs_without_kept_epochs(finished, tmp_path):
    copy = tmp_path / "seed0"
    shutil.copytree(finished[0], copy)
    shutil.rmtree(copy / "epochs")
    with pytest.raises(
        UserError, match="has kept no epochs: train it in another --runs with --keep-every N"
    ):
        measure(copy, finished[1], "--epoch", "all")


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--gammas", "0.1", "0"], "gammas: 0.0 is not above 0"),
        (["--additive-gammas", "-1"], "additive_gammas: -1.0 is not above 0"),
        (["--gammas", "inf"], "gammas: inf is not above 0, or not finite"),
        (["--draws", "0"], "draws: 0 is not above 0"),
        (["--images", "0"], "images: 0 is not above 0"),
        (["--epoch", "0"], "epoch: '0' is no number of an epoch, nor all or newest"),
        (["--epoch", "last"], "epoch: 'last' is no number"),
        (["--epoch", "7"], r"has not kept epoch 7; kept are 1, 2, 3: train it in another --runs"),
    ],
)
def test_flags_that_have_no_meaning(finished, flags, message):
    with pytest.raises(UserError, match=message):
        measure(*finished, *flags)


@pytest.mark.slow
def test_runs_that_cannot_be_measured(finished, tmp_path):
    run, data_dir = finished
    with pytest.raises(UserError, match="is no run directory"):
        measure(tmp_path, data_dir)
    copy = tmp_path / "copy"
    shutil.copytree(run, copy)
    (copy / "done.json").unlink()
    with pytest.raises(UserError, match="is not finished"):
        measure(copy, data_dir)
    (copy / "done.json").write_text("{}")
    shutil.rmtree(copy / "checkpoint")
    (copy / "checkpoint.json").unlink()
    with pytest.raises(UserError, match="has no checkpoint"):
        measure(copy, data_dir)
    (copy / "done.json").write_text('{"status": "diverged"}')  # its checkpoint is cleaned up
    with pytest.raises(UserError, match="has diverged: its loss has no minimum"):
        measure(copy, data_dir)
    assert measure(copy, data_dir, "--epoch", "1") == 0  # kept before it did
    config = json.loads((copy / "config.json").read_text()) | {"workload": "rl"}
    (copy / "config.json").write_text(json.dumps(config))
    with pytest.raises(UserError, match="is a run of rl, not of vision"):
        measure(copy, data_dir)
