"""Agent steps per CPU second against the packages that people come from.

    python -m tests.benchmarks.peers --cleanrl FOLDER [--precision float32 bf16] [--members 1 8]
    python -m tests.benchmarks.peers --dopamine PYTHON [--precision float32 bf16]

Stable-Baselines3 is taken from PyPI, without its dependencies, as one of them is another torch:

    pip install --no-deps stable-baselines3
    pip install pandas cloudpickle opencv-python-headless

CleanRL is a folder of scripts: `git clone https://github.com/vwxyzjn/cleanrl`. Its dqn_atari.py is
run as it stands, but for tyro, prints and the names of two of gymnasium's wrappers, and held after
each step. PYTHON is that of an environment which holds Dopamine, see `dopamine_jax`; against it
alone the networks have its SAME padding.

Everybody trains on Pong, the VALID network but for Dopamine: batch 32, an update every 4 agent
steps, epsilon .01, from a replay of 5,000 transitions. Each side is a process of its own with one
thread; they take turns, in rounds.
"""

import argparse
import functools
import itertools
import os
import statistics
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast

import ale_py
import gymnasium
import torch

from rl.architecture import Padding
from rl.config import Machine
from tests.benchmarks import dopamine_jax
from tests.benchmarks.agent import FILLED, ours
from tests.benchmarks.asked import Asked, answer
from tests.benchmarks.timing import hardware
from workload.trainer import prepare_torch

ENV = "PongNoFrameskip-v4"
PATCHES = (
    ("import tyro\n", ""),
    ('if __name__ == "__main__":\n', "def train():\n"),
    ("tyro.cli(Args)", "Args(**settings)"),
    ("GrayScaleObservation(", "GrayscaleObservation("),
    (".FrameStack(", ".FrameStackObservation("),
    ("print(", "silent("),
    ("        obs = next_obs\n", "        obs = next_obs\n        yield\n"),
)
PEERS = ("CleanRL's dqn_atari.py", "Stable-Baselines3")
Side = Callable[[int], object]
"""Takes so many agent steps."""


def cleanrl(folder: Path) -> Side:
    """The loop of CleanRL's dqn_atari.py."""
    file = folder / "cleanrl" / "dqn_atari.py"
    text = file.read_text(encoding="utf-8")
    for before, after in PATCHES:
        if before not in text:
            raise SystemExit(f"{file}: has no {before!r}; another version than this one knows")
        text = text.replace(before, after)
    sys.path.insert(0, str(folder))
    settings = {"env_id": ENV, "buffer_size": FILLED, "learning_starts": FILLED, "start_e": 0.01}
    space: dict[str, Any] = {
        "__name__": "dqn_atari",
        "__file__": str(file),
        "settings": settings | {"cuda": False},
        "silent": lambda *_: None,
    }
    sys.modules["dqn_atari"] = sys.modules[__name__]  # where its dataclass looks itself up
    exec(compile(text, str(file), "exec"), space)
    loop: Iterator[None] = space["train"]()

    def run(steps: int) -> None:
        for _ in range(steps):
            next(loop)

    return run


def stable_baselines3() -> Side:
    """The DQN of Stable-Baselines3."""
    from stable_baselines3 import DQN
    from stable_baselines3.common.env_util import make_atari_env
    from stable_baselines3.common.vec_env import VecFrameStack

    model = DQN(
        "CnnPolicy",
        VecFrameStack(make_atari_env(ENV, n_envs=1, seed=0), 4),
        buffer_size=FILLED,
        learning_starts=FILLED,
        train_freq=4,
        exploration_initial_eps=0.01,
        exploration_final_eps=0.01,
        optimize_memory_usage=True,
        replay_buffer_kwargs={"handle_timeout_termination": False},
        device="cpu",
    )

    def run(steps: int) -> None:
        model.learn(steps, reset_num_timesteps=False)

    return run


def wdbench(name: str) -> Side:
    """A population in a process that is prepared as `run rl` prepares its own."""
    padding, precision, members = name.split()
    prepare_torch(Machine(device="cpu"))
    population = ours(precision, int(members), padding=cast(Padding, padding))

    def run(steps: int) -> None:
        population.run(steps // int(members))

    return run


def side(options: argparse.Namespace) -> Callable[[], object]:
    """What a process does in a round, when it is ready."""
    sys.path.insert(0, os.getcwd())
    gymnasium.register_envs(ale_py)
    torch.set_num_threads(1)
    folder = options.cleanrl and options.cleanrl.absolute()
    os.chdir(tempfile.mkdtemp())  # CleanRL writes its events below the present folder
    if options.peer:
        run = cleanrl(folder) if options.peer == PEERS[0] else stable_baselines3()
        run(FILLED + 100)
    else:
        run = wdbench(options.population)
    run(100)
    return functools.partial(run, options.steps)


def main() -> None:
    parser = argparse.ArgumentParser()
    peer = parser.add_mutually_exclusive_group(required=True)
    peer.add_argument("--cleanrl", type=Path, metavar="FOLDER")
    peer.add_argument("--dopamine", metavar="PYTHON")
    peer.add_argument("--population", help=argparse.SUPPRESS)
    parser.add_argument("--precision", nargs="+", default=["float32"])
    parser.add_argument("--members", nargs="+", type=int, default=[1], help="of a population")
    parser.add_argument("--steps", type=int, default=200, help="agent steps of a side and round")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--peer", choices=PEERS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if any(options.steps % members for members in options.members):
        parser.error("--steps: every number of --members has to divide it")
    if options.peer or options.population:
        answer(lambda: side(options))
        return
    padding = "same" if options.dopamine else "valid"
    each_way = itertools.product(options.precision, options.members)
    populations = [f"{padding} {precision} {members}" for precision, members in each_way]
    argv = [sys.executable, "-m", "tests.benchmarks.peers", "--steps", str(options.steps)]
    if options.dopamine:
        theirs = [options.dopamine, dopamine_jax.__file__, str(options.steps), str(FILLED)]
        peers = {"Dopamine's JAX agent": Asked(theirs)}
    else:
        argv_of_peers = [*argv, "--cleanrl", str(options.cleanrl), "--peer"]
        peers = {name: Asked([*argv_of_peers, name]) for name in PEERS}
    sides = peers | {name: Asked([*argv, "--population", name]) for name in populations}
    for each in sides.values():
        each.ready()
    for _ in range(options.rounds):
        for each in sides.values():
            each.round()
    for each in sides.values():
        each.end()
    seconds = {name: each.seconds for name, each in sides.items()}
    print(hardware())
    print(
        "| | agent steps per CPU second (rounds) | " + " | ".join(f"over {n}" for n in peers) + " |"
    )
    print("|---|---|" + "---|" * len(peers))
    for name, own in seconds.items():
        rates = [options.steps / each for each in own]
        over = [
            f"{statistics.median(p / o for p, o in zip(seconds[peer], own, strict=True)):.2f}"
            for peer in peers
        ]
        shown = " ".join(f"{rate:.0f}" for rate in rates)
        title = name if name in peers else f"wdbench, {name}"
        print(f"| {title} | {statistics.median(rates):.1f} ({shown}) | " + " | ".join(over) + " |")


if __name__ == "__main__":
    main()
