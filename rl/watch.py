"""`wdbench watch RUN`: film the trained agent of a run playing one episode."""

from argparse import ArgumentParser
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rl.config import Recipe
from workload.errors import CheckpointError, UserError
from workload.identity import read_config


def main(parser: ArgumentParser, arguments: Sequence[str]) -> int:
    parser.add_argument("run", type=Path, metavar="RUN", help="run directory")
    parser.add_argument("--out", type=Path, metavar="FILE", help="GIF; default RUN/episode.gif")
    parser.add_argument("--seed", type=int, default=0, help="each plays another episode; default 0")
    options = parser.parse_args(arguments)
    config = read_config(options.run)
    out = options.out or options.run / "episode.gif"
    if out.suffix.lower() != ".gif":
        raise UserError(f"--out: {out} does not end in .gif")
    if not out.parent.is_dir():
        raise UserError(f"--out: there is no directory {out.parent}")
    if options.seed < 0:
        raise UserError(f"--seed: {options.seed} is negative")
    if config["workload"] != "rl":
        raise UserError(f"{options.run} is no rl run: there is nothing to watch")
    print(film(options.run, config, out, options.seed))
    return 0


def film(run: Path, config: dict[str, Any], out: Path, seed: int) -> str:
    """Write the GIF; returns what happened in it, in one line."""
    from rl.film import record_episode

    try:
        recipe = Recipe(**config["recipe"])
    except TypeError as error:
        raise UserError(f"{run} was made by another version: {error}") from error
    try:
        filmed = record_episode(run, recipe, out, seed)
    except CheckpointError as error:
        raise UserError(
            f"{error.path}: {error.problem}; an agent can be watched from its first checkpoint on"
        ) from error
    end = "" if filmed.ended else ", cut off before the episode's end"
    return f"{out}: score {filmed.score:g} in {filmed.steps:,} agent steps{end}"
