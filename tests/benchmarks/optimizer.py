"""What our steps cost beside torch's: python -m tests.benchmarks.optimizer

The two alternate call by call, as a step in training finds caches full of something else. First
steps are taken in processes of their own, with and without a kernel in the cache.
"""

import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence

import torch
from torch import nn

from shared_optim import WeightDecayAdam, observe_step
from tests.benchmarks.timing import Comparison, compare, hardware, table

SMALL = [(64,) if i % 2 else (64, 64) for i in range(300)]
FIRST_STEP_BARS = {"nothing cached": 0.5, "warm cache": 0.05}  # CPU seconds

FIRST_STEP = """
import resource, torch
from shared_optim import WeightDecayAdam
theta = torch.nn.Parameter(torch.ones(1000))
theta.grad = torch.ones(1000)
# what every optimizer of torch loads when it is made, and what a step of theirs loads
torch.optim.AdamW([torch.nn.Parameter(torch.ones(1))]).step()
optimizer = WeightDecayAdam([theta], separated=0.1)
def seconds():
    used = map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(each.ru_utime + each.ru_stime for each in used)
start = seconds()
optimizer.step()
print(seconds() - start)
"""

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
) -> Comparison:
    """A step with decay in buffers of its own over torch's fused AdamW."""
    ours = WeightDecayAdam(parameters(shapes), separated=separated)
    reference = torch.optim.AdamW(parameters(shapes), fused=True)
    return compare(name, ours.step, reference.step, at_most=bar, rounds=rounds, sample_seconds=0)


def small_ratio(name: str, *, each_a_group: bool, bar: float) -> Comparison:
    """Many small tensors over torch's foreach AdamW, in one group or in one each."""

    def grouped() -> list[nn.Parameter] | list[dict[str, list[nn.Parameter]]]:
        given = parameters(SMALL)
        return [{"params": [p]} for p in given] if each_a_group else given

    ours = WeightDecayAdam(grouped(), decoupled=1e-2)
    reference = torch.optim.AdamW(grouped(), foreach=True)
    return compare(name, ours.step, reference.step, at_most=bar, rounds=101, sample_seconds=0)


def observed_ratio(name: str, shapes: Shapes, *, bar: float) -> Comparison:
    """A step that is measured over one that is not."""
    observed, plain = (WeightDecayAdam(parameters(shapes), l2=1e-4) for _ in range(2))
    return compare(
        name,
        lambda: observe_step(observed),
        plain.step,
        at_most=bar,
        rounds=51,
        sample_seconds=0,
    )


def first_steps() -> list[str]:
    """Lines: the CPU seconds of a first step, its compiler's included."""
    lines = []
    for name, bar in FIRST_STEP_BARS.items():
        samples = []
        with tempfile.TemporaryDirectory() as cache:
            for _ in range(5):
                if name == "nothing cached":
                    with tempfile.TemporaryDirectory() as empty:
                        samples.append(_first_step(empty))
                else:
                    _first_step(cache)
                    samples.append(_first_step(cache))
        seconds = statistics.median(samples)
        verdict = "met" if seconds <= bar else "MISSED"
        lines.append(f"first step, {name}: {seconds:.3f} CPU s  <= {bar}  {verdict}")
    return lines


def _first_step(cache: str) -> float:
    environment = {**os.environ, "XDG_CACHE_HOME": cache, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-c", FIRST_STEP], env=environment, capture_output=True, check=True
    )
    return float(done.stdout)


def main() -> None:
    torch.set_num_threads(1)
    torch.manual_seed(0)
    valid, same = nature_dqn(3_136), nature_dqn(7_744)
    stacked = [(8, *shape) for shape in valid]
    lambdas = [1e-4 * (k + 1) for k in range(8)]
    print(hardware())
    comparisons = [
        step_ratio(
            "transformer, 36.7M in 185", translation_transformer(), 1e-4, bar=1.62, rounds=41
        ),
        step_ratio("DQN, 1.7M in 10", valid, 1e-4, bar=1.5, rounds=1001),
        step_ratio("DQN, SAME, 4.0M in 10", same, 1e-4, bar=None, rounds=301),
        step_ratio("8 DQNs, lambda each", stacked, lambdas, bar=1.5, rounds=101),
        small_ratio("300 small tensors", each_a_group=False, bar=1.5),
        small_ratio("300 small groups", each_a_group=True, bar=1.1),
        observed_ratio("observed, 300 small", SMALL, bar=3),
        observed_ratio("observed, one of 10M", [(10_000_000,)], bar=4),
    ]
    print(table(comparisons))
    print("\n".join(first_steps()))


if __name__ == "__main__":
    main()
