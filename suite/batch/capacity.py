"""How many jobs may run at once, and what each may take. Imports neither torch nor Ray."""

import math
import os
from dataclasses import dataclass
from typing import Literal

from workload import resources
from workload.errors import UserError
from workload.resources import FreeMemory
from workload.wording import amount, counted


@dataclass(frozen=True)
class Demand:
    """What a user wants of the machines; None leaves it to them.

    Attributes:
        jobs: most jobs at once.
        cpus: processor cores per job.
        gpus: GPUs per job, also a fraction of one; 0 trains on the CPU.
    """

    jobs: int | None = None
    cpus: int | None = None
    gpus: float | None = None


@dataclass(frozen=True)
class Capacity:
    """What there is: `jobs` at once, each with `cpus` cores, `gpus` GPUs and `memory`."""

    jobs: int
    cpus: int
    gpus: float
    memory: FreeMemory

    @property
    def device(self) -> Literal["cpu", "cuda"]:
        return "cuda" if self.gpus else "cpu"

    def __str__(self) -> str:
        gpu = (
            f"{counted(self.gpus, 'GPU')} with {amount(self.memory.gpu)}" if self.gpus else "no GPU"
        )
        return (
            f"{counted(self.jobs, 'job')} at once, each with {counted(self.cpus, 'core')}, "
            f"{amount(self.memory.host)} of memory, {gpu}"
        )


@dataclass(frozen=True)
class Node:
    """A machine: free memory in bytes, cores, and the total memory of every GPU."""

    memory: int
    cores: int
    gpus: tuple[int, ...]


def this_machine() -> Node:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return Node(resources.free_memory(), cores or 1, _visible(resources.gpu_memories()))


def _visible(gpus: list[int]) -> tuple[int, ...]:
    """Those of the GPUs' memories that CUDA_VISIBLE_DEVICES leaves to this process, as Ray and
    torch read it: by number, or by a name, of which the size is not known."""
    names = os.environ.get("CUDA_VISIBLE_DEVICES")
    if names is None or not gpus:
        return tuple(gpus)
    numbered = {str(number): memory for number, memory in enumerate(gpus)}
    named = [name.strip() for name in names.split(",")]
    return tuple(
        numbered.get(name, min(gpus))
        for name in named
        if name in numbered or name.startswith(("GPU-", "MIG-"))
    )


def capacity(demand: Demand, nodes: list[Node], per_node: int | None = None) -> Capacity:
    """What the nodes can do at once.

    With GPUs a job takes one and its share of the cores, without it takes one core, where the
    demand does not say otherwise. Memory is shared evenly by the jobs of a node; the smallest
    share counts. `per_node` is the most jobs that a node may have.

    Raises:
        UserError: a value below its least, or no node has what a job needs.
    """
    for name, value in (("jobs", demand.jobs), ("cpus-per-job", demand.cpus)):
        if value is not None and value < 1:
            raise UserError(f"--{name}: {value} is below 1")
    if demand.gpus is not None and not 0 <= demand.gpus < math.inf:
        raise UserError(f"--gpus-per-job: {demand.gpus:g} is no number of GPUs")
    gpus = demand.gpus
    if gpus is None:
        gpus = 1.0 if any(node.gpus for node in nodes) else 0.0
    if gpus > 1 and gpus != int(gpus):
        raise UserError(f"--gpus-per-job: {gpus:g} is neither a fraction of 1 nor a whole number")
    counts = [_jobs_on(node, gpus, demand.cpus or 1) for node in nodes]
    if not any(counts):
        most_gpus, most_cores = (max(sizes) for sizes in _sizes(nodes))
        raise UserError(
            f"a job takes {counted(gpus, 'GPU')} and {counted(demand.cpus or 1, 'core')}, but no "
            f"machine has more than {counted(most_gpus, 'GPU')} and "
            f"{counted(most_cores, 'core')}; choose --gpus-per-job and --cpus-per-job"
        )
    if demand.jobs and len(nodes) == 1 and not gpus:  # more jobs than cores: as the user wants
        counts = [demand.jobs]
    counts = [min(count, per_node or count) for count in counts]
    jobs = min(sum(counts), demand.jobs or sum(counts))
    used = [(node, min(count, jobs)) for node, count in zip(nodes, counts, strict=True) if count]
    share = min(max(1, node.cores // count) for node, count in used)
    return Capacity(
        jobs=jobs,
        cpus=demand.cpus or (share if gpus else 1),
        gpus=gpus,
        memory=FreeMemory(
            host=min(node.memory // count for node, count in used),
            gpu=int(min((min(node.gpus) for node, _ in used), default=0) * min(gpus, 1))
            if gpus
            else 0,
        ),
    )


def _jobs_on(node: Node, gpus: float, cpus: int) -> int:
    by_cores = node.cores // cpus
    if not gpus:
        return by_cores
    by_gpus = len(node.gpus) * int(1 / gpus) if gpus <= 1 else int(len(node.gpus) // gpus)
    return min(by_cores, by_gpus)


def _sizes(nodes: list[Node]) -> tuple[list[int], list[int]]:
    return [len(node.gpus) for node in nodes], [node.cores for node in nodes]
