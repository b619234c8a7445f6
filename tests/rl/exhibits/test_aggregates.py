"""Aggregates of human-normalised scores: which games, which rows, and the numbers."""

import math
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
        for ours, expected in zip(scores.values(), normalised(row.scheme), strict=True):
            assert ours.tolist() == pytest.approx(expected, abs=1e-12)


def test_random_play_is_0_and_a_person_is_1(tmp_path):
    found = Normalised.of(grid(tmp_path, {("Pong", "none"): [-20.7], ("Pong", "l2"): [14.6]}))
    values = [float(scores["Pong"][0]) for scores in found.scores.values()]
    assert values == pytest.approx([0, 1], abs=1e-12)


def middle(games):
    """The mean of the middle half of equally heavy games, by copies of their runs."""
    longest = math.lcm(*map(len, games))
    copies = sorted(x for game in games for x in game for _ in range(4 * longest // len(game)))
    cut = len(copies) // 4
    return statistics.mean(copies[cut : len(copies) - cut])


def test_the_aggregates_are_those_of_the_plain_formulas(whole):
    none, l2 = records_of_table(aggregate_table(whole, Normalised.of(whole)))
    for record in (none, l2):
        games = normalised(record["scheme"])
        assert record["iqm"] == pytest.approx(middle(games), abs=1e-12)
        assert (record["games"], record["runs"]) == (2, sum(map(len, games)))
        assert record["iqm_low"] is None  # over fewer than three games
    # Breakout: 45 ties once and beats 40, 60 beats all: 4.5 / 6. Pong: 12 beats 10 and ties 12,
    # 13 beats 10 and 12: 3.5 / 9.
    expected = (4.5 / 6 + 3.5 / 9) / 2
    assert l2["improvement_over_none"] == pytest.approx(expected, abs=1e-12)
    assert l2["improvement_low"] is None  # two runs on Breakout
    assert none["improvement_over_none"] is None


def test_the_profile_is_the_share_of_runs_above_each_threshold(whole):
    records = records_of_table(profile_table(whole, Normalised.of(whole)))
    taus = sorted({record["tau"] for record in records})
    every = [x for scheme in ("none", "l2") for game in normalised(scheme) for x in game]
    deciles = statistics.quantiles(every, n=10, method="inclusive")
    assert taus == pytest.approx(sorted({float(f"{decile:.3g}") for decile in deciles}))
    for record in records:
        games = normalised(record["scheme"])
        shares = [sum(x > record["tau"] for x in game) / len(game) for game in games]
        assert record["share_above"] == pytest.approx(statistics.mean(shares), abs=1e-12)


def test_a_profile_of_scores_below_random_play_is_no_table_of_zeros(tmp_path):
    low = {("Pong", "none"): [-21.0, -20.9, -20.8], ("Pong", "l2"): [-20.95, -20.85, -20.7]}
    small = grid(tmp_path, low)
    shares = {
        r["share_above"] for r in records_of_table(profile_table(small, Normalised.of(small)))
    }
    assert len(shares) > 2


def test_a_row_that_lacks_a_game_stands_on_the_others_beside_none_there(tmp_path):
    partial = {key: scores for key, scores in RETURNS.items() if key != ("Breakout", "l2")}
    lacking = grid(tmp_path, partial)
    found = Normalised.of(lacking)
    assert found.games == ("Breakout", "Pong")
    table = aggregate_table(lacking, found)
    none, l2 = records_of_table(table)
    assert none["iqm"] == pytest.approx(middle(normalised("none")), abs=1e-12)
    assert (none["games"], l2["games"]) == (2, 1)
    (pong,) = normalised("l2", ["Pong"])
    assert l2["iqm"] == pytest.approx(middle([pong]), abs=1e-12)
    (theirs,) = normalised("none", ["Pong"])
    assert l2["iqm_of_none_there"] == pytest.approx(middle([theirs]), abs=1e-12)
    assert l2["improvement_over_none"] == pytest.approx(3.5 / 9, abs=1e-12)
    text = dict(zip(table.head, table.rows[1], strict=True))
    assert text["games"].lines == ("1/2",)
    assert text["IQM [95 %]"].lines == (
        f"{middle([pong]):.3f}",
        f"{middle([pong]):.3f} beside none's {middle([theirs]):.3f} in 1 game",
    )
    assert "A row that lacks a game is not to be compared" in table.caption


def test_a_run_that_diverged_counts_as_random_play(tmp_path):
    runs = [
        game_run(tmp_path, "Pong", "l2", 1e-3, seed, [14.6], status)
        for seed, status in enumerate(("finished", "finished", "diverged", "failed", "unfinished"))
    ]
    (scores,) = Normalised.of(grid_of(runs)).scores.values()
    assert sorted(scores["Pong"].tolist()) == pytest.approx([0, 1, 1], abs=1e-12)


def test_a_game_without_published_scores_stays_out(tmp_path):
    runs = [game_run(tmp_path, game, "none", 0.0, 0, [1.0]) for game in ("Pong", "Tetris")]
    assert Normalised.of(grid_of(runs)).games == ("Pong",)
    assert Normalised.of(grid_of(runs[1:])).games == ()


def test_without_none_there_is_nothing_to_be_better_than(tmp_path):
    alone = grid(tmp_path, {("Pong", "l2"): [1.0, 2.0]})
    table = aggregate_table(alone, Normalised.of(alone))
    assert table.rows[0][-1].lines == ("-",)
    assert records_of_table(table)[0]["improvement_over_none"] is None


@pytest.mark.slow
def test_a_report_without_a_game_to_normalise_by_says_so(tmp_path):
    runs = [game_run(tmp_path, game, "none", 0.0, 0, [1.0]) for game in ("Tetris", "Pong")]
    for chosen, missing in ((runs[:1], True), (runs, False)):
        (section,) = document(records_of(chosen), 5, pytest.fail).sections
        assert any("No aggregates" in text for text in section.paragraphs) is missing
        assert ("aggregates" in {table.name for table in section.tables}) is not missing
