"""What the jobs of a batch take on the disk of its runs. Imports no torch."""

from collections.abc import Sequence
from pathlib import Path

from suite.registry import load
from suite.runs.job import Job
from workload import resources
from workload.errors import FullDiskError
from workload.wording import amount, counted


def at_once(jobs: Sequence[Job], most: int) -> int:
    """Bytes of the largest jobs, as many as train beside each other."""
    return sum(sorted(map(_of, jobs), reverse=True)[:most])


def describe(jobs: Sequence[Job], most: int, folder: Path) -> list[str]:
    """A line: what trains at once, what all would take that kept everything, what is free."""
    whole = sum(map(_of, jobs))
    if not whole:
        return []
    beside = min(most, len(jobs))
    return [
        f"disk: up to {amount(at_once(jobs, most))} for {counted(beside, 'job')} at once, "
        f"{amount(whole)} if every run kept what it needs while it trains, "
        f"{amount(resources.free_disk(folder))} free"
    ]


def check(jobs: Sequence[Job], most: int, folder: Path) -> None:
    """Raise FullDiskError where the jobs that train beside each other need more than is free, what
    their runs have taken already included."""
    need = at_once(jobs, most)
    free = resources.free_disk(folder)
    taken = sum(resources.used_disk(run.path) for job in jobs for run in job.runs)
    if need > free + taken:
        raise FullDiskError(
            f"runs: {counted(min(most, len(jobs)), 'job')} at once take up to {amount(need)} on "
            f"the disk of {folder}, {amount(free + taken)} are free; choose another --runs or "
            "fewer --jobs"
        )


def _of(job: Job) -> int:
    return len(job.members) * load(job.workload).disk(job.recipe, job.machine)
