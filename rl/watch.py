"""`wdbench watch RUN`: film the trained agent of a run playing one episode."""

import math
from argparse import ArgumentParser
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rl.config import NEWEST, check_checkpoint
from workload.errors import UserError
from workload.identity import read_config
from workload.output import say, stage_line

SUFFIXES = (".gif", ".mp4")
SECONDS = 60.0


def main(parser: ArgumentParser, arguments: Sequence[str]) -> int:
    parser.add_argument("run", type=Path, metavar="RUN", help="run directory")
    parser.add_argument(
        "--out", type=Path, metavar="FILE",
        help="a GIF, or an MP4 where PyAV is installed; default RUN/episode.gif",
    )  # fmt: skip
    parser.add_argument("--seed", type=int, default=0, help="each plays another episode; default 0")
    parser.add_argument(
        "--seconds", type=float, default=SECONDS, metavar="S",
        help="of game time that are filmed at most; default 60",
    )  # fmt: skip
    parser.add_argument(
        "--checkpoint", default=NEWEST, metavar="WHICH",
        help="newest, previous, or of those that --keep-checkpoints keeps: best or an "
        "iteration's number",
    )  # fmt: skip
    options = parser.parse_args(arguments)
    check_checkpoint(options.checkpoint)
    config = read_config(options.run)
    out = options.out or options.run / "episode.gif"
    if out.suffix.lower() not in SUFFIXES:
        raise UserError(f"--out: {out} does not end in {' or '.join(SUFFIXES)}")
    if not out.parent.is_dir():
        raise UserError(f"--out: there is no directory {out.parent}")
    if options.seed < 0:
        raise UserError(f"--seed: {options.seed} is negative")
    if not (math.isfinite(options.seconds) and options.seconds >= 1):
        raise UserError(f"--seconds: {options.seconds:g} is not a number of seconds, 1 or more")
    say(film(options.run, config, out, options.seed, options.seconds, options.checkpoint))
    return 0


def film(
    run: Path, config: dict[str, Any], out: Path, seed: int, seconds: float, checkpoint: str
) -> str:
    """Write the film; returns what happened in it, in one line."""
    import torch

    from rl.film import record_episode
    from rl.trained_agent import TrainedAgent

    agent = TrainedAgent.load(run, config, torch.device("cpu"), checkpoint)
    with stage_line() as show:
        filmed = record_episode(agent, out, seed, seconds, show)
    end = (
        ""
        if filmed.ended
        else f", cut off after {seconds:g} s of game time; --seconds films more of the episode"
    )
    return f"{out}: score {filmed.score:g} in {filmed.steps:,} agent steps{end}"
