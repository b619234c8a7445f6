"""Aggregates of human-normalised scores: which games, which rows, and the numbers."""

import itertools
import statistics

import pytest

from rl.exhibits.aggregates import Normalised, aggregate_table, profile_table
from suite.results.sections import document
from tests.suite.results.runs import game_run, grid_of, records_of, records_of_table

HUMAN = {"Pong": (-20.7, 14.6), "Breakout": (1.7, 30.5)}
"""Random and human scores, from results/published/atari_random_human.csv."""
RETURNS = {
    ("Pong", "none"): [10.0, 12.0, 14.0],
    ("Pong", "l2"): [-20.0, 12.0, 13.0],
    ("Breakout", "none"): [50.0, 40.0, 45.0],
    ("Breakout", "l2"): [45.0, 60.0],
}


def decay_of(scheme):
    return 0.0 if scheme == "none" else 1e-3


def grid(folder, returns):
    return grid_of(
        [
            game_run(folder, game, scheme, decay_of(scheme), seed, [score])
            for (game, scheme), scores in returns.items()
            for seed, score in enumerate(scores)
        ]
    )


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    return grid(tmp_path_factory.mktemp("runs"), RETURNS)


def normalised(scheme, games=("Breakout", "Pong")):
    """By the formula, a list per game."""
    return [
        [(x - HUMAN[game][0]) / (HUMAN[game][1] - HUMAN[game][0]) for x in RETURNS[game, scheme]]
        for game in games
    ]


def test_scores_are_normalised_by_those_of_random_play_and_of_a_person(whole):
    found = Normalised.of(whole)
    assert found.games == ("Breakout", "Pong")
    for row, scores in found.scores.items():
        for ours, expected in zip(scores, normalised(row.scheme), strict=True):
            assert ours.tolist() == pytest.approx(expected, abs=1e-12)


def test_random_play_is_0_and_a_person_is_1(tmp_path):
    found = Normalised.of(grid(tmp_path, {("Pong", "none"): [-20.7], ("Pong", "l2"): [14.6]}))
    values = [float(scores[0][0]) for scores in found.scores.values()]
    assert values == pytest.approx([0, 1], abs=1e-12)


def test_the_aggregates_are_those_of_the_plain_formulas(whole):
    none, l2 = records_of_table(aggregate_table(whole, Normalised.of(whole)))
    for record in (none, l2):
        pooled = sorted(itertools.chain(*normalised(record["scheme"])))
        cut = len(pooled) // 4
        expected = statistics.mean(pooled[cut : len(pooled) - cut])
        assert record["iqm"] == pytest.approx(expected, abs=1e-12)
        assert record["runs"] == len(pooled)
        assert pooled[0] <= record["iqm_low"] <= record["iqm"] <= record["iqm_high"] <= pooled[-1]
    # Breakout: 45 ties once and beats 40, 60 beats all: 4.5 / 6. Pong: 12 beats 10 and ties 12,
    # 13 beats 10 and 12: 3.5 / 9.
    expected = (4.5 / 6 + 3.5 / 9) / 2
    assert l2["improvement_over_none"] == pytest.approx(expected, abs=1e-12)
    assert none["improvement_over_none"] is None


def test_the_profile_is_the_share_of_runs_above_each_threshold(whole):
    records = records_of_table(profile_table(whole, Normalised.of(whole)))
    assert [record["tau"] for record in records] == [i / 4 for i in range(9)] * 2
    for record in records:
        pooled = list(itertools.chain(*normalised(record["scheme"])))
        expected = sum(score > record["tau"] for score in pooled) / len(pooled)
        assert record["share_above"] == pytest.approx(expected, abs=1e-12)


def test_only_games_that_every_row_has_a_score_in_take_part(tmp_path):
    partial = {key: scores for key, scores in RETURNS.items() if key != ("Breakout", "l2")}
    found = Normalised.of(grid(tmp_path, partial))
    assert found.games == ("Pong",)
    table = aggregate_table(grid(tmp_path, partial), found)
    assert "over Pong: the games in which every row with a score has one" in table.caption
    assert [record["runs"] for record in records_of_table(table)] == [3, 3]


def test_a_row_without_any_score_takes_no_game_from_the_others(tmp_path):
    runs = [
        game_run(tmp_path, game, "none", 0.0, 0, [1.0 + len(game)]) for game in ("Pong", "Breakout")
    ]
    runs.append(game_run(tmp_path, "Pong", "l2", 1e-3, 0, [5.0], "diverged"))
    found = Normalised.of(grid_of(runs))
    assert found.games == ("Breakout", "Pong")
    assert [row.scheme for row in found.scores] == ["none"]


def test_a_game_without_published_scores_stays_out(tmp_path):
    runs = [game_run(tmp_path, game, "none", 0.0, 0, [1.0]) for game in ("Pong", "Tetris")]
    assert Normalised.of(grid_of(runs)).games == ("Pong",)
    assert Normalised.of(grid_of(runs[1:])).games == ()


def test_without_none_there_is_nothing_to_be_better_than(tmp_path):
    alone = grid(tmp_path, {("Pong", "l2"): [1.0, 2.0]})
    table = aggregate_table(alone, Normalised.of(alone))
    assert table.rows[0][-1].lines == ("-",)
    assert records_of_table(table)[0]["improvement_over_none"] is None


def test_a_report_without_a_common_game_says_so(tmp_path):
    runs = [
        game_run(tmp_path, "Pong", "none", 0.0, 0, [1.0]),
        game_run(tmp_path, "Breakout", "l2", 1e-3, 0, [1.0]),
    ]
    for chosen, missing in ((runs, True), (runs[:1], False)):
        records = records_of(chosen)
        (section,) = document(records, 5, pytest.fail).sections
        assert any("No aggregates" in text for text in section.paragraphs) is missing
        assert ("aggregates" in {table.name for table in section.tables}) is not missing
