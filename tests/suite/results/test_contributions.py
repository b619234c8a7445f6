"""What is contributed is everywhere: a scheme of the registry, a workload that lists no exhibit, a
metric that is declared."""

import csv
import json
import statistics
import tracemalloc

import pytest
from matplotlib.colors import to_rgba

from rl.workload import WORKLOAD as RL
from shared_optim.metric import Metric
from shared_optim.schemes import SCHEMES, Scheme, Terms
from suite.__main__ import main
from suite.results.run_plot import plot
from suite.results.run_table import table
from suite.results.sections import document
from tests.suite.fake_training import metrics_row
from tests.suite.results.runs import game_run, grid_of, inside, records_of
from tests.suite.run_files import finish, make_run
from tests.workload.exhibits.drawn import figures as drawn
from tests.workload.exhibits.drawn import legend_texts, panels
from workload.report import Curve, Report

pytestmark = pytest.mark.slow

TOY = Scheme(
    name="halved",
    label="Half AdamW",
    sentence="decoupled decay at half its rate",
    source="nobody, 2026",
    unit="alpha * lambda / 2 * w",
    colour="#123456",
    marker="h",
    formula=lambda decay, alpha, peak: Terms(shrink=decay * alpha / 2),
)


@pytest.fixture
def toy_scheme(monkeypatch):
    monkeypatch.setitem(SCHEMES, TOY.name, TOY)


def test_a_scheme_of_the_registry_is_in_the_report_with_name_and_colour(toy_scheme, tmp_path):
    places = [("none", 0.0), ("l2", 1e-3), ("decoupled", 1e-3), ("halved", 1e-3)]
    runs = [
        game_run(tmp_path, "Pong", *place, seed, [1.0, 2.0 + seed], rows=[inside(9), inside(99)])
        for place in places
        for seed in (0, 1)
    ]
    with drawn() as found:
        content = document(records_of(runs), 5, pytest.fail)
    (table_1, *_) = content.tables
    assert [row[0].lines[0] for row in table_1.rows][:4] == [scheme for scheme, _ in places]
    about = "halved is Half AdamW (nobody, 2026): decoupled decay at half its rate."
    assert any(text.startswith(about) for text in content.paragraphs)
    assert sum("decoupled by alpha * lambda * w." in text for text in content.paragraphs) == 1
    for name in ("learning_evaluation_Pong", "performance_profile"):
        title = panels(found[name])["halved"].title
        assert to_rgba(title.get_color()) == to_rgba(TOY.colour)
    sweep = found["stability_games"]
    assert "halved" in legend_texts(sweep)
    markers = {line.get_label(): line.get_marker() for line in sweep.legends[0].get_lines()}
    assert markers["halved"] == TOY.marker


ERROR = Metric("eval/return", "error", "wrong per hundred", 2, "lower", fallback="train/return")
PLAIN = Report(
    title="A workload of somebody's",
    task="task",
    tasks="tasks",
    scores=(ERROR,),
    curves=(Curve("error", ERROR),),
)


@pytest.fixture
def plain_workload(monkeypatch):
    """DQN's rows as those of a workload that declares a metric and lists no exhibit."""
    monkeypatch.setattr(type(RL), "report", PLAIN)


def test_a_workload_that_lists_no_exhibit_has_the_generic_section(plain_workload, tmp_path):
    values = {"none": [3.0, 5.0], "l2": [1.0, 2.5]}
    for scheme, errors in values.items():
        for seed, error in enumerate(errors):
            rows = [inside(500), inside(1000)]
            decay = 1e-3 if scheme == "l2" else 0.0
            game_run(tmp_path / "runs", "Pong", scheme, decay, seed, [9.0, error], rows=rows)
    assert main(["report", str(tmp_path / "runs"), "--out", str(tmp_path / "out")]) == 0
    assert {
        str(p.relative_to(tmp_path / "out")) for p in (tmp_path / "out").glob("*/*.[cp][sn]*")
    } == {
        "tables/rl_scores_eval_return.csv",
        "tables/rl_smallest_difference_eval_return.csv",
        "figures/rl_stability_eval_return.png",
        "figures/rl_curve_eval_return_Pong.png",
        "figures/rl_quantiles_Pong.png",
        "figures/rl_weight_norm.png",
    }
    with (tmp_path / "out" / "tables" / "rl_scores_eval_return.csv").open(newline="") as file:
        lines = {line["scheme"]: line for line in csv.DictReader(file)}
    for scheme, errors in values.items():
        assert float(lines[scheme]["mean"]) == statistics.mean(errors)
        assert float(lines[scheme]["standard_deviation"]) == pytest.approx(statistics.stdev(errors))
        assert lines[scheme]["best_of_task"] == str(int(scheme == "l2"))  # the lower is better
    text = (tmp_path / "out" / "report.md").read_text()
    assert "## A workload of somebody's" in text
    assert "Bold: the lowest mean of a task among cells that are complete" in text
    assert "the paper's" not in text


def test_two_exhibits_of_one_name_are_refused(monkeypatch, tmp_path):
    twice = Report(**{**vars(PLAIN), "exhibits": lambda grid, leave_out: both(grid)})
    monkeypatch.setattr(type(RL), "report", twice)

    def both(grid):
        from workload.exhibits.score_table import plain_score_table

        return [plain_score_table(grid, ERROR, "scores")] * 2

    run = game_run(tmp_path, "Pong", "none", 0.0, 0, [1.0])
    with pytest.raises(ValueError, match="2 exhibits of a report are named 'scores'"):
        document(records_of([run]), 5, pytest.fail)


def test_an_exhibit_may_be_a_paragraph_or_nothing(monkeypatch, tmp_path):
    listed = Report(**{**vars(PLAIN), "exhibits": lambda grid, leave_out: [None, "No table."]})
    monkeypatch.setattr(type(RL), "report", listed)
    run = game_run(tmp_path, "Pong", "none", 0.0, 0, [1.0])
    (section,) = document(records_of([run]), 5, pytest.fail).sections
    assert section.paragraphs[-1] == "No table."
    assert (section.tables, section.pictures) == ((), ())


@pytest.mark.slow
@pytest.mark.parametrize("show", [lambda runs, out: table(runs), plot], ids=["table", "plot"])
def test_memory_does_not_grow_with_the_length_of_a_run(tmp_path, show):
    """Ten times the rows, with a hundred keys each, and no more than a tenth more memory."""
    keys = {f"optim/layer/layer{i}/weight_norm": 1.5 for i in range(90)}

    def peak(count):
        run = make_run(tmp_path / str(count), seed=count)
        with (run.path / "metrics.jsonl").open("w") as file:
            for step in range(1, count + 1):
                file.write(json.dumps(metrics_row(step) | keys) + "\n")
        tracemalloc.start()
        show([run], tmp_path / "out.png")
        used = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return used

    peak(1_000)
    assert peak(10_001) < 1.1 * peak(1_001)


def test_a_grid_has_the_report_of_its_workload(plain_workload, tmp_path):
    run = game_run(tmp_path, "Pong", "none", 0.0, 0, [1.0])
    finish(run)
    assert grid_of([run]).report is PLAIN
