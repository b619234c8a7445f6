"""Our step, `separated`, compiled, over torch's fused AdamW: python -m tests.benchmarks.optimizer

The two alternate call by call, as a step in training finds caches full of something else. The
first step is timed with an empty compiler cache, as on a machine that never compiled it.
"""

import os
import tempfile
import time
from collections.abc import Sequence

import torch
from torch import nn

from shared_optim import WeightDecayAdam
from tests.benchmarks.timing import Comparison, compare, hardware, table

COMPILE_BAR = 60  # seconds

Shapes = Sequence[tuple[int, ...]]


def nature_dqn(flat: int) -> Shapes:
    """The ten tensors of a Nature DQN with 6 actions and `flat` features after the convolutions."""
    return [
        *[(32, 4, 8, 8), (32,), (64, 32, 4, 4), (64,), (64, 64, 3, 3), (64,)],
        *[(512, flat), (512,), (6, 512), (6,)],
    ]


def translation_transformer() -> Shapes:
    """The IWSLT'14 transformer with one vocabulary: 36.7M parameters in 185 tensors."""
    with torch.device("meta"):
        modules = nn.Embedding(10_152, 512), nn.Transformer(512, 4, 6, 6, 1024, batch_first=True)
    return [tuple(p.shape) for module in modules for p in module.parameters()]


def parameters(shapes: Shapes) -> list[nn.Parameter]:
    result = [nn.Parameter(torch.randn(shape)) for shape in shapes]
    for parameter in result:
        parameter.grad = torch.randn_like(parameter) * 1e-3
    return result


def step_ratio(
    name: str, shapes: Shapes, separated: float | list[float], *, bar: float | None, rounds: int
) -> tuple[Comparison, float]:
    """The comparison, and the seconds that our first step took."""
    ours = WeightDecayAdam(parameters(shapes), separated=separated)
    reference = torch.optim.AdamW(parameters(shapes), fused=True)
    start = time.perf_counter()
    ours.step()
    first = time.perf_counter() - start
    comparison = compare(
        name, ours.step, reference.step, at_most=bar, rounds=rounds, sample_seconds=0
    )
    return comparison, first


def main() -> None:
    torch.set_num_threads(1)
    torch.manual_seed(0)
    valid, same = nature_dqn(3_136), nature_dqn(7_744)
    stacked = [(8, *shape) for shape in valid]
    lambdas = [1e-4 * (k + 1) for k in range(8)]
    with tempfile.TemporaryDirectory() as cache:
        os.environ["TORCHINDUCTOR_CACHE_DIR"] = cache
        results = [
            step_ratio(
                "transformer, 36.7M in 185", translation_transformer(), 1e-4, bar=1.8, rounds=41
            ),
            step_ratio("DQN, 1.7M in 10", valid, 1e-4, bar=1.6, rounds=1001),
            step_ratio("DQN, SAME, 4.0M in 10", same, 1e-4, bar=None, rounds=301),
            step_ratio("8 DQNs, lambda each", stacked, lambdas, bar=1.8, rounds=101),
        ]
    print(hardware())
    print(table([comparison for comparison, _ in results]))
    for comparison, seconds in results:
        if seconds > 1:  # the others found their kernel compiled
            print(
                f"first step of {comparison.name}: {seconds:.0f} s, compiling; "
                f"bar < {COMPILE_BAR} s"
            )


if __name__ == "__main__":
    main()
