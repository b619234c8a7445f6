"""`wdbench evaluate RUN...`: let trained agents play and say how well they do."""

from __future__ import annotations

import json
import statistics
from argparse import ArgumentParser
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rl.config import NEWEST, Machine, check_checkpoint
from rl.exhibits import published
from workload import resources
from workload.errors import UserError
from workload.identity import read_config
from workload.output import aligned, say, stage_line
from workload.several_runs import of_each

if TYPE_CHECKING:
    from rl.play import Episode
    from rl.trained_agent import TrainedAgent

FILE = "evaluations.jsonl"
"""In a run's directory: a row per evaluation by this command."""
EPISODES, ENVIRONMENTS = 30, 8
HEAD = (
    *("run", "agent steps", "episodes", "epsilon", "mean [95 %]", "median [95 %]", "length"),
    "of human",
)


def main(parser: ArgumentParser, arguments: Sequence[str]) -> int:
    parser.add_argument("runs", nargs="+", type=Path, metavar="RUN", help="run directory")
    parser.add_argument("--episodes", type=int, default=EPISODES, metavar="N", help="default 30")
    parser.add_argument(
        "--epsilon", type=float, metavar="E",
        help="probability of a random action; default the run's evaluation_epsilon",
    )  # fmt: skip
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of the episodes")
    parser.add_argument(
        "--environments", type=int, default=ENVIRONMENTS, metavar="N",
        help="episodes that are played at once; default 8",
    )  # fmt: skip
    parser.add_argument(
        "--checkpoint", default=NEWEST, metavar="WHICH",
        help="newest, previous, or of those that --keep-checkpoints keeps: best or an "
        "iteration's number",
    )  # fmt: skip
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
    parser.add_argument(
        "--threads", type=int, default=1, metavar="N", help="for arithmetic; default 1"
    )
    options = parser.parse_args(arguments)
    for name in ("episodes", "environments"):
        if getattr(options, name) < 1:
            raise UserError(f"--{name}: {getattr(options, name)} is not above 0")
    if options.epsilon is not None and not 0 <= options.epsilon <= 1:
        raise UserError(f"--epsilon: {options.epsilon} is not between 0 and 1")
    check_checkpoint(options.checkpoint)
    if options.seed < 0:
        raise UserError(f"--seed: {options.seed} is negative")
    machine = Machine(device=options.device, threads=options.threads)
    resources.check_device(machine.device)

    def cells(run: Path, config: dict[str, Any]) -> list[str]:
        row = evaluate(
            run,
            config,
            machine,
            episodes=options.episodes,
            epsilon=options.epsilon,
            seed=options.seed,
            environments=options.environments,
            checkpoint=options.checkpoint,
        )
        return _cells(run, row)

    runs = of_each(options.runs, lambda run: (run, read_config(run)))
    rows = [HEAD, *of_each(runs, lambda run: cells(*run))]
    for line in aligned(rows, left=1, rule=True):
        say(line)
    return 0


def evaluate(
    run: Path,
    config: dict[str, Any],
    machine: Machine,
    *,
    episodes: int,
    epsilon: float | None,
    seed: int,
    environments: int,
    checkpoint: str,
) -> dict[str, Any]:
    """Play, and append the row that is returned to RUN/evaluations.jsonl.

    Raises:
        UserError: the run has no agent that can play.
    """
    from rl.play import play
    from rl.trained_agent import TrainedAgent
    from workload.trainer import prepare_torch

    agent = TrainedAgent.load(run, config, prepare_torch(machine), checkpoint)
    chosen = agent.recipe.evaluation_epsilon if epsilon is None else epsilon
    with stage_line() as show:
        played = play(
            agent,
            episodes=episodes,
            epsilon=chosen,
            seed=seed,
            environments=environments,
            progress=lambda done: show(f"{run.name}: episodes", done, episodes),
        )
    setting = {"epsilon": chosen, "seed": seed, "environments": environments}
    row = _row(agent, played, setting)
    with (run / FILE).open("a", encoding="ascii") as file:
        file.write(json.dumps(row) + "\n")
    return row


def _row(
    agent: TrainedAgent, played: Sequence[Episode], setting: dict[str, float]
) -> dict[str, Any]:
    from rl.intervals import mean_interval, median_interval

    returns = [episode.score for episode in played]
    mean = statistics.fmean(returns)
    known = published.random_and_human().get(agent.recipe.game)
    return {
        "checkpoint": agent.state.position._asdict(),
        "agent_steps": agent.state.agent_steps,
        "frames": agent.state.agent_steps * agent.recipe.frames_per_step,
        **setting,
        "episodes": len(played),
        "return": mean,
        "return_interval": mean_interval(returns),
        "return_std": statistics.pstdev(returns),
        "return_median": statistics.median(returns),
        "return_median_interval": median_interval(returns),
        "length": statistics.fmean(episode.length for episode in played),
        "human_normalised": (mean - known[0]) / (known[1] - known[0]) if known else None,
        "returns": returns,
        "lengths": [episode.length for episode in played],
        "truncated": sum(episode.cut_off for episode in played),
    }


def _cells(run: Path, row: dict[str, Any]) -> list[str]:
    share = row["human_normalised"]
    return [
        str(run),
        f"{row['agent_steps']:,}",
        str(row["episodes"]),
        f"{row['epsilon']:g}",
        _with_interval(row["return"], row["return_interval"]),
        _with_interval(row["return_median"], row["return_median_interval"]),
        f"{row['length']:,.0f}",
        "-" if share is None else f"{share:.1%}",
    ]


def _with_interval(middle: float, interval: tuple[float, float] | None) -> str:
    beside = "[-]" if interval is None else "[{:.1f}, {:.1f}]".format(*interval)
    return f"{middle:.1f} {beside}"
