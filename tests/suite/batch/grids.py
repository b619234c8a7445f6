"""Grid files of a test's choice."""

from pathlib import Path

from suite.batch.grid_file import read_grid

SMALL = """\
workload: rl
base: {replay_capacity: 20_000}
axes:
  game: [Breakout, Pong]
  scheme: [none, l2]
  weight_decay: [1.0e-3, 1.0e-4]
  seed: [0, 1]
"""
"""2 games x (none + 2 lambdas) x 2 seeds = 12 runs."""


def write_grid(text, name="grid.yaml"):
    file = Path(name)
    file.write_text(text)
    return file


def grid_of(text, **machine):
    return read_grid(write_grid(text), Path("runs"), machine)


def cells(grid):
    """What a reader would list: game, scheme, lambda and seed of every run, in order."""
    return [
        (run.recipe.game, run.member.scheme, run.member.weight_decay, run.member.seed)
        for run in grid.runs
    ]
