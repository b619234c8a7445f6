"""What an addition costs: a workload, a scheme, a figure, a metric and a knob, each added as
CONTRIBUTING.md says, is everywhere with no line elsewhere."""

import csv
import dataclasses
import json
import os
import re
import signal
import statistics
import subprocess
import sys
import threading
import time
from importlib import import_module
from pathlib import Path

import pytest
import torch

from shared_optim.metric import Metric
from shared_optim.schemes import SCHEMES, Scheme, Terms
from suite.__main__ import main
from suite.batch.grid_file import read_grid
from suite.registry import load
from suite.results import run_plot
from suite.runs.directory import locked
from suite.runs.log import RunLogFiles
from tests.installed_toy import ROOT, SOURCE, install, on_the_path
from tests.suite.run_files import contents, finish, record
from tests.workload.exhibits.drawn import legend_texts
from tests.workload.grown import grown
from workload.report import Curve

GRID = """\
workload: toy
axes: {data: [few, many], scheme: [none, l2], weight_decay: [0.1], seed: [0, 1]}
"""
HALVED = Scheme(
    name="halved",
    label="Half AdamW",
    sentence="w shrinks by half of what AdamW takes",
    source="nobody, 2026",
    unit="alpha * lambda / 2 * w",
    colour="#999933",
    marker="h",
    formula=lambda decay, alpha, peak: Terms(shrink=decay * alpha / 2),
)


@pytest.fixture(scope="module")
def toy(tmp_path_factory):
    """The toy as its users have it."""
    with on_the_path(install(SOURCE, tmp_path_factory.mktemp("toy"))):
        yield load("toy")


@pytest.fixture(scope="module")
def batch(toy, tmp_path_factory):
    """The folder with runs of a grid that `batch` has trained."""
    folder = tmp_path_factory.mktemp("batch")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        (folder / "grid.yaml").write_text(GRID)
        assert main(["batch", "grid.yaml", "--jobs", "1"]) == 0
    return folder


@pytest.fixture
def trained(batch, monkeypatch, toy):
    """The same as the current folder."""
    monkeypatch.chdir(batch)
    monkeypatch.setattr(toy, "report", toy.report)  # put back, whatever a test makes of it


def paths(folder="runs"):
    return sorted(file.parent for file in Path(folder).rglob("config.json"))


def in_order_of_the_table():
    """By task, then in the registry's order of schemes, then by seed."""
    members = {path: record(path, "config.json")["member"] for path in paths()}
    schemes = list(SCHEMES)
    return sorted(
        members,
        key=lambda path: (
            path.parents[1].name, schemes.index(members[path]["scheme"]), members[path]["seed"]
        ),
    )  # fmt: skip


def rows(path, name="eval.jsonl"):
    return [json.loads(line) for line in (path / name).read_text().splitlines()]


def newest(path):
    """The distance of a run's last evaluation, and what it logged last during training."""
    return rows(path)[-1]["eval/distance"], rows(path, "metrics.jsonl")[-1]


def weights(path):
    pointer = record(path, "checkpoint/checkpoint.json")
    return torch.load(path / "checkpoint" / pointer["latest"]["file"])["weights"]


def cells():
    """The runs of each task, scheme and lambda, as paths name them."""
    found = {}
    for path in paths():
        found.setdefault((path.parent.parent.name, path.parent.name), []).append(path)
    return found


def mean_distance(task, name):
    return statistics.mean(newest(path)[0] for path in cells()[task, name])


def said(capsys, *argv):
    capsys.readouterr()
    assert main([*map(str, argv)]) == 0
    return capsys.readouterr().out


# A workload


def test_the_toy_is_as_small_as_an_example_should_be():
    assert sum(len(file.read_text().splitlines()) for file in SOURCE.rglob("*.py")) <= 120


def test_what_contributing_shows_of_the_toy_is_in_it():
    """Each block that begins with a file of the toy has lines of that file alone, in order."""
    text = (ROOT / "CONTRIBUTING.md").read_text()
    blocks = re.findall(r"^    # (tests/toy_workload/\S+)\n((?:    .*\n|\n)+)", text, re.MULTILINE)
    assert len(blocks) == 4
    for file, block in blocks:
        left = iter([line.strip() for line in (ROOT / file).read_text().splitlines()])
        for line in map(str.strip, block.splitlines()):
            assert not line or line in left, (file, line)  # `in` goes on where it ended


def test_what_it_trains_is_ridge_regression(trained):
    """Under L2 the minimum is that of the normal equations with lambda on the diagonal."""
    generate = import_module("toy.training").generate
    for (task, name), both in cells().items():
        for seed, path in enumerate(both):
            if task == "many":
                inputs, targets, _ = generate(task, seed)
                gram = inputs.T @ inputs / 100 + (0.1 if "l2" in name else 0.0) * torch.eye(8)
                ridge = torch.linalg.solve(gram, inputs.T @ targets / 100)
                torch.testing.assert_close(weights(path), ridge, atol=1e-3, rtol=0.0)


def test_batch_trains_it_and_status_knows_its_score(trained, capsys):
    lines = [line.split() for line in said(capsys, "status", "grid.yaml").splitlines()]
    assert lines[0] == ["grid.yaml:", "8", "of", "8", "done"]
    assert lines[2] == ["few", "many"]
    for line, name in zip(lines[3:5], ("none", "l2-1e-1"), strict=True):
        few, many = (f"{mean_distance(task, name):.3f}" for task in ("few", "many"))
        assert line == [name, "2/2", few, "2/2", many]


def test_the_table_has_a_line_per_run_with_its_metrics(trained, capsys):
    head, _, *lines = (line.split() for line in said(capsys, "table", "runs").splitlines())
    assert head[:7] == ["data", "scheme", "lambda", "seed", "status", "distance", "loss"]
    expected = []
    for path in in_order_of_the_table():
        (distance, last), member = newest(path), record(path, "config.json")["member"]
        decay = f"{member['weight_decay']:g}" if member["weight_decay"] else "-"
        numbers = f"{distance:.3f} {last['train/loss']:.4f} {last['optim/weight_norm']:.2f}"
        line = [path.parents[1].name, member["scheme"], decay, str(member["seed"]), "finished"]
        expected.append([*line, *numbers.split()])
    assert [line[:8] for line in lines[:8]] == expected


def test_the_plot_has_its_curves_in_the_colours_of_the_schemes(trained, capsys, figures):
    both = [cells()["few", name][0] for name in ("none", "l2-1e-1")]
    said(capsys, "plot", *both, "--out", "plot.png")
    panels = {axes.get_title(): axes for axes in figures[-1].get_axes()}
    assert panels["evaluation"].get_ylabel() == "2-norm of w - w_true"
    assert panels["training"].get_ylabel() == "half the mean squared error"
    for line, path, scheme in zip(panels["evaluation"].lines, both, ("none", "l2"), strict=True):
        assert line.get_color() == SCHEMES[scheme].colour
        assert list(line.get_ydata()) == [row["eval/distance"] for row in rows(path)]
    drawn = [list(line.get_ydata()) for line in panels["training"].lines if len(line.get_ydata())]
    assert drawn == [[r["train/loss"] for r in rows(path, "metrics.jsonl")] for path in both]


def test_claims_say_that_none_is_about_it(trained, capsys):
    assert said(capsys, "claims", "runs") == "No claim that is followed is about runs of toy.\n"


def test_the_report_has_its_tables(trained, capsys, figures):
    said(capsys, "report", "runs", "--out", "report")
    with Path("report/tables/toy_scores_eval_distance.csv").open(newline="") as file:
        means = {(r["task"], r["scheme"]): float(r["mean"]) for r in csv.DictReader(file)}
    names = {"none": "none", "l2": "l2-1e-1"}
    assert means == {
        (task, scheme): pytest.approx(mean_distance(task, name), rel=1e-12)
        for task in ("few", "many")
        for scheme, name in names.items()
    }
    text = Path("report/report.md").read_text()
    assert "## Least squares\n\n8 runs on few and many: 8 finished" in text


def test_a_workload_without_a_list_has_the_general_exhibits(trained, toy, capsys, figures):
    toy.report = dataclasses.replace(toy.report, exhibits=None)
    said(capsys, "report", "runs", "--out", "general")
    assert {file.stem for file in Path("general/figures").iterdir()} == {
        *("toy_curve_train_loss_few", "toy_curve_train_loss_many"),
        *("toy_curve_eval_distance_few", "toy_curve_eval_distance_many"),
        *("toy_quantiles_few", "toy_quantiles_many", "toy_stability_eval_distance"),
        "toy_weight_norm",
    }


class Stopper(threading.Thread):
    """Sends a signal to a process when a run has logged so many rows more than it had."""

    def __init__(self, folder, process, number, more=5):
        super().__init__(daemon=True)
        self.folder, self.process, self.number = folder, process, number
        self.until = self.count() + more

    def count(self):
        return sum(file.read_bytes().count(b"\n") for file in self.folder.rglob("metrics.jsonl"))

    def run(self):
        for _ in range(6000):
            if self.count() >= self.until:
                os.kill(self.process, self.number)
                return
            time.sleep(0.01)


@pytest.mark.slow
def test_a_killed_and_a_stopped_run_go_on_to_the_same_bytes(toy, tmp_path, monkeypatch, no_drawing):
    """It asks for more epochs than there is time for, so that no signal can come too late."""
    monkeypatch.chdir(tmp_path)
    argv = ["run", "toy", "--scheme", "separated", "--weight-decay", "0.1", "--data", "many"]
    endless = [*argv, "--epochs", "100000", "--checkpoint-every", "30", "--runs", "stopped"]
    process = subprocess.Popen([sys.executable, "-m", "suite", *endless], stdout=subprocess.PIPE)
    killer = Stopper(tmp_path / "stopped", process.pid, signal.SIGKILL)
    killer.start()
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    (path,) = paths("stopped")
    Stopper(tmp_path / "stopped", os.getpid(), signal.SIGTERM).start()
    assert main(endless) == 143
    reached = record(path, "checkpoint/checkpoint.json")["latest"]["position"]
    epochs = str(reached[0] + 2)
    assert main([*argv, "--epochs", epochs, "--runs", "stopped"]) == 0
    assert main([*argv, "--epochs", epochs, "--runs", "whole"]) == 0
    (whole,) = paths("whole")
    assert path.relative_to("stopped") == whole.relative_to("whole")
    assert contents(path) == contents(whole)
    ends = [session["status"] for session in record(path, "meta.json")["sessions"]]
    assert ends == ["running", "unfinished", "finished"]


@pytest.mark.slow
def test_a_finished_run_is_made_longer_to_the_same_bytes(toy, tmp_path, monkeypatch, no_drawing):
    monkeypatch.chdir(tmp_path)
    for epochs in ("2", "4"):
        assert main(["run", "toy", "--epochs", epochs, "--runs", "longer"]) == 0
    assert main(["run", "toy", "--epochs", "4", "--runs", "whole"]) == 0
    assert contents(*paths("longer")) == contents(*paths("whole"))


def test_flags_without_a_section_have_one_of_their_own(toy, capsys):
    with pytest.raises(SystemExit):
        main(["run", "toy", "--help"])
    text = " ".join(capsys.readouterr().out.split())
    assert "What a run computes: --learning-rate" in text
    assert "--data {few,many} `few` examples, 10 for 8 weights, or `many`, 100 (default" in text


def test_presets_may_lie_in_the_package_or_be_none(toy, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert "\nepochs: 3\n" in said(capsys, "run", "toy", "--print_config")
    monkeypatch.setattr(type(toy), "preset_folder", lambda self: tmp_path)
    assert main(["run", "toy", "--preset", "long"]) == 2
    assert f"preset long: toy has none; {tmp_path} has no YAML" in capsys.readouterr().err
    (tmp_path / "long.yaml").write_text("epochs: 9\n")
    assert "\nepochs: 9\n" in said(capsys, "run", "toy", "--preset", "long", "--print_config")
    monkeypatch.setattr(type(toy), "PRESET", "long")
    assert "\nepochs: 9\n" in said(capsys, "run", "toy", "--print_config")


# A figure


@pytest.mark.slow
def test_a_figure_is_a_function_and_a_line_of_the_list(trained, capsys, figures):
    """Its points are the runs' own rows, in the colours of their schemes."""
    said(capsys, "report", "runs", "--out", "figure")
    assert "![Norm and distance](figures/toy_norm.png)" in Path("figure/report.md").read_text()
    assert Path("figure/figures/toy_norm.pdf").exists()
    (axes,) = next(f.axes for f in figures if f.axes[0].get_xlabel() == "2-norm of all weights")
    expected = set()
    for path in paths():
        scheme = record(path, "config.json")["member"]["scheme"]
        distance, last = newest(path)
        expected.add((SCHEMES[scheme].colour, last["optim/weight_norm"], distance))
    points = {(line.get_color(), *line.get_xdata(), *line.get_ydata()) for line in axes.lines}
    assert points == expected


# A metric


def test_a_metric_is_declared_once_and_shown_so_everywhere(trained, toy, capsys, figures):
    (distance,) = toy.report.scores
    declared = dataclasses.replace(distance, label="miss", unit="metres", decimals=1, better="")
    curves = (Curve("how far off", declared),)
    toy.report = dataclasses.replace(
        toy.report, scores=(declared,), others=(), curves=curves, exhibits=None
    )
    miss = f"{mean_distance('few', 'none'):.1f}"
    assert f"none 2/2 {miss} 2/2" in " ".join(said(capsys, "status", "grid.yaml").split())
    head, _, first, *_ = (line.split() for line in said(capsys, "table", "runs").splitlines())
    assert first[head.index("miss")] == f"{newest(in_order_of_the_table()[0])[0]:.1f}"
    said(capsys, "plot", "runs", "--out", "metric.png")
    assert ("how far off", "metres") in {
        (axes.get_title(), axes.get_ylabel()) for axes in figures[-1].get_axes()
    }
    said(capsys, "report", "runs", "--out", "metric")
    text = Path("metric/report.md").read_text()
    assert "### Miss by scheme and lambda" in text
    assert f"| none | - | {miss} " in text
    assert "eval/distance, metres: newest value of each run." in text
    assert "Bold" not in text  # neither more nor less is better
    assert "few: miss over updates" in text


def test_a_metric_that_is_logged_during_training_is_shown_as_well(trained, toy, capsys, figures):
    """The gradient's norm stands in the rows already: a declaration is all that it takes."""
    gradient = Metric("optim/gradient_norm", "gradient", "2-norm of the gradient", 3)
    toy.report = dataclasses.replace(
        toy.report,
        others=(gradient,),
        curves=(Curve("gradient", gradient, between=True),),
        exhibits=None,
    )
    head, _, *lines = (line.split() for line in said(capsys, "table", "runs").splitlines())
    for line, path in zip(lines, in_order_of_the_table(), strict=False):
        assert line[head.index("gradient")] == f"{newest(path)[1][gradient.key]:.3f}"
    path = cells()["few", "none"][0]
    said(capsys, "plot", path, "--out", "gradient.png")
    (axes,) = (axes for axes in figures[-1].get_axes() if axes.get_title() == "gradient")
    norms = [row[gradient.key] for row in rows(path, "metrics.jsonl")]
    assert list(axes.lines[0].get_ydata()) == norms
    said(capsys, "report", "runs", "--out", "gradient")
    assert Path("gradient/figures/toy_curve_optim_gradient_norm_few.pdf").exists()


# A scheme


@pytest.mark.slow
def test_a_scheme_is_an_entry_of_the_registry(toy, tmp_path, monkeypatch, capsys, figures):
    """Half of AdamW at lambda 0.2 is AdamW at 0.1 to the bit, under its own name and colour."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(SCHEMES, HALVED.name, HALVED)
    with monkeypatch.context() as patch:
        patch.setattr(run_plot, "plot", lambda runs, out: out)
        said(capsys, "run", "toy", "--scheme", "halved", "--weight-decay", "0.2")
        said(capsys, "run", "toy", "--scheme", "none", "decoupled", "--weight-decay", "0.1")
    decoupled, halved, none = paths()
    assert halved.parent.name == "halved-2e-1"
    assert torch.equal(weights(halved), weights(decoupled))
    assert not torch.equal(weights(halved), weights(none))

    lines = [line.split() for line in said(capsys, "table", "runs").splitlines()]
    assert ["few", "halved", "0.2", "0", "finished"] in [line[:5] for line in lines]
    said(capsys, "plot", *paths(), "--out", "scheme.png")
    (norm,) = (axes for axes in figures[-1].get_axes() if axes.get_title() == "weight norm")
    assert [line.get_color() for line in norm.lines] == [
        SCHEMES[scheme].colour for scheme in ("decoupled", "halved", "none")
    ]
    said(capsys, "report", "runs", "--out", "scheme")
    text = Path("scheme/report.md").read_text()
    assert f"halved is Half AdamW (nobody, 2026): {HALVED.sentence}." in text
    assert "halved moves a weight by alpha \\* lambda / 2 \\* w per update" in text
    own = next(f for f in figures if f.axes[0].get_xlabel() == "2-norm of all weights")
    assert legend_texts(own) == ["none", "decoupled", "halved"]
    assert HALVED.colour in {line.get_color() for line in own.axes[0].lines}
    sweep = next(f for f in figures if f.axes[0].get_ylabel() == "distance" and f.legends)
    assert HALVED.marker in {line.get_marker() for line in sweep.legends[0].get_lines()}
    with pytest.raises(SystemExit):
        main(["run", "toy", "--help"])
    assert "halved" in capsys.readouterr().out


def test_a_run_of_a_scheme_that_is_gone_is_left_out_by_name(
    toy, tmp_path, monkeypatch, capsys, no_drawing
):
    monkeypatch.chdir(tmp_path)
    with monkeypatch.context() as patch:
        patch.setitem(SCHEMES, HALVED.name, HALVED)
        said(capsys, "run", "toy", "--scheme", "halved", "--weight-decay", "0.2", "--epochs", "1")
    assert main(["table", "runs"]) == 2
    assert "scheme: 'halved' is none of none, l2," in capsys.readouterr().err


# A knob


@pytest.mark.slow
@pytest.mark.parametrize("name", ["nlp", "rl", "toy"])
@pytest.mark.usefixtures("figures", "no_drawing")
def test_a_key_that_is_added_later_loses_no_run(name, toy, tmp_path, monkeypatch, capsys):
    """All commands say of a grid what they said before its recipe grew."""
    monkeypatch.chdir(tmp_path)
    workload = load(name)
    Path("grid.yaml").write_text(
        f"workload: {name}\naxes: {{scheme: [none, l2], weight_decay: [0.1], seed: [0, 1]}}\n"
    )
    for each in read_grid(Path("grid.yaml"), Path("runs"), {}).runs:
        place = {workload.STEP_KEY: 10, workload.EPOCH_KEY: 1}
        scores = {metric.key: 1.5 + each.member.seed for metric in workload.report.scores}
        keys = workload.STEP_KEY, workload.EPOCH_KEY
        with locked([each.run]), RunLogFiles(each.run.path, *keys) as log:
            log.metrics(place | {"optim/weight_norm": 2.5})
            log.evaluation(place | scores)
        finish(each.run)

    def told(out):
        flags = ["--scheme", "none", "l2", "--weight-decay", "0.1", "--seed", "0", "1"]
        commands = [
            ("status", "grid.yaml"),
            ("table", "runs"),
            ("run", name, *flags),
        ]
        texts = [said(capsys, *command) for command in commands]
        said(capsys, "report", "runs", "--out", out)
        return [*texts, (Path(out) / "report.md").read_text()]

    before = told("before")
    assert before[0].startswith("grid.yaml: 4 of 4 done\n")
    assert before[2].count("is already finished") == 4
    grown(workload, monkeypatch)
    assert told("after") == before
