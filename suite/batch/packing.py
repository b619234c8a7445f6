"""Runs as jobs: those that can train as one population are put together. Imports no torch.

How runs are packed changes neither their identity nor, on a CPU, a bit of their result.
"""

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from suite.batch.capacity import Capacity, Demand, Node, capacity
from suite.batch.grid_file import GridRun
from suite.runs.job import Job
from workload.checkpoint_files import CheckpointFiles
from workload.errors import CheckpointError
from workload.recipe import MachineBase


def fitting_capacity(demand: Demand, nodes: list[Node], waiting: Sequence[GridRun]) -> Capacity:
    """What the nodes can do at once, with no more jobs on a node than fit with a run each.

    Where not even one job fits, the check before training says so.
    """
    found = capacity(demand, nodes)
    per_node = found.jobs
    for run in {(run.workload.NAME, run.recipe): run for run in waiting}.values():
        while per_node > 1 and not run.workload.max_population(run.recipe, found.memory):
            per_node -= 1
            found = capacity(demand, nodes, per_node)
    return found


def pack(waiting: Sequence[GridRun], capacity: Capacity, folder: Path) -> list[Job]:
    """Jobs of runs that differ in their member alone and stand at the same point of training.

    A population is as large as the memory of one job allows, but no larger than leaves work for
    all jobs at once, and those of one recipe are of even size.

    Args:
        waiting: runs to be trained.
        capacity: how many jobs run at once, and the memory of each.
        folder: of all runs.
    """
    groups: dict[object, list[GridRun]] = {}
    for run in waiting:
        single = None if run.workload.TRAINS_POPULATION else run.run.path
        key = (run.workload.NAME, run.recipe, run.machine, _position(run.run.path), single)
        groups.setdefault(key, []).append(run)
    fair_share = math.ceil(len(waiting) / capacity.jobs)
    jobs = []
    for group in groups.values():
        first = group[0]
        fits = first.workload.max_population(first.recipe, capacity.memory)
        populations = math.ceil(len(group) / max(1, min(fits, fair_share)))
        size = math.ceil(len(group) / populations)
        for start in range(0, len(group), size):
            part = group[start : start + size]
            members = tuple(run.member for run in part)
            machine = _machine(first.machine, capacity)
            jobs.append(Job(first.workload.NAME, first.recipe, machine, members, folder))
    return jobs


def _machine(machine: MachineBase, capacity: Capacity) -> MachineBase:
    """The grid's machine with the device of this batch's jobs where it leaves that open."""
    device = capacity.device if machine.device == "auto" else machine.device
    return replace(machine, device=device)


def split_job(job: Job) -> list[Job]:
    """The same work as jobs of one member each."""
    return [job.of([run]) for run in job.runs]


def _position(run: Path) -> object:
    """The position of a run's checkpoint; of one that cannot be read, a value of its own."""
    try:
        entry = CheckpointFiles(run).entry()
    except CheckpointError:
        return run
    return tuple(entry["position"]) if entry else None
