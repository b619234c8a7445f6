"""What the recorder costs outside the chunks.

    python -m tests.benchmarks.recorder

Trains one member on Pong with the VALID network, as `run rl` does, and compares the CPU time
between the first chunk and the last with the CPU time inside the chunks. Checkpoints are left out:
their distance is the user's.
"""

import tempfile
import time
from pathlib import Path
from typing import Any

from rl.config import Machine, Recipe
from rl.population import Population
from rl.training import train_population
from tests.benchmarks.timing import hardware
from workload.member import Member

CHUNKS = 40
BAR = 0.01


class SilentLog:
    """A run's log that goes nowhere."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def metrics(self, row: dict[str, Any]) -> None: ...
    def evaluation(self, row: dict[str, Any]) -> None: ...
    def own(self, file: str, row: dict[str, Any]) -> None: ...
    def rewind(self, offsets: dict[str, int]) -> None: ...
    def offsets(self) -> dict[str, int]:
        return {}


def main() -> None:
    inside: list[float] = []
    spans: list[tuple[float, float]] = []
    run = Population.run

    def timed(population: Population, *arguments: Any) -> Any:
        begin = time.process_time()
        rows = run(population, *arguments)
        end = time.process_time()
        spans.append((begin, end))
        inside.append(end - begin)
        return rows

    Population.run = timed  # type: ignore[method-assign]
    recipe = Recipe(game="Pong", padding="valid", warm_up=1_000, replay_capacity=10_000)
    with tempfile.TemporaryDirectory() as folder:
        train_population(
            recipe,
            [Member("none", 0.0, 0)],
            [SilentLog(Path(folder))],
            Machine(device="cpu", threads=1, checkpoint_every=10**9),
            progress=lambda _: None,
            stop=lambda: len(spans) > CHUNKS,
        )
    # the first chunk with updates compiles the optimizer, the last is followed by a checkpoint
    first = next(i for i, seconds in enumerate(inside) if seconds == max(inside)) + 1
    total = spans[-1][1] - spans[first][0]
    outside = total - sum(inside[first:])
    print(hardware())
    print(
        f"{len(inside) - first} chunks: {sum(inside[first:]):.2f} s inside, "
        f"{1000 * outside:.1f} ms outside, {outside / total:.3%} (bar < {BAR:.0%})"
    )


if __name__ == "__main__":
    main()
