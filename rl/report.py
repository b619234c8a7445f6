"""What DQN on Atari adds to tables, plots and reports."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from rl.exhibits import published
from rl.metrics import (
    AGENT_STEPS,
    EPISODE_COUNT,
    FRAMES,
    LAST_100,
    MEDIAN,
    RETURN,
    TRAINING_EPISODES,
    TRAINING_MEDIAN,
    TRAINING_RETURN,
)
from workload.report import Curve, Report

if TYPE_CHECKING:
    from workload.exhibits.grid import RecordGrid
    from workload.report import Exhibit, LeaveOut

NO_AGGREGATES = (
    "No aggregates over games: no run that counts is on a game with published scores of random "
    "play and of a person."
)


def exhibits(grid: "RecordGrid", leave_out: "LeaveOut") -> "Sequence[Exhibit]":
    """Tables, then figures, in the order of the report."""
    from rl.exhibits.aggregates import Normalised, aggregate_table, profile_table
    from rl.exhibits.dopamine_spread import DOPAMINE
    from rl.exhibits.episodes import episode_table
    from rl.exhibits.profile import profile_figure
    from rl.exhibits.returns import evaluation_returns, training_returns
    from rl.exhibits.table_1 import BJORCK, table_1
    from workload.exhibits.lambda_sweep import lambda_sweep
    from workload.exhibits.optimizer_figures import norm_figure, quantile_figure
    from workload.exhibits.smallest_difference import smallest_difference
    from workload.exhibits.tuning import tuning_table

    normalised = Normalised.of(grid)
    difference_table = smallest_difference(
        grid, RETURN, "smallest_difference_games", decimals=None, published=DOPAMINE
    )
    games, name = grid.tasks, grid.file_name
    return [
        None if normalised.games else NO_AGGREGATES,
        table_1(grid),
        episode_table(grid),
        aggregate_table(grid, normalised),
        profile_table(grid, normalised),
        difference_table,
        tuning_table(grid, RETURN, "tuning_games", decimals=None),
        lambda_sweep(grid, RETURN, "stability_games", published=BJORCK),
        profile_figure(grid, normalised),
        *(evaluation_returns(grid, game) for game in games),
        *(training_returns(grid, game) for game in games),
        *(quantile_figure(grid, game, f"quantiles_{name(game)}") for game in games),
        norm_figure(grid, "weight_norm_games"),
    ]


def claims(grid: "RecordGrid") -> "Mapping[str, Mapping[str, Sequence[float]]]":
    """What runs say of the claims in configs/claims."""
    from workload.exhibits.scheme_claims import scheme_claims

    return scheme_claims(grid, RETURN)


def claims_across(
    grids: "Sequence[RecordGrid]",
) -> "Mapping[str, Mapping[str, Sequence[float]]]":
    """What runs on several games say together."""
    from workload.exhibits.scheme_claims import across_tasks

    return across_tasks(grids, RETURN)


def random_and_human(game: str) -> Mapping[str, float]:
    """Scores of random play and of a person, where they are known."""
    known = published.random_and_human().get(game)
    return dict(zip(("random", "human"), known, strict=True)) if known else {}


REPORT = Report(
    title="DQN on Atari",
    task="game",
    tasks="games",
    scores=(RETURN,),
    curves=(Curve("training", TRAINING_RETURN, between=True), Curve("evaluation", RETURN)),
    others=(MEDIAN, EPISODE_COUNT, LAST_100, AGENT_STEPS, FRAMES),
    drawn=(TRAINING_EPISODES, TRAINING_MEDIAN),
    mean_of_last=True,
    defaults="the paper's",
    beside=random_and_human,
    exhibits=exhibits,
    claims=claims,
    claims_across=claims_across,
)
