"""What stands behind a score: episodes, agent steps and frames, beside random play and a person."""

from collections.abc import Sequence
from dataclasses import astuple, dataclass

import numpy as np

from rl.exhibits import published
from rl.metrics import (
    AGENT_STEPS,
    EPISODE_COUNT,
    LAST_100,
    MEDIAN,
    RETURN,
    TRAINING_EPISODES,
    TRAINING_MEDIAN,
)
from workload.exhibits.cells import NOTHING, row_cells, row_head, value
from workload.exhibits.document import Cell, Table, cell
from workload.exhibits.grid import RecordGrid
from workload.exhibits.record import Record

HEAD = (
    *("seed", "agent steps", "frames", "score", "episodes", "median", "last 100"),
    *("random play", "human"),
)
DATA_HEAD = (
    *("seed", "agent_steps", "frames", "score", "episodes", "median", "last_100"),
    *("random", "human"),
)


@dataclass(frozen=True)
class _Line:
    """A run's numbers in the order of DATA_HEAD; None for what its rows do not hold."""

    seed: int
    agent_steps: float | None
    frames: float | None
    score: float | None
    episodes: float | None
    median: float | None
    last_100: float | None
    random: float | None
    human: float | None

    def cells(self) -> tuple[Cell, ...]:
        counts = (self.agent_steps, self.frames)
        scores = (self.median, self.last_100, self.random, self.human)
        return (
            cell(str(self.seed)),
            *(cell(value(number, 0)) for number in counts),
            cell(value(self.score)),
            cell(NOTHING if self.episodes is None else value(self.episodes, 0)),
            *(cell(value(number)) for number in scores),
        )


def episode_table(grid: RecordGrid) -> Table | None:
    """A line per run that has a score; None where no run has one."""
    lines = [
        (row, game, _line(run, game, grid.last))
        for game in grid.tasks
        for row in grid.rows
        for run in grid.at(row, game)
        if RETURN.key in run.scores
    ]
    if not lines:
        return None
    return Table(
        name="episodes",
        title="What stands behind the scores",
        caption=(
            f"Agent steps: of training, and as frames of the emulator. Episodes: those whose mean "
            f"the score is, of the last {grid.last} evaluations; median: of the newest "
            "evaluation's. Last 100: mean return of the newest 100 training episodes, at the "
            "exploration of training, as Stable-Baselines3 and CleanRL show it. Random play and "
            "human: dqn_zoo's."
        ),
        head=(grid.report.task, *row_head(grid), *HEAD),
        rows=tuple((cell(game), *row_cells(row), *line.cells()) for row, game, line in lines),
        data_head=(grid.report.task, "scheme", "lambda", *grid.keys, *DATA_HEAD),
        data=tuple(
            (game, row.scheme, row.weight_decay, *row.extras, *astuple(line))
            for row, game, line in lines
        ),
    )


def _line(run: Record, game: str, last: int) -> _Line:
    episodes, median = EPISODE_COUNT.key, MEDIAN.key
    if run.stands_in:
        episodes, median = TRAINING_EPISODES.key, TRAINING_MEDIAN.key
    steps = _newest(run, AGENT_STEPS.key)
    random, human = published.random_and_human().get(game, (None, None))
    return _Line(
        seed=run.member.seed,
        agent_steps=steps,
        frames=None if steps is None else steps * run.recipe.frames_per_step,
        score=run.scores[RETURN.key],
        episodes=_total(_known(run, episodes)[-last:]),
        median=_newest(run, median),
        last_100=_newest(run, LAST_100.key),
        random=random,
        human=human,
    )


def _known(run: Record, key: str) -> list[float]:
    values = run.evaluations[key]
    return list(values[np.isfinite(values)])


def _newest(run: Record, key: str) -> float | None:
    return next(reversed(_known(run, key)), None)


def _total(numbers: Sequence[float]) -> float | None:
    return sum(numbers) if numbers else None
