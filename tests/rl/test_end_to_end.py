"""The commands on real Pong, real training and real files, at the smallest size that learns."""

import json
from pathlib import Path

import pytest
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from rl.report import REPORT
from suite.__main__ import main
from tests.suite.results.declared import check_declared
from tests.suite.run_files import contents

pytestmark = pytest.mark.slow

TINY = """\
iterations: 1
training_steps: 240
evaluation_steps: 40
warm_up: 80
replay_capacity: 400
epsilon_steps: 160
target_every: 80
log_every: 80
max_episode_steps: 120
padding: valid
device: cpu
threads: 1
scheme: [none, l2, decoupled, separated]
weight_decay: 1e-3
"""


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("trained")
    (folder / "tiny.yaml").write_text(TINY)
    command = ["run", "rl", "--config", str(folder / "tiny.yaml"), "--runs", str(folder / "runs")]
    assert main(command) == 0
    return sorted((folder / "runs").rglob("seed0-*"))


def rows(path, name):
    return [json.loads(line) for line in (path / name).read_text().splitlines()]


def test_every_member_has_its_rows_and_is_finished(trained):
    assert len(trained) == 4
    for path in trained:
        assert json.loads((path / "done.json").read_text())["status"] == "finished"
        assert [row["agent_steps"] for row in rows(path, "metrics.jsonl")] == [80, 160, 240]
        (evaluation,) = rows(path, "eval.jsonl")
        assert -21 <= evaluation["eval/return"] <= 21


def test_the_inside_of_the_optimizer_is_logged_for_every_scheme(trained):
    for path in trained:
        newest = rows(path, "metrics.jsonl")[-1]
        assert newest["updates"] == 40
        assert newest["optim/log_m_over_w/q25"] < newest["optim/log_m_over_w/q75"]
        assert newest["optim/weight_norm"] > 0
        assert 0 <= newest["optim/drowned_fraction"] <= 1


def test_what_is_declared_is_logged(trained):
    for path in trained:
        check_declared(REPORT, rows(path, "metrics.jsonl"), rows(path, "eval.jsonl"))


def test_tensorboard_has_some_thirty_graphs_the_scores_among_them(trained):
    events = EventAccumulator(str(trained[0]))
    events.Reload()
    tags = set(events.Tags()["scalars"])
    assert len(tags) <= 32
    assert {"loss", "train/return", "iteration/eval/return", "optim/drowned_fraction"} <= tags


def test_plots_and_table_are_made_of_it(trained, capsys):
    assert main(["table", *map(str, trained)]) == 0
    lines = capsys.readouterr().out.splitlines()[2:6]
    assert all("-  " not in line.split("finished")[1] for line in lines)
    assert all(Image.open(path / "plot.png").format == "PNG" for path in trained)


def test_a_trained_agent_can_be_watched(trained, capsys, tmp_path):
    out = tmp_path / "episode.gif"
    assert main(["watch", str(trained[0]), "--out", str(out), "--seed", "1"]) == 0
    assert f"{out}: score" in capsys.readouterr().out
    with Image.open(out) as film:
        assert (film.format, film.n_frames > 50) == ("GIF", True)
    assert not list(Path(trained[0]).glob("*.tmp"))


KEPT = ("--keep-replay", "true")


def test_a_run_that_kept_its_replay_is_made_longer_and_equals_one_begun_so(tmp_path):
    (tmp_path / "tiny.yaml").write_text(TINY)
    command = ["run", "rl", "--config", str(tmp_path / "tiny.yaml"), "--scheme", "none", "l2"]

    def train(runs, iterations):
        folder = ["--runs", str(tmp_path / runs)]
        assert main([*command, *folder, "--iterations", iterations, *KEPT]) == 0
        return sorted((tmp_path / runs).rglob("seed0-*"))

    short = [json.loads((path / "done.json").read_text()) for path in train("longer", "1")]
    longer, begun_so = train("longer", "2"), train("begun-so", "2")
    for one, other, before in zip(longer, begun_so, short, strict=True):
        assert one.relative_to(tmp_path / "longer") == other.relative_to(tmp_path / "begun-so")
        ours = contents(one)
        assert {"metrics.jsonl", "eval.jsonl", "checkpoint/0002-training-000000.pt"} <= set(ours)
        assert ours == contents(other)
        ends = [json.loads((path / "done.json").read_text()) for path in (one, other)]
        assert ends[0]["figures"] == ends[1]["figures"] != before["figures"]
