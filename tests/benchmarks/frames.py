"""What a replay's frames take in memory and on disk, and what compressing them costs.

    python -m tests.benchmarks.frames [--games NAME ...] [--planned SECONDS]
    python -m tests.benchmarks.frames --speed

Without `--speed` a line per game: 10,000 agent steps of random play behind the 2,000 that the
dictionary is trained on and, with `--planned`, frames of planned play (planned_play.py), so many
CPU seconds of it per game, under the same dictionary. With `--speed` two populations alike but for
their frames train in turns: the network and loop of tests/benchmarks/agent.py.
"""

import argparse
import tempfile
import time
from pathlib import Path
from unittest import mock

import numpy as np
import torch

from rl.config import PAPER_GAMES, Recipe
from rl.environment import Environments
from rl.frames import SAMPLES
from rl.replay import Replay, Rows
from rl.replay_file import ReplayFile
from tests.benchmarks.agent import STEPS, ours
from tests.benchmarks.planned_play import PlannedPlay
from tests.benchmarks.timing import compare, hardware, table

STEPS_OF_PLAY = 10_000
LIMIT = 0.97


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--games", nargs="+", default=PAPER_GAMES)
    parser.add_argument("--planned", type=float, default=0, help="CPU seconds per game")
    parser.add_argument("--speed", action="store_true")
    parser.add_argument("--precision", nargs="+", default=["float32"])
    parser.add_argument("--rounds", type=int, default=15)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    if arguments.speed:
        speed(arguments.precision, arguments.rounds)
        return
    print(hardware())
    print("| game | play | frames | memory | disk | largest | put | sample of 32 |")
    print("|---|---|---|---|---|---|---|---|")
    for game in arguments.games:
        random = random_play(game, SAMPLES + STEPS_OF_PLAY)
        row(game, "random", random[:SAMPLES], random[SAMPLES:])
        if arguments.planned:
            planned = PlannedPlay(game, seed=1)
            frames = planned.frames(STEPS_OF_PLAY, arguments.planned)
            play = f"planned, {planned.scores or ''} {planned.score} points"
            row(game, play, random[:SAMPLES], frames)


def random_play(game: str, steps: int) -> np.ndarray:
    environments = Environments(Recipe(game=game), 1)
    observation, random = environments.reset([1]), np.random.default_rng(0)
    frames = np.empty((steps, *observation.shape[-2:]), np.uint8)
    for frame in frames:
        frame[:] = observation[0, -1]
        actions = random.integers(0, environments.actions, 1)
        observation = environments.step(actions).observation
    environments.close()
    return frames


def row(game: str, play: str, first: np.ndarray, frames: np.ndarray) -> None:
    """A line on `frames` with a dictionary of the `first`."""
    capacity = len(first) + len(frames)
    replay = Replay(1, capacity, n_step=1, gamma=0.99, batch_size=32, device="cpu", compress=True)
    fill(replay, 0, first)
    before = replay.nbytes
    start = time.process_time()
    fill(replay, len(first), frames)
    put = (time.process_time() - start) / len(frames)
    arrays = 20  # bytes per frame of columns and index, which are there from the beginning
    memory = (replay.nbytes - before) / len(frames) + arrays
    store = replay._frames
    longest = int(store._lengths.max())
    uniforms = torch.from_numpy(np.random.default_rng(1).random((100, 1, 32)))
    start = time.process_time()
    for each in uniforms:
        replay.sample(each)
    sample = (time.process_time() - start) / len(uniforms)
    with tempfile.TemporaryDirectory() as folder:
        file = ReplayFile(Path(folder) / "replay", len(frames))
        file.write(replay, 0)
        size = sum(path.stat().st_size for path in Path(folder).rglob("*.blocks"))
    print(
        f"| {game} | {play} | {len(frames):,} | {memory / 1e3:.3f} GB | "
        f"{size / len(frames) / 1e3:.3f} GB | {longest} B | {put * 1e6:.1f} us | "
        f"{sample * 1e3:.2f} ms |",
        flush=True,
    )


def fill(replay: Replay, start: int, frames: np.ndarray) -> None:
    """Rows of an episode without end; rewards and actions as random as those of play are not."""
    count = len(frames)
    random = np.random.default_rng(0)
    replay.restore(
        0,
        start,
        Rows(
            frames=frames,
            actions=random.integers(0, 18, count).astype(np.uint8),
            rewards=random.integers(-1, 2, count).astype(np.float32),
            ended=np.zeros(count, dtype=bool),
            ages=np.arange(start, start + count, dtype=np.int32),
        ),
    )


def speed(precisions: list[str], rounds: int) -> None:
    rows = []
    for precision in precisions:
        compressed = ours(precision)
        with mock.patch("rl.population.compresses", return_value=False):
            raw = ours(precision)
        rows.append(
            compare(
                f"{STEPS} agent steps, {precision}, compressed frames over raw ones",
                lambda population=compressed: population.run(STEPS),
                lambda population=raw: population.run(STEPS),
                at_least=LIMIT,
                rounds=rounds,
            )
        )
    print(hardware())
    print(table(rows))


if __name__ == "__main__":
    main()
