"""Tables and figures of translation, and runs of several workloads side by side."""

import pytest
from matplotlib.figure import Figure

from suite.__main__ import main
from suite.results.records import read_runs
from suite.results.run_plot import _draw_curves, _styles, labels, plot
from suite.results.run_table import table
from tests.suite.fake_training import metrics_row, translation_evaluation, translation_row
from tests.suite.run_files import make_run, make_translation
from workload.errors import UserError

pytestmark = pytest.mark.slow

ROWS = [translation_row(25, loss=8.5), translation_row(50, loss=7.5)]
SCORES = [
    translation_evaluation(1, 60, **{"train/loss": 7.25, "valid/bleu": 25.5}),
    translation_evaluation(2, 120, **{"train/loss": 6.5, "valid/bleu": 31.0}),
    translation_evaluation(2, 120, **{"test/bleu": 30.125, "test/bleu_13a": 29.75}),
]


def test_the_table_of_translation_has_bleu(tmp_path):
    run = make_translation(tmp_path, "l2", 1e-4, rows=ROWS, scores=SCORES)
    head, _, line = (text.split() for text in table([run]).splitlines()[:3])
    assert head[:8] == ["data", "scheme", "lambda", "seed", "status", "BLEU", "13a", "valid"]
    assert line[:5] == ["iwslt14", "l2", "0.0001", "0", "unfinished"]
    assert line[5:8] == ["30.12", "29.75", "31.00"]


def test_before_the_test_there_is_the_newest_validation_alone(tmp_path):
    line = table([make_translation(tmp_path, scores=SCORES[:1])]).splitlines()[2]
    assert line.split()[5:8] == ["-", "-", "25.50"]


def test_curves_of_translation_are_loss_and_bleu_over_updates(tmp_path):
    records = read_runs([make_translation(tmp_path, rows=ROWS, scores=SCORES)])
    figure = Figure()
    _draw_curves(figure, records, _styles(records))
    _, _, training, validation = figure.get_axes()
    between, epochs = training.lines
    assert between.get_xydata().tolist() == [[25, 8.5], [50, 7.5]]
    assert epochs.get_xydata().tolist() == [[60, 7.25], [120, 6.5]]
    (curve,) = validation.lines
    assert curve.get_xydata().tolist() == [[60, 25.5], [120, 31.0]]
    assert [axes.get_xlabel() for axes in figure.get_axes()] == ["updates"] * 4
    assert "BLEU" in validation.get_ylabel()


def test_a_folder_of_text_is_shown_by_its_last_name(tmp_path):
    runs = [make_translation(tmp_path, data=data) for data in ("multi30k", "/texts/own")]
    records = read_runs(runs)
    assert [record.task for record in records] == ["multi30k", "own"]
    assert labels(records) == ["multi30k none seed0", "own none seed0"]


def test_runs_of_two_workloads_have_a_table_each(tmp_path):
    runs = [make_translation(tmp_path, scores=SCORES), make_run(tmp_path)]
    lines = [line.split() for line in table(runs).splitlines()]
    heads = [(line[0], line[5]) for line in lines if "scheme" in line]
    assert heads == [("data", "BLEU"), ("game", "score")]


def test_runs_of_two_workloads_are_drawn_below_each_other(tmp_path, figures):
    scores = [{"eval/return": 7.25}]
    game = make_run(tmp_path, rows=[metrics_row(500)], scores=scores)
    plot([game, make_translation(tmp_path, rows=ROWS, scores=SCORES)], tmp_path / "out.png")
    panels = {axes.get_title(): axes for axes in figures[0].get_axes()}
    drawn = {
        title: panels[title].lines[-1].get_xydata().tolist()
        for title in ("evaluation", "validation")
    }
    assert drawn == {"evaluation": [[1000, 7.25]], "validation": [[60, 25.5], [120, 31.0]]}


def test_a_row_without_its_step_is_named_by_file_and_line(tmp_path, capsys):
    run = make_translation(tmp_path, rows=ROWS)
    path = run.path / "metrics.jsonl"
    with path.open("a") as file:
        file.write('{"agent_steps": 100, "train/loss": 7.0}\n')
    out = ["--out", str(tmp_path / "out.png")]
    for command in (["table"], ["plot", *out]):
        assert main([*command, str(run.path)]) == 0
        said = capsys.readouterr().err
        assert f"left out: {path}, line 3 is damaged: it has no number 'updates'" in said


def test_a_run_of_a_workload_that_this_version_does_not_have(tmp_path, capsys):
    run = make_run(tmp_path)
    config = run.path / "config.json"
    config.write_text(config.read_text().replace('"rl"', '"speech"'))
    assert main(["table", str(run.path)]) == 2
    assert "unknown workload 'speech'" in capsys.readouterr().err


def test_a_translation_cannot_be_watched(tmp_path, capsys):
    assert main(["watch", str(make_translation(tmp_path).path)]) == 2
    assert "is no rl run" in capsys.readouterr().err


def test_a_config_without_recipe_is_damaged(tmp_path):
    run = make_run(tmp_path)
    (run.path / "config.json").write_text('{"format": 1, "workload": "rl", "member": {}}')
    with pytest.raises(UserError, match="is damaged: it has no recipe"):
        type(run).at(run.path)
