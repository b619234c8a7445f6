"""Side-by-side timing: CPU time of one thread, the two sides interleaved, medians."""

import os
import platform
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch

SAMPLE_SECONDS = 0.05


@dataclass(frozen=True)
class Comparison:
    """CPU seconds per call of ours and of the reference, and the bar on their ratio.

    `at_most` bars the time ratio ours/reference, `at_least` the speed ratio reference/ours.
    """

    name: str
    ours: float
    reference: float
    at_most: float | None = None
    at_least: float | None = None

    @property
    def ratio(self) -> float:
        return self.ours / self.reference if self.at_least is None else self.reference / self.ours

    @property
    def bar(self) -> str:
        if self.at_least is not None:
            return f">= {self.at_least}"
        return "" if self.at_most is None else f"<= {self.at_most}"

    @property
    def verdict(self) -> str:
        if self.at_least is not None:
            return "met" if self.ratio >= self.at_least else "MISSED"
        if self.at_most is not None:
            return "met" if self.ratio <= self.at_most else "MISSED"
        return ""


def compare(
    name: str,
    ours: Callable[[], object],
    reference: Callable[[], object],
    *,
    at_most: float | None = None,
    at_least: float | None = None,
    rounds: int = 25,
    sample_seconds: float = SAMPLE_SECONDS,
) -> Comparison:
    """Time both sides alternately, `rounds` samples each, after one untimed call of each.

    A sample repeats its call until it lasts `sample_seconds`; with 0 the sides alternate call by
    call, and each finds the caches as the other left them.
    """
    torch.set_num_threads(1)
    ours()
    reference()
    calls_ours, calls_reference = (
        _calls_per_sample(call, sample_seconds) for call in (ours, reference)
    )
    samples_ours, samples_reference = [], []
    for _ in range(rounds):
        samples_ours.append(_cpu_seconds(ours, calls_ours))
        samples_reference.append(_cpu_seconds(reference, calls_reference))
    return Comparison(
        name,
        statistics.median(samples_ours),
        statistics.median(samples_reference),
        at_most,
        at_least,
    )


def gpu_seconds(call: Callable[[], object], rounds: int) -> float:
    """Median wall time of a call with the GPU's work done, after three calls to warm up."""
    samples = []
    for _ in range(rounds + 3):
        torch.cuda.synchronize()
        start = time.perf_counter()
        call()
        torch.cuda.synchronize()
        samples.append(time.perf_counter() - start)
    return statistics.median(samples[3:])


def kernels(call: Callable[[], object], times: int = 10, most: int = 14) -> str:
    """What a GPU does in a call: the kernels that take longest, a line each, and all together."""
    call()
    torch.cuda.synchronize()
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CUDA]) as found:
        for _ in range(times):
            call()
        torch.cuda.synchronize()
    rows = [
        (each.device_time_total / times, each.count / times, each.key)
        for each in found.key_averages()
    ]
    rows = sorted((row for row in rows if row[0]), reverse=True)
    lines = ["| kernel | launches | us |", "|---|---|---|"]
    for microseconds, count, name in rows[:most]:
        lines.append(f"| {name[:90].replace('|', '/')} | {count:g} | {microseconds:.1f} |")
    microseconds, count = (sum(row[i] for row in rows) for i in range(2))
    return "\n".join([*lines, f"| all | {count:g} | {microseconds:.1f} |"])


def seconds(call: Callable[[], object]) -> float:
    """CPU seconds of a call, of this process and of those that it has started and awaited."""
    begin = os.times()
    call()
    end = os.times()
    return sum(end[:4]) - sum(begin[:4])


def table(comparisons: Sequence[Comparison]) -> str:
    """One line per comparison: milliseconds of both sides, ratio, bar, verdict."""
    width = max(len(comparison.name) for comparison in comparisons)
    lines = [
        f"{'what':<{width}}  {'ours ms':>10}  {'reference ms':>12}  {'ratio':>6}  {'bar':>8}",
        *(
            f"{c.name:<{width}}  {c.ours * 1e3:>10.4f}  {c.reference * 1e3:>12.4f}  "
            f"{c.ratio:>6.2f}  {c.bar:>8}  {c.verdict}".rstrip()
            for c in comparisons
        ),
    ]
    return "\n".join(lines)


def hardware() -> str:
    """The line that belongs above a table: processor, threads, torch."""
    return (
        f"{platform.machine()}, {os.cpu_count()} cores, {torch.get_num_threads()} thread, "
        f"{torch.backends.cpu.get_cpu_capability()}, torch {torch.__version__}"
    )


def _calls_per_sample(call: Callable[[], object], sample_seconds: float) -> int:
    calls = 1
    while (seconds := _cpu_seconds(call, calls) * calls) < sample_seconds:
        calls = max(2 * calls, int(calls * sample_seconds / max(seconds, 1e-9)))
    return calls


def _cpu_seconds(call: Callable[[], object], calls: int) -> float:
    start = time.process_time()
    for _ in range(calls):
        call()
    return (time.process_time() - start) / calls
