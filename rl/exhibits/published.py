"""The numbers that others have published, from results/published."""

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

# Beside the packages, in the source as in an installation. Not found as a package: `results` in
# the folder where a command is called would be one too.
FOLDER = Path(__file__).resolve().parents[2] / "results" / "published"
ITERATIONS = 200
TRAINING_STEPS = 250_000
AGENTS = {
    "dopamine_tf_dqn_rmsprop_huber(2018)": "Dopamine 2018 (RMSProp, Huber)",
    "dopamine_jax_dqn_adam_mse(2021)": "Dopamine 2021 (Adam, MSE)",
    "dopamine_jax_dqn_adam_mse(2024)": "Dopamine 2024 (Adam, MSE)",
}
NEWEST = "dopamine_jax_dqn_adam_mse(2024)"


@dataclass(frozen=True)
class Spread:
    """Mean and standard deviation over the runs of an agent on one game."""

    mean: float
    deviation: float
    runs: int


@cache
def table_1_scores() -> dict[tuple[str, float, str], float]:
    """Bjorck et al.'s mean score over 3 seeds, by scheme, lambda and game."""
    return {
        (row["scheme"], float(row["weight_decay"]), game): float(score)
        for row in _rows("bjorck2021_table1.csv")
        for game, score in row.items()
        if game not in ("scheme", "weight_decay")
    }


def is_misprint(game: str, score: float) -> bool:
    """Whether Table 1 prints what no game can end with: one of Pong ends at 21 points."""
    return game == "Pong" and abs(score) > 21


@cache
def dopamine_tail(last: str = "5") -> dict[tuple[str, str], Spread]:
    """Dopamine's training return over the last iterations, by agent and game."""
    return {
        (row["agent"], row["game"]): _spread(row)
        for row in _rows("dopamine_dqn_tail_means.csv")
        if row["last_k_iterations"] == last
    }


@cache
def dopamine_curve(agent: str, game: str) -> tuple[tuple[int, float], ...]:
    """Agent steps and mean training return at the iterations that are kept."""
    return tuple(
        (int(row["iteration"]) * TRAINING_STEPS, float(row["mean"]))
        for row in _rows("dopamine_dqn_curves_selected.csv")
        if (row["agent"], row["game"]) == (agent, game)
    )


@cache
def random_and_human() -> dict[str, tuple[float, float]]:
    """Scores of random play and of a person, by game."""
    return {
        row["game"]: (float(row["random_score"]), float(row["human_score"]))
        for row in _rows("atari_random_human.csv")
    }


def _spread(row: dict[str, str]) -> Spread:
    return Spread(float(row["mean"]), float(row["std"]), int(row["n_seeds"]))


def _rows(name: str) -> Iterator[dict[str, str]]:
    text = (FOLDER / name).read_text(encoding="utf-8")
    return csv.DictReader(text.splitlines())
