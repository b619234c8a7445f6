"""The published numbers are the ones that were published, and are found wherever one works."""

import subprocess
import sys

import pytest

from rl.atari import game_names
from rl.config import PAPER_GAMES
from rl.exhibits import published
from tests.rl.exhibits.reference import reference

NAMES = (
    "bjorck2021_table1.csv",
    "dopamine_dqn_curves_selected.csv",
    "dopamine_dqn_tail_means.csv",
)


@pytest.mark.parametrize("name", NAMES)
def test_our_copy_is_the_reference(name):
    assert (published.FOLDER / name).read_bytes() == reference(name).read_bytes()


@pytest.mark.parametrize(
    ("place", "score"),
    [
        (("none", 0.0, "Breakout"), 52),
        (("decoupled", 1e-3, "TimePilot"), 3136),
        (("l2", 1e-3, "Pong"), -27),
        (("separated", 1e-4, "Pong"), 21),
        (("l2", 1e-6, "TimePilot"), 6707),
        (("l2", 1e-8, "BeamRider"), 2761),
    ],
)
def test_table_1_as_printed(place, score):
    assert published.table_1_scores()[place] == score


def test_table_1_has_13_rows_of_eight_games():
    small = [("l2", 10.0**-power) for power in (6, 7, 8)]
    large = [(s, 10.0**-p) for s in ("l2", "decoupled", "separated") for p in (3, 4, 5)]
    rows = [("none", 0.0), *large, *small]
    assert set(published.table_1_scores()) == {(*row, game) for row in rows for game in PAPER_GAMES}


def test_random_and_human_scores_of_dqn_zoo():
    known = published.random_and_human()
    assert len(known) == 57
    assert known.keys() < set(game_names())
    assert known["Pong"] == (-20.7, 14.6)
    assert known["Skiing"] == (-17098.1, -4336.9)
    assert known["Zaxxon"] == (32.5, 9173.3)
    # a unit of the normalised score is a person ahead of random play
    assert all(human > random for random, human in known.values())


def test_of_the_papers_games_they_are_the_reference():
    name = "atari_random_human.csv"
    ours = (published.FOLDER / name).read_text().splitlines()
    reference_lines = reference(name).read_text().splitlines()
    assert len(reference_lines) == 1 + len(PAPER_GAMES)
    assert set(reference_lines) <= set(ours)


def test_dopamines_curves_are_over_agent_steps():
    curve = published.dopamine_curve(published.NEWEST, "BeamRider")
    # iterations 1, 10, 50, 100, 150 and 200 of 250,000 training steps
    assert [at for at, _ in curve] == [
        *(250_000, 2_500_000, 12_500_000, 25_000_000, 37_500_000, 50_000_000)
    ]
    assert curve[0][1] == 375.211
    assert curve[-1][1] == 6038.363
    assert published.dopamine_curve(published.NEWEST, "NoGame") == ()


def test_every_agent_of_dopamine_has_a_curve_and_a_tail_on_every_game():
    for agent in published.AGENTS:
        for game in PAPER_GAMES:
            assert len(published.dopamine_curve(agent, game)) == 6
            assert published.dopamine_tail()[agent, game].runs == 5


def test_they_are_found_beside_a_folder_of_the_users_called_results(tmp_path):
    """`wdbench report --out results/published` must not hide them from the next command."""
    (tmp_path / "results" / "published").mkdir(parents=True)
    code = "from rl.exhibits import published as p; print(p.table_1_scores()['none', 0.0, 'Pong'])"
    for command in ([sys.executable, "-c", code], [sys.executable, "-P", "-c", code]):
        answer = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
        assert (answer.returncode, answer.stdout) == (0, "19.0\n"), answer.stderr
