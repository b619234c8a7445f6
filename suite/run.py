"""`wdbench run WORKLOAD`: train members, each in its own run directory."""

import hashlib
import sys
import traceback
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from suite import provenance, resources
from suite.configure import Request, read_request
from suite.errors import UserError
from suite.output import say
from suite.progress import display
from suite.run_directory import Run, locked, read_json, write_json
from suite.run_log import RunLog
from suite.stop import StopRequest, stop_on_signals
from suite.workloads import NAMES, Member, Outcome, Workload, load

Pair = tuple[Member, Run]

USAGE = """\
usage: {prog} {{{names}}} ...

{workloads}

`{prog} rl --help` and `{prog} nlp --help` list the options."""


def main(argv: list[str], prog: str) -> int:
    if not argv or argv[0] in ("-h", "--help"):
        print(USAGE.format(prog=prog, names=",".join(NAMES), workloads=_titles()))
        return 0
    workload = load(argv[0])
    request = read_request(workload, argv[1:], f"{prog} {argv[0]}")
    workload.validate(request.recipe, request.machine)
    runs = [Run.of(workload, request.recipe, m, request.runs) for m in request.members]
    if request.print_config:
        print(described(workload, request, runs), end="")
        return 0
    if not resources.writable(request.runs):
        raise UserError(f"runs: {request.runs} is no directory that can be written to")
    waiting = []
    for member, run in zip(request.members, runs, strict=True):
        if done := run.done():
            say(f"{run.path} is already {done['status']}")
            workload.discard(run.path)  # a kill may have come between the two
        else:
            waiting.append((member, run))
    code = _train_all(workload, request, waiting, [*sys.argv[:1], "run", *argv]) if waiting else 0
    if code == 0:
        _show(runs)
    return code


def _titles() -> str:
    return "\n".join(f"  {name:<5}{load(name).TITLE}" for name in NAMES)


def described(workload: Workload, request: Request, runs: Sequence[Run]) -> str:
    """The resolved configuration as YAML; what it takes and where it goes as comments."""
    comments = [workload.needs(request.recipe, len(runs)), *(f"run: {run.path}" for run in runs)]
    return request.as_yaml() + "".join(f"# {line}\n" for line in comments)


def _train_all(workload: Workload, request: Request, waiting: list[Pair], argv: list[str]) -> int:
    """Train what is not finished; returns the exit code.

    Runs that exist are held, examined and trained before directories of new ones are made: what
    is wrong with them leaves nothing half made.
    """
    existing = [pair for pair in waiting if pair[1].path.is_dir()]
    new = [pair for pair in waiting if pair not in existing]
    with stop_on_signals() as stop, locked([run for _, run in existing]):
        workload.check(request.recipe, request.machine, [run.path for _, run in waiting])
        say(workload.needs(request.recipe, len(waiting)))
        code = _train_groups(workload, request, existing, argv, stop)
        if code == 0 and new:
            with locked([run for _, run in new]):
                code = _train_groups(workload, request, new, argv, stop)
    if code > 1:
        say("Stopped. The same command resumes where the last checkpoint stands.")
    return code


def _train_groups(
    workload: Workload, request: Request, waiting: list[Pair], argv: list[str], stop: StopRequest
) -> int:
    for group in _equal_positions(workload, waiting, request):
        code = stop.exit_code if stop() else _train_group(workload, request, group, argv, stop)
        if code:
            return code
    return 0


def _equal_positions(workload: Workload, waiting: list[Pair], request: Request) -> list[list[Pair]]:
    """Members that stand at the same point of training train together, in the order given.

    Those of a workload that trains one after the other are groups of one: each is recorded as
    soon as it is through.
    """
    groups: dict[object, list[Pair]] = {}
    starts: set[Path] = set()
    for member, run in waiting:
        if run.done():  # by another process, before this one had the lock
            continue
        position = workload.position(run.path, previous=request.from_previous_checkpoint)
        key = position if workload.TOGETHER else run.path
        groups.setdefault(key, []).append((member, run))
        if position is None:
            starts.add(run.path)
    for group in groups.values():
        for _, run in group:
            say(f"{run.path} {'starts' if run.path in starts else 'resumes'}")
    return list(groups.values())


def _train_group(
    workload: Workload, request: Request, group: list[Pair], argv: list[str], stop: StopRequest
) -> int:
    """Train a population; returns the exit code. UserError for a checkpoint that is damaged."""
    runs = [run for _, run in group]
    session = provenance.session(argv)
    for run in runs:
        _begin_session(run, session)
    try:
        for run, outcome in zip(runs, _outcomes(workload, request, group, stop), strict=True):
            _record_outcome(workload, run, outcome)
    except (KeyboardInterrupt, SystemExit):
        pass  # a second Ctrl-C; Lightning turns it into SystemExit
    except Exception as error:
        if stop.at_once:
            return stop.exit_code
        if isinstance(error, UserError):
            raise
        _record_failure(runs, error)
        return 1
    finally:
        for run in runs:
            _end_session(run, session)
    return 0 if all(run.done() for run in runs) else stop.exit_code


def _outcomes(
    workload: Workload, request: Request, group: list[Pair], stop: StopRequest
) -> Sequence[Outcome]:
    with ExitStack() as stack:
        return workload.train(
            request.recipe,
            [member for member, _ in group],
            [
                stack.enter_context(RunLog(run.path, workload.STEP, workload.ROUND))
                for _, run in group
            ],
            request.machine,
            progress=stack.enter_context(display(workload.subject(request.recipe))),
            stop=stop,
            previous=request.from_previous_checkpoint,
        )


def _record_outcome(workload: Workload, run: Run, outcome: Outcome) -> None:
    if outcome.status == "interrupted":
        return
    record = {
        "status": outcome.status,
        "end": provenance.now(),
        "figures": dict(outcome.figures),
    }
    write_json(run.path / "done.json", record)
    workload.discard(run.path)


def _record_failure(runs: Sequence[Run], error: BaseException) -> None:
    unfinished = [run for run in runs if run.done() is None]
    for run in unfinished:
        record = {
            "error": f"{type(error).__name__}: {error}",
            "traceback": "".join(traceback.format_exception(error)).splitlines(),
            "time": provenance.now(),
        }
        write_json(run.path / "failed.json", record)
    where = unfinished[0].path / "failed.json" if unfinished else Path()
    summary = " ".join(f"{type(error).__name__}: {error}".split())
    print(f"wdbench: failed: {summary}\nThe traceback is in {where}", file=sys.stderr)


def _begin_session(run: Run, session: dict[str, Any]) -> None:
    (run.path / "failed.json").unlink(missing_ok=True)
    meta = read_json(run.path / "meta.json") or {"sessions": []}
    write_json(run.path / "meta.json", {"sessions": [*meta["sessions"], session]})


def _end_session(run: Run, session: dict[str, Any]) -> None:
    meta = read_json(run.path / "meta.json") or {"sessions": [session]}
    ended = session | {"end": provenance.now(), "status": run.status()}
    write_json(run.path / "meta.json", {"sessions": [*meta["sessions"][:-1], ended]})


def _show(runs: Sequence[Run]) -> None:
    """Print the table; draw each run, and all of them together, and print where."""
    from suite.plot import plot
    from suite.table import table

    say(f"\n{table(runs)}\n")
    names = " ".join(run.path.name for run in runs)
    digest = hashlib.sha256(names.encode()).hexdigest()[:8]
    together = runs[0].path.parent.parent / f"plot-{digest}.png"
    figures = [([run], run.path / "plot.png") for run in runs]
    figures += [(list(runs), together)] if len(runs) > 1 else []
    say("plots:")
    for shown, path in figures:
        try:
            say(f"  {plot(shown, path)}")
        except UserError as error:
            say(f"  {path}: {error}")
