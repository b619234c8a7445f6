"""`wdbench watch RUN`: film the trained agent of an RL run playing one episode."""

from pathlib import Path

from suite.arguments import Parser
from suite.errors import UserError
from suite.run_directory import Run


def main(argv: list[str], prog: str) -> int:
    parser = Parser(prog, "Film the trained agent of a run playing one episode.")
    parser.add_argument("run", type=Path, metavar="RUN", help="run directory")
    parser.add_argument("--out", type=Path, metavar="FILE", help="GIF; default RUN/episode.gif")
    parser.add_argument("--seed", type=int, default=0, help="each plays another episode; default 0")
    options = parser.parse_args(argv)
    run = Run.at(options.run)
    out = options.out or run.path / "episode.gif"
    if out.suffix.lower() != ".gif":
        raise UserError(f"--out: {out} does not end in .gif")
    if not out.parent.is_dir():
        raise UserError(f"--out: there is no directory {out.parent}")
    if options.seed < 0:
        raise UserError(f"--seed: {options.seed} is negative")
    print(film(run, out, options.seed))
    return 0


def film(run: Run, out: Path, seed: int) -> str:
    """Write the GIF; returns what happened in it, in one line."""
    if run.config["workload"] != "rl":
        raise UserError(f"{run.path} is no rl run: there is nothing to watch")
    from rl.checkpoint import CheckpointError
    from rl.config import Recipe
    from rl.film import record_episode

    try:
        recipe = Recipe(**run.config["recipe"])
    except TypeError as error:
        raise UserError(f"{run.path} was made by another version: {error}") from error
    try:
        filmed = record_episode(run.path, recipe, out, seed)
    except CheckpointError as error:
        raise UserError(f"{error}; an agent can be watched from its first checkpoint on") from error
    end = "" if filmed.ended else ", cut off before the episode's end"
    return f"{out}: score {filmed.score:g} in {filmed.steps:,} agent steps{end}"
