"""The table of runs and the sentence under it."""

import math
from dataclasses import replace

import pytest

from shared_optim.schemes import units_note
from suite.__main__ import main
from suite.results.records import read_runs
from suite.results.run_table import _table, look_at, table
from tests.suite.run_files import finish, make_run


def row(step, **values):
    return {"agent_steps": step, **{f"optim/{key}": value for key, value in values.items()}}


def cells(text, scheme):
    return next(line.split() for line in text.splitlines() if line.split()[1:2] == [scheme])


def test_a_line_shows_the_newest_values(tmp_path):
    rows = [
        row(1000, weight_norm=10.0, drowned_fraction=0.5),
        row(2000, weight_norm=12.345, drowned_fraction=0.625, **{"log_m_over_w/q50": -10.0}),
    ]
    scores = [{"eval/return": -20.0}, {"eval/return": 7.25}]
    run = make_run(tmp_path, "l2", 1e-3, seed=3, rows=rows, scores=scores)
    finish(run)
    episodes = ["-", "-", "-", "2000", "-"]
    human = ["-20.7", "14.6"]
    inside = ["12.35", "4.54e-05", "62.5%"]
    expected = ["Pong", "l2", "0.001", "3", "finished", "7.2", *episodes, *human, *inside]
    assert cells(table([run]), "l2") == expected
    assert f"{math.exp(-10.0):.2e}" == "4.54e-05"


def test_a_run_without_rows_has_a_line_without_values(tmp_path):
    human = ["-20.7", "14.6"]
    expected = ["-", "0", "unfinished", *["-"] * 6, *human, "-", "-", "-"]
    assert cells(table([make_run(tmp_path)]), "none")[2:] == expected


def test_what_stands_behind_a_score_and_random_and_human_play_are_beside_it(tmp_path):
    score = {
        "eval/return": -19.5,
        "eval/return_median": -20.0,
        "eval/episodes": 4,
        "train/return_last100": -20.25,
        "frames": 4000,
    }
    text = table([make_run(tmp_path, scores=[score]), make_run(tmp_path, game="Joust")])
    head = "score median return episodes last 100 agent steps frames random human weight norm"
    assert head in " ".join(text.splitlines()[0].split())
    behind = ["-19.5", "-20.0", "4", "-20.2", "1000", "4000", "-20.7", "14.6"]
    lines = {line.split()[0]: line.split()[5:13] for line in text.splitlines()[2:4]}
    assert lines == {"Pong": behind, "Joust": ["-"] * 8}


def test_without_evaluation_the_score_is_the_training_return(tmp_path):
    run = make_run(tmp_path, scores=[{"train/return": -19.5, "eval/return": None}])
    assert cells(table([run]), "none")[5:7] == ["-19.5", "train"]


def test_diverged_is_in_the_table(tmp_path):
    run = make_run(tmp_path, "l2", 1e-1)
    finish(run, "diverged")
    assert cells(table([run]), "l2")[4] == "diverged"


def sentence(tmp_path, drowned, median):
    rows = [row(1000, drowned_fraction=drowned, **{"log_m_over_w/q50": math.log(median)})]
    return look_at(read_runs([make_run(tmp_path, "l2", 1e-3, rows=rows)]))


def test_the_sentence_points_to_the_measured_drowning(tmp_path):
    text = sentence(tmp_path, 0.75, median=1e-5)
    assert text.startswith("Look at the column drowned: under l2 at lambda 0.001")
    assert "75.0% of the weights." in text


def test_the_sentence_says_when_m_is_the_decay(tmp_path):
    assert "the median |m/w| is lambda itself" in sentence(tmp_path, 0.75, median=1.02e-3)


def test_the_sentence_says_when_the_effect_does_not_show(tmp_path):
    text = sentence(tmp_path, 0.031, median=1e-5)
    assert text.startswith("Drowning does not show at this length: ")
    assert "3.1% of the weights" in text


def test_the_sentence_is_of_decay_that_acts_all_the_time(tmp_path):
    rows = [row(1000, drowned_fraction=0.9)]
    early = make_run(tmp_path, "l2", 1e-3, rows=rows, decay_schedule="early:100")
    assert look_at(read_runs([early])).startswith("drowned: the share of weights")


def test_what_would_drown_stands_in_parentheses(tmp_path):
    run = make_run(tmp_path, "decoupled", 1e-3, rows=[row(1000, drowned_fraction=0.5)])
    assert cells(table([run]), "decoupled")[-1] == "(50.0%)"
    assert "In parentheses: what would" in table([run])


@pytest.mark.parametrize(("second", "said"), [("separated", True), ("l2", False)])
def test_the_units_of_lambda_are_told_where_they_differ(tmp_path, second, said):
    runs = [make_run(tmp_path, "decoupled", 1e-3), make_run(tmp_path, second, 1e-3)]
    assert (units_note(["decoupled", "separated"]) in table(runs).replace("\n", " ")) is said


def test_the_command_prints_it(tmp_path, capsys):
    run = make_run(tmp_path)
    assert main(["table", str(run.path)]) == 0
    assert "unfinished" in capsys.readouterr().out


def test_lines_stand_in_the_order_of_a_reports_rows(tmp_path):
    places = [("separated", 1e-3), ("l2", 1e-4), ("none", 0.0), ("decoupled", 1e-3), ("l2", 1e-3)]
    runs = [make_run(tmp_path, *place, seed) for seed in (1, 0) for place in places]
    lines = [line.split() for line in table(runs).splitlines() if line.strip().startswith("Pong")]
    assert [(line[1], line[2], line[3]) for line in lines] == [
        (scheme, decay, seed)
        for scheme, decay in (
            *(("none", "-"), ("l2", "0.001"), ("decoupled", "0.001")),
            *(("separated", "0.001"), ("l2", "0.0001")),
        )
        for seed in ("0", "1")
    ]


def test_what_a_terminal_would_obey_is_replaced(tmp_path):
    records = read_runs([make_run(tmp_path), make_run(tmp_path, "l2", 1e-3)])
    foreign = replace(records[1], values={**records[1].values, "loss": "\x1b[31mred\x07"})
    text = _table([records[0], foreign])
    assert "?[31mred?" in text
    assert "\x1b" not in text
