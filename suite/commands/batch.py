"""`wdbench batch FILE`: train a grid of runs, several at once."""

import argparse
import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

from suite.batch import disk, overview, ray_pool
from suite.batch.capacity import Capacity, Demand, this_machine
from suite.batch.driver import Driver, Retries
from suite.batch.dry_run import describe_batch
from suite.batch.grid_display import display_grid
from suite.batch.grid_file import Grid, GridRun, read_grid
from suite.batch.order import Order
from suite.batch.packing import fitting_capacity, pack
from suite.batch.pool import InProcess, Pool
from suite.batch.ray_pool import RayPool
from suite.batch.states import RunState, state_of
from suite.commands.arguments import Parser, add_runs_flag
from suite.registry import load
from suite.runs import mirror
from suite.runs.job import Job
from suite.runs.stop import stop_on_signals
from workload import resources
from workload.errors import UserError, full_disk_explained
from workload.output import say
from workload.wording import counted


def main(argv: list[str], prog: str) -> int:
    options = _parser(prog).parse_args(argv)
    grid = read_grid(options.grid, options.runs, _machine(options))
    order = Order.of(grid.runs, options.runs)
    states = [state_of(run) for run in grid.runs]
    waiting = _waiting(grid, states, retry_failed=options.retry_failed)
    if options.dry_run:
        cluster = ray_pool.connect(options.address) if options.address else None
        capacity = _capacity(cluster, options, waiting)
        stages = [pack(stage, capacity, options.runs) for stage in order.stages(waiting)]
        where = f"the cluster at {options.address}" if options.address else "this machine"
        print(
            describe_batch(*(grid, states, waiting, stages, capacity, where, order), options.runs)
        )
        return 0
    order.check()
    if not resources.writable(options.runs):
        raise UserError(f"runs: {options.runs} is no directory that can be written to")
    argv = [*sys.argv[:1], "batch", *argv]
    refused: dict[Path, str] = {}
    code = _train(grid, waiting, order, options, argv, refused) if waiting else 0
    return _conclude(grid, order, code, refused)


def _capacity(
    cluster: ray_pool.Cluster | None, options: argparse.Namespace, waiting: Sequence[GridRun]
) -> Capacity:
    nodes = cluster.nodes if cluster else [this_machine()]
    return fitting_capacity(_demand(options, waiting), nodes, waiting)


def _demand(options: argparse.Namespace, waiting: Sequence[GridRun]) -> Demand:
    threads = max((run.machine.threads for run in waiting), default=1)
    cpus = options.cpus_per_job or (threads if threads > 1 else None)
    if not waiting or any(run.machine.device != "cpu" for run in waiting):
        return Demand(options.jobs, cpus, options.gpus_per_job)
    if options.gpus_per_job:
        raise UserError(f"--gpus-per-job: {options.gpus_per_job:g} has no use with --device cpu")
    return Demand(options.jobs, cpus, 0.0)


def _machine(options: argparse.Namespace) -> dict[str, str]:
    return {"device": options.device} if options.device else {}


def _parser(prog: str) -> argparse.ArgumentParser:
    parser = Parser(
        prog,
        "Train a grid of runs; what is finished is not trained again.",
        examples=(
            "wdbench batch configs/grids/table1-small.yaml --dry-run",
            "wdbench batch mine.yaml --jobs 1",
        ),
    )
    parser.add_argument(
        "grid", type=Path, metavar="FILE", help="grid, e.g. configs/grids/table1.yaml"
    )
    add_runs_flag(parser)
    parser.add_argument(
        "--dry-run", action="store_true", help="say what would run, and what it takes; run nothing"
    )
    parser.add_argument(
        "--retry-failed", action="store_true", help="train runs that failed once more"
    )
    where = parser.add_argument_group("where jobs run")
    where.add_argument(
        "--jobs", type=int, metavar="N", help="jobs at once; 1 needs no Ray; what fits by default"
    )
    where.add_argument(
        "--address", metavar="HOST:PORT", help="of a Ray cluster, or auto; embedded by default"
    )
    where.add_argument("--device", choices=("cpu", "cuda"), help="where to train; a GPU if any")
    where.add_argument(
        "--cpus-per-job", type=int, metavar="N", help="cores of a job; its threads by default"
    )
    where.add_argument(
        "--gpus-per-job", type=float, metavar="X", help="GPUs of a job, e.g. 0.25; 1 by default"
    )
    again = parser.add_argument_group("what is tried again")
    again.add_argument(
        "--retries", type=int, default=3, metavar="N", help="attempts after lost workers; default 3"
    )
    again.add_argument(
        "--retry-on",
        nargs="*",
        default=[],
        metavar="ERROR",
        help="also after failures of these types, e.g. OutOfMemoryError",
    )
    return parser


def _waiting(grid: Grid, states: Sequence[RunState], *, retry_failed: bool) -> list[GridRun]:
    statuses = {"waiting", "running"} | ({"failed"} if retry_failed else set())
    return [run for run, state in zip(grid.runs, states, strict=True) if state.status in statuses]


def _train(
    grid: Grid,
    waiting: Sequence[GridRun],
    order: Order,
    options: argparse.Namespace,
    argv: list[str],
    refused: dict[Path, str],
) -> int:
    """Train what waits; returns the exit code. Failures that no directory holds go to `refused`."""
    with full_disk_explained(options.runs), ExitStack() as stack:
        stop = stack.enter_context(stop_on_signals())
        cluster = ray_pool.connect(options.address) if options.address else None
        capacity = _capacity(cluster, options, waiting)
        stages = [pack(stage, capacity, options.runs) for stage in order.stages(waiting)]
        jobs = [job for stage in stages for job in stage]
        _check_devices(jobs, capacity)
        if cluster is None:  # elsewhere the worker looks at its own machine
            for job in jobs:
                paths = [run.path for run in job.runs]
                load(job.workload).check(job.recipe, job.machine, paths)
                mirror.check(job.machine.logger)
        disk.check(jobs, capacity.jobs, options.runs)
        for job in jobs:
            load(job.workload).prepare_data(job.recipe, job.machine)
        tick = stack.enter_context(display_grid(grid, capacity.jobs))
        workers: Pool
        if cluster is None and capacity.jobs == 1:
            workers = InProcess(argv, stop, tick)
        else:
            workers = RayPool(cluster or ray_pool.embedded(capacity), capacity, argv)
        stack.callback(workers.close)
        retries = Retries(options.retries, tuple(options.retry_on))
        for stage in stages:
            driver = Driver(workers, capacity.jobs, retries, stop, tick)
            try:
                code = driver.train(_ready(stage, order))
            except ray_pool.ClusterLostError as error:
                say(str(error))
                code = error.exit_code
            refused |= driver.refused
            if code:
                return code
        return 0


def _ready(jobs: Sequence[Job], order: Order) -> list[Job]:
    """The jobs with those of their runs whose references have finished; tells of the others."""
    ready = []
    for job in jobs:
        waits = {run.path: order.waits_for(run.path) for run in job.runs}
        for path, reference in waits.items():
            if reference is not None:
                how = "has diverged" if order.diverged(path) == reference else "has not finished"
                say(f"{path} is left: {reference.path}, which it reads, {how}")
        if free := [run for run in job.runs if waits[run.path] is None]:
            ready.append(job if len(free) == len(job.runs) else job.of(free))
    return ready


def _check_devices(jobs: Sequence[Job], capacity: Capacity) -> None:
    """Raise UserError where a run is to train on more devices than a job is given."""
    flag, kind, offered = "cpus", "core", float(capacity.cpus)
    if capacity.gpus:
        flag, kind, offered = "gpus", "GPU", capacity.gpus
    for job in jobs:
        devices = job.machine.processes
        if devices > max(offered, 1):
            raise UserError(
                f"devices: {devices} processes of a run need {devices} {kind}s, but a job has "
                f"{counted(offered, kind)}; give --{flag}-per-job {devices}"
            )


def _conclude(grid: Grid, order: Order, code: int, refused: Mapping[Path, str]) -> int:
    """Print how the grid stands; returns the exit code."""
    states = [
        RunState("failed", error=refused[run.run.path])
        if run.run.path in refused
        else state_of(run)
        for run in grid.runs
    ]
    pairs = list(zip(grid.runs, states, strict=True))
    for run, state in pairs:
        if state.status in ("done", "diverged"):
            finished = state.status == "done"  # a kill may have come between the two
            run.workload.clean_up(run.run.path, run.machine, finished=finished)
    say(overview.describe_grid(grid, states))
    if code:
        say("Stopped. The same command goes on where the last checkpoints stand.")
        return code
    failed = any(state.status == "failed" for state in states)
    hopeless = order.describe_hopeless([run for run, state in pairs if state.status == "waiting"])
    for text in hopeless:
        say(text)
    if failed:
        say("The same command with --retry-failed trains them once more.")
    if failed or hopeless:
        return 1
    if any(state.status in ("running", "waiting") for state in states):
        say("Other processes train the rest; `wdbench status` with the same grid shows how far.")
    return 0
