"""Train the members of a job, each in its own run directory: what `run` and `batch` share."""

import logging
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from suite import heartbeat, provenance
from suite.progress import Show
from suite.registry import Workload, load
from suite.run_directory import Run
from suite.run_log import RunLog
from suite.stop import StopRequest
from workload.errors import UserError, full_disk_explained, out_of_space
from workload.files import read_json, write_json
from workload.member import Member, Outcome
from workload.output import say
from workload.progress import Progress
from workload.recipe import MachineBase, OptimizerRecipe

Pair = tuple[Member, Run]
Hold = Callable[[Sequence[Run]], AbstractContextManager[Sequence[Run]]]
Display = Callable[[str], AbstractContextManager[Show]]


@dataclass(frozen=True)
class Job:
    """Members that one process trains with one recipe. It travels to other processes.

    Attributes:
        workload: name of the workload.
        recipe, machine: the workload's.
        members: every one has a run of its own.
        runs: folder of all runs.
        from_previous_checkpoint: resume from the checkpoint before the newest.
    """

    workload: str
    recipe: OptimizerRecipe
    machine: MachineBase
    members: tuple[Member, ...]
    runs: Path
    from_previous_checkpoint: bool = False

    def pairs(self) -> list[Pair]:
        """Every member with its run directory, which is looked for once."""
        return list(self._pairs)

    @cached_property
    def _pairs(self) -> tuple[Pair, ...]:
        workload = load(self.workload)
        return tuple((m, Run.of(workload, self.recipe, m, self.runs)) for m in self.members)

    def of(self, pairs: Sequence[Pair]) -> "Job":
        """The same of these members alone."""
        return replace(self, members=tuple(member for member, _ in pairs))


def train(
    job: Job,
    waiting: Sequence[Pair],
    argv: list[str],
    stop: StopRequest,
    *,
    hold: Hold,
    display: Display,
) -> int:
    """Train what is not finished; returns the exit code.

    Runs that exist are held, examined and trained before directories of new ones are made: what
    is wrong with them leaves nothing half made.

    Args:
        job: what is trained, and how.
        waiting: those of its pairs that are to be trained.
        argv: the command, for the record.
        stop: asked while training.
        hold: takes the runs' locks; those that it gives are trained.
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
    existing = [run for _, run in waiting if run.path.is_dir()]
    new = [run for _, run in waiting if run not in existing]
    if new and not existing and job.from_previous_checkpoint:
        raise UserError(f"{new[0].path} does not exist: there is no checkpoint to go back to")
    with full_disk_explained(job.runs), hold(existing) as held:
        if not (held or new):
            return 0
        workload.check(job.recipe, job.machine, [run.path for run in (*held, *new)])
        say(workload.memory_summary(job.recipe, len(held) + len(new)))
        workload.prepare_data(job.recipe, job.machine)
        code = _train_groups(job, _among(waiting, held), argv, stop, display)
        if code == 0 and new:
            with hold(new) as held_new:
                code = _train_groups(job, _among(waiting, held_new), argv, stop, display)
    return code


def _among(pairs: Sequence[Pair], runs: Sequence[Run]) -> list[Pair]:
    return [pair for pair in pairs if pair[1] in runs]


def _train_groups(
    job: Job, waiting: list[Pair], argv: list[str], stop: StopRequest, display: Display
) -> int:
    for group in _equal_positions(job, waiting):
        code = stop.exit_code if stop() else _train_group(job, group, argv, stop, display)
        if code:
            return code
    return 0


def _equal_positions(job: Job, waiting: list[Pair]) -> list[list[Pair]]:
    """Members that stand at the same point of training train together, in the order given.

    Those of a workload that trains one after the other are groups of one: each is recorded as
    soon as it is through.
    """
    workload = load(job.workload)
    groups: dict[object, list[Pair]] = {}
    starts: set[Path] = set()
    for member, run in waiting:
        if run.done():  # by another process, before this one had the lock
            continue
        position = workload.checkpoint_position(run.path, previous=job.from_previous_checkpoint)
        _check_length(workload, run, position)
        key = position if workload.TOGETHER else run.path
        groups.setdefault(key, []).append((member, run))
        if position is None:
            starts.add(run.path)
    for group in groups.values():
        for _, run in group:
            say(f"{run.path} {_beginning(workload, run, starts=run.path in starts)}")
    return list(groups.values())


def _beginning(workload: Workload, run: Run, *, starts: bool) -> str:
    if starts and run.shorter:
        return (
            f"starts anew: {run.shorter} has fewer {workload.LENGTH} and has kept nothing to go "
            "on from"
        )
    if run.ended_short():
        return f"goes on from {workload.LENGTH} {run.length_on_disk()}"
    return "starts" if starts else "resumes"


def _check_length(workload: Workload, run: Run, position: tuple[int, ...] | None) -> None:
    """Raise UserError where a run is past the length that is asked for, or was left by another
    process with nothing to go on from."""
    if run.spent():
        raise UserError(
            f"{run.path} has ended meanwhile, with {workload.LENGTH} {run.length_on_disk()}; give "
            "the same command again"
        )
    begun = workload.rounds_begun(position) if position else 0
    if begun > run.config["recipe"][workload.LENGTH]:
        raise UserError(
            f"{workload.LENGTH}: {run.path} stands in {workload.ROUND} {begun} already; choose "
            f"--{workload.LENGTH} {begun} or more"
        )


def _train_group(
    job: Job, group: list[Pair], argv: list[str], stop: StopRequest, display: Display
) -> int:
    """Train a population; returns the exit code. UserError for a damaged checkpoint, or where a run
    was taken away meanwhile."""
    runs = [run for _, run in group]
    workload = load(job.workload)
    failed = False
    with _session(runs, argv):
        try:
            for run, outcome in zip(runs, _outcomes(job, group, stop, display), strict=True):
                if run.described():
                    _record_outcome(workload, run, outcome, job.machine)
        except (KeyboardInterrupt, SystemExit):
            pass  # a second Ctrl-C; Lightning turns it into SystemExit
        except Exception as error:
            if stop.at_once:
                return stop.exit_code
            if isinstance(error, UserError) or out_of_space(error):
                raise
            record_failure([run for run in runs if run.described()], error)
            failed = True
        for run in runs:
            run.check_there()
    if failed:
        return 1
    return 0 if all(run.done() for run in runs) else stop.exit_code


def _outcomes(
    job: Job, group: list[Pair], stop: StopRequest, display: Display
) -> Sequence[Outcome]:
    workload = load(job.workload)
    runs = [run for _, run in group]
    with ExitStack() as stack:
        beat = stack.enter_context(heartbeat.beating(runs))
        show = stack.enter_context(display(workload.subject(job.recipe)))

        def progress(state: Progress) -> None:
            beat(state)
            show(state)

        return workload.train(
            job.recipe,
            [member for member, _ in group],
            [stack.enter_context(RunLog(run.path, workload.STEP, workload.ROUND)) for run in runs],
            job.machine,
            progress=progress,
            stop=stop,
            previous=job.from_previous_checkpoint,
        )


def _record_outcome(workload: Workload, run: Run, outcome: Outcome, machine: MachineBase) -> None:
    if outcome.status == "interrupted":
        return
    record = {
        "status": outcome.status,
        "end": provenance.now(),
        "figures": dict(outcome.figures),
    }
    write_json(run.path / "done.json", record)
    workload.clean_up(run.path, machine, finished=outcome.status == "finished")


def record_failure(runs: Sequence[Run], error: BaseException) -> None:
    """Write `failed.json` of every run that is not done, and say where on stderr."""
    unfinished = [run for run in runs if run.done() is None]
    summary = " ".join(f"{type(error).__name__}: {error}".split())
    for run in unfinished:
        record = {
            "error": summary,
            "traceback": "".join(traceback.format_exception(error)).splitlines(),
            "time": provenance.now(),
        }
        write_json(run.path / "failed.json", record)
    print(f"wdbench: failed: {summary}", file=sys.stderr)
    if unfinished:
        print(f"The traceback is in {unfinished[0].path / 'failed.json'}", file=sys.stderr)


@contextmanager
def _session(runs: Sequence[Run], argv: list[str]) -> Iterator[None]:
    """A record in every run's `meta.json` from begin to end, with the error of one that failed."""
    session = provenance.session(argv)
    for run in runs:
        run.take_up()
        (run.path / "failed.json").unlink(missing_ok=True)
        meta = read_json(run.path / "meta.json") or {"sessions": []}
        write_json(run.path / "meta.json", {"sessions": [*meta["sessions"], session]})
    try:
        yield
    finally:
        for run in runs:
            if not run.path.is_dir():
                continue  # taken away while it was trained, as another error says
            meta = read_json(run.path / "meta.json") or {"sessions": [session]}
            ended = session | {"end": provenance.now(), "status": run.status()}
            if failure := run.failure():
                ended["error"] = failure
            write_json(run.path / "meta.json", {"sessions": [*meta["sessions"][:-1], ended]})
