"""What a batch would do: runs, populations, memory, time. Imports no torch."""

from collections.abc import Sequence
from pathlib import Path

from suite.batch import disk, overview
from suite.batch.capacity import Capacity
from suite.batch.grid_file import Grid, GridRun
from suite.batch.order import Order
from suite.batch.states import RunState
from suite.registry import load
from suite.runs.job import Job
from workload.output import aligned
from workload.wording import counted, duration


def describe_batch(
    grid: Grid,
    states: Sequence[RunState],
    waiting: Sequence[GridRun],
    stages: Sequence[Sequence[Job]],
    capacity: Capacity,
    where: str,
    order: Order,
    folder: Path,
) -> str:
    """What is done already, how the rest is packed, what that takes, what is missing."""
    jobs = [job for stage in stages for job in stage]
    lines = [overview.summary(grid.file.name, states), f"{where}: {capacity}", ""]
    lines += [*_packing(jobs), ""] if jobs else []
    lines += _stages(stages)
    lines += _memory(jobs)
    lines += disk.describe(jobs, capacity.jobs, folder)
    lines += [*_time(waiting, len(jobs), capacity), *_missing_data(jobs)]
    lines += [*order.describe_missing(), *order.describe_hopeless(waiting)]
    return "\n".join([*lines, *overview.failures(grid.runs, states)]).rstrip()


def _packing(jobs: Sequence[Job]) -> list[str]:
    """A line per task: its runs, and in how many jobs of which sizes."""
    sizes: dict[str, list[int]] = {}
    for job in jobs:
        sizes.setdefault(load(job.workload).task(job.recipe), []).append(len(job.members))
    rows = [["", "runs", "jobs", "members of a job"]]
    for name, members in sizes.items():
        least, most = min(members), max(members)
        span = str(most) if least == most else f"{least} to {most}"
        rows.append([name, str(sum(members)), str(len(members)), span])
    return aligned(rows, left=1)


def _stages(stages: Sequence[Sequence[Job]]) -> list[str]:
    """That runs come after those that they read, where there are such."""
    later = sum(len(job.members) for stage in stages[1:] for job in stage)
    return [f"after the others, whose results they read: {counted(later, 'run')}"] if later else []


def _memory(jobs: Sequence[Job]) -> list[str]:
    """Of every workload, the memory of its largest job."""
    of_workload: dict[str, list[Job]] = {}
    for job in jobs:
        of_workload.setdefault(job.workload, []).append(job)
    largest = (max(group, key=lambda job: len(job.members)) for group in of_workload.values())
    return [
        f"the largest job of {job.workload}: "
        + load(job.workload).memory_summary(job.recipe, len(job.members))
        for job in largest
    ]


def _missing_data(jobs: Sequence[Job]) -> list[str]:
    """What has to be there before the batch can begin."""
    found = (load(job.workload).missing_data(job.recipe, job.machine) for job in jobs)
    return list(dict.fromkeys(text for text in found if text))


def _time(waiting: Sequence[GridRun], jobs: int, capacity: Capacity) -> list[str]:
    """From the speed that results/benchmarks has for one core; of GPUs nothing is known there."""
    if not waiting:
        return []
    seconds = [run.workload.core_seconds(run.recipe, run.machine) for run in waiting]
    known = [each for each in seconds if each is not None]
    if not known:
        return ["time: unknown before the data are prepared"]
    unknown = len(seconds) - len(known)
    more = f", and {unknown} runs on data that are not prepared" if unknown else ""
    work = f"roughly {duration(sum(known))} of one core{more}"
    if capacity.gpus:
        return [f"time: {work}; how long on a GPU, the first runs will tell"]
    here = sum(known) / min(jobs, capacity.jobs) / capacity.cpus
    return [f"time: {work}, {duration(here)} here, and seconds of start-up per job"]
