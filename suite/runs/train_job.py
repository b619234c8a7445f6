"""Train the members of a job, each in its own run directory: what `run` and `batch` share."""

import logging
import sys
import traceback
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path

from suite.registry import AnyWorkload, load
from suite.runs import heartbeat, mirror
from suite.runs.directory import Run
from suite.runs.display import ShowProgress
from suite.runs.final import write_final
from suite.runs.job import Job
from suite.runs.log import EVALUATIONS, METRICS, RunLogFiles
from suite.runs.session import now, recorded_session
from suite.runs.stop import StopRequest
from workload import resources
from workload.errors import CheckpointError, UserError, full_disk_explained, out_of_space
from workload.files import write_json
from workload.member import Outcome
from workload.output import say
from workload.progress import Progress
from workload.recipe import MachineBase

FILES_OF_A_RUN = 5
"""Those of its log, and its lock."""
Lock = Callable[[Sequence[Run]], AbstractContextManager[Sequence[Run]]]
Display = Callable[[str], AbstractContextManager[ShowProgress]]


def train_job(
    job: Job,
    waiting: Sequence[Run],
    argv: list[str],
    stop: StopRequest,
    *,
    lock: Lock,
    display: Display,
) -> int:
    """Train what is not finished; returns the exit code.

    Runs that exist are locked, examined and trained before directories of new ones are made: what
    is wrong with them leaves nothing half made.

    Args:
        job: what is trained, and how.
        waiting: those of its runs that are to be trained.
        argv: the command, for the record.
        stop: asked while training.
        lock: takes the runs' locks; those that it gives are trained.
        display: gives, for a title, the callback that shows progress.

    Returns:
        0, 1 after a failure, which is recorded, or the code of the signal that stopped it.

    Raises:
        UserError: the machine cannot train these runs, a checkpoint is damaged, or the disk is
            full, which is no failure of the runs.
    """
    # Compiling the optimizer warns where CUDA is installed and no GPU is: no news, doctor says it.
    logging.getLogger("torch.utils.cpp_extension").setLevel(logging.ERROR)
    workload = load(job.workload)
    mirror.check(job.machine.logger)
    existing = [run for run in waiting if run.path.is_dir()]
    new = [run for run in waiting if run not in existing]
    with full_disk_explained(job.folder), lock(existing) as locked:
        if not (locked or new):
            return 0
        workload.check(job.recipe, job.machine, [run.path for run in (*locked, *new)])
        say(workload.memory_summary(job.recipe, len(locked) + len(new)))
        workload.prepare_data(job.recipe, job.machine)
        code = _train_populations(job, _in_order(waiting, locked), argv, stop, display)
        if code == 0 and new:
            with lock(new) as locked_new:
                runs = _in_order(waiting, locked_new)
                code = _train_populations(job, runs, argv, stop, display)
    return code


def _in_order(waiting: Sequence[Run], locked: Sequence[Run]) -> list[Run]:
    """The locked ones in the order of those that wait."""
    return [run for run in waiting if run in locked]


def _train_populations(
    job: Job, runs: Sequence[Run], argv: list[str], stop: StopRequest, display: Display
) -> int:
    populations = deque(_populations(job, runs))
    while populations:
        population = populations.popleft()
        if stop():
            return stop.exit_code
        try:
            code = _train_population(job, population, argv, stop, display)
        except CheckpointError as error:
            damaged = [run for run in population if run.path in error.path.parents]
            if len(population) == 1 or not damaged:
                raise
            # alone, after all others: there may be a way on for it
            populations.appendleft([run for run in population if run not in damaged])
            populations.extend([run] for run in damaged)
            continue
        if code:
            return code
    return 0


def _populations(job: Job, runs: Sequence[Run]) -> list[list[Run]]:
    """Members that stand at the same point of training train together, in the order given.

    Those of a workload that trains one after the other are populations of one: each is recorded as
    soon as it has ended.
    """
    workload = load(job.workload)
    populations: dict[object, list[Run]] = {}
    starts: set[Path] = set()
    for run in runs:
        if run.done():  # by another process, before this one had the lock
            continue
        position = workload.checkpoint_position(run.path)
        _check_length(workload, run, position)
        key = position if workload.TRAINS_POPULATION else run.path
        populations.setdefault(key, []).append(run)
        if position is None:
            starts.add(run.path)
    for population in populations.values():
        for run in population:
            say(f"{run.path} {_beginning(workload, run, starts=run.path in starts)}")
    return list(populations.values())


def _beginning(workload: AnyWorkload, run: Run, *, starts: bool) -> str:
    if starts and run.shorter:
        return (
            f"starts anew: {run.shorter} has fewer {workload.LENGTH_KEY} and has kept nothing to "
            "go on from"
        )
    if run.ended_short():
        return f"goes on from {workload.LENGTH_KEY} {run.length_on_disk()}"
    return "starts" if starts else "resumes"


def _check_length(workload: AnyWorkload, run: Run, position: tuple[int, ...] | None) -> None:
    """Raise UserError where a run is past the length that is asked for, or was left by another
    process with nothing to go on from."""
    length = workload.LENGTH_KEY
    if run.cannot_go_on():
        raise UserError(
            f"{run.path} has ended meanwhile, with {length} {run.length_on_disk()}; give "
            "the same command again"
        )
    begun = workload.epochs_begun(position) if position else 0
    if begun > run.config["recipe"][length]:
        raise UserError(
            f"{length}: {run.path} stands in {workload.EPOCH_KEY} {begun} already; choose "
            f"--{length} {begun} or more"
        )


def _train_population(
    job: Job, runs: Sequence[Run], argv: list[str], stop: StopRequest, display: Display
) -> int:
    """Train runs together; returns the exit code. UserError for a damaged checkpoint, or where a
    run was taken away meanwhile."""
    workload = load(job.workload)
    failed = False
    with recorded_session(runs, argv, job.machine):
        try:
            for run, outcome in zip(runs, _outcomes(job, runs, stop, display), strict=True):
                if run.has_config():
                    _record_outcome(workload, run, outcome, job.machine)
        except (KeyboardInterrupt, SystemExit):
            pass  # a second Ctrl-C; Lightning turns it into SystemExit
        except Exception as error:
            if stop.at_once:
                return stop.exit_code
            if isinstance(error, UserError) or out_of_space(error):
                raise
            record_failure([run for run in runs if run.has_config()], error)
            failed = True
        for run in runs:
            run.check_exists()
    if failed:
        return 1
    return 0 if all(run.done() for run in runs) else stop.exit_code


def _outcomes(
    job: Job, runs: Sequence[Run], stop: StopRequest, display: Display
) -> Sequence[Outcome]:
    workload = load(job.workload)
    resources.allow_open_files(FILES_OF_A_RUN * len(runs))
    with ExitStack() as stack:
        beat = stack.enter_context(heartbeat.beating(runs))
        show = stack.enter_context(display(workload.task(job.recipe)))

        def progress(state: Progress) -> None:
            beat(state)
            show(state)

        return workload.train(
            job.recipe,
            [run.member for run in runs],
            [stack.enter_context(_log(job, run)) for run in runs],
            job.machine,
            progress=progress,
            stop=stop,
        )


def _log(job: Job, run: Run) -> RunLogFiles:
    workload, machine = load(job.workload), job.machine
    kinds = workload.STEP_KEY, workload.EPOCH_KEY, workload.ROW_FILES
    return RunLogFiles(
        *(run.path, *kinds),
        every_key=machine.tensorboard == "all",
        mirror=mirror.mirror_of(machine.logger, run, job.folder),
    )


def _record_outcome(
    workload: AnyWorkload, run: Run, outcome: Outcome, machine: MachineBase
) -> None:
    if outcome.status == "interrupted":
        return
    record = {"status": outcome.status, "end": now(), "figures": dict(outcome.figures)}
    write_final(run.path, record, (METRICS, EVALUATIONS, *workload.ROW_FILES))
    workload.clean_up(run.path, machine, finished=outcome.status == "finished")


def record_failure(runs: Sequence[Run], error: BaseException) -> None:
    """Write `failed.json` of every run that is not done, and say where on stderr."""
    unfinished = [run for run in runs if run.done() is None]
    summary = " ".join(f"{type(error).__name__}: {error}".split())
    for run in unfinished:
        record = {
            "error": summary,
            "traceback": "".join(traceback.format_exception(error)).splitlines(),
            "time": now(),
        }
        write_json(run.path / "failed.json", record)
    print(f"wdbench: failed: {summary}", file=sys.stderr)
    if unfinished:
        print(f"The traceback is in {unfinished[0].path / 'failed.json'}", file=sys.stderr)
