"""Returns of a game over agent steps (Figures 6, 13-17), beside Dopamine's published ones."""

from rl.exhibits import published
from rl.metrics import RETURN, TRAINING_RETURN
from workload.exhibits.curves import curve_figure
from workload.exhibits.document import Picture
from workload.exhibits.grid import RecordGrid


def evaluation_returns(grid: RecordGrid, game: str) -> Picture | None:
    """Mean return per episode of the evaluations; None where there is none yet."""
    return curve_figure(
        *(grid, game, RETURN, "evaluation return"),
        f"learning_evaluation_{grid.file_name(game)}",
        label="evaluation return per episode",
    )


def training_returns(grid: RecordGrid, game: str) -> Picture | None:
    """Mean return per training episode; None where no iteration has ended yet."""
    points = _reached(grid, game)
    return curve_figure(
        *(grid, game, TRAINING_RETURN, "training return"),
        f"learning_training_{grid.file_name(game)}",
        label="training return per episode",
        points=points,
        note=(
            " Open markers: Dopamine's published training returns, mean of 5 runs "
            "(google/dopamine)."
            if points
            else " Dopamine's published training returns begin at 250,000 steps, beyond these runs."
        ),
    )


def _reached(grid: RecordGrid, game: str) -> dict[str, list[tuple[int, float]]]:
    """Dopamine's points up to the last step of our runs, by agent."""
    steps = [run.evaluations[grid.step] for row in grid.rows for run in grid.at(row, game)]
    end = max((float(s[-1]) for s in steps if len(s)), default=0.0)
    found = {
        name: [point for point in published.dopamine_curve(agent, game) if point[0] <= 1.02 * end]
        for agent, name in published.AGENTS.items()
    }
    return {name: points for name, points in found.items() if points}
