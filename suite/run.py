"""`wdbench run WORKLOAD`: train members as a population, each in its own run directory."""

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
from suite.progress import display
from suite.run_directory import Run, locked, read_json, write_json
from suite.run_log import RunLog
from suite.stop import StopRequest, stop_on_signals
from suite.workloads import NAMES, Member, Outcome, Workload, load


def main(argv: list[str], prog: str) -> int:
    if not argv or argv[0] in ("-h", "--help"):
        print(f"usage: {prog} {{{','.join(NAMES)}}} ...\n\n`{prog} rl --help` lists the options.")
        return 0
    workload = load(argv[0])
    request = read_request(workload, argv[1:], f"{prog} {argv[0]}")
    runs = [Run.of(workload, request.recipe, m, request.runs) for m in request.members]
    if request.print_config:
        print(described(workload, request, runs), end="")
        return 0
    if not resources.writable(request.runs):
        raise UserError(f"runs: {request.runs} is no directory that can be written to")
    waiting = [pair for pair in zip(request.members, runs, strict=True) if not pair[1].done()]
    for run in runs:
        if done := run.done():
            print(f"{run.path} is already {done['status']}")
    code = 0
    if waiting:
        workload.check(request.recipe, request.machine, [run.path for _, run in waiting])
        code = _train_all(workload, request, waiting, [*sys.argv[:1], "run", *argv])
    if code == 0:
        _show(runs)
    return code


def described(workload: Workload, request: Request, runs: Sequence[Run]) -> str:
    """The resolved configuration as YAML; what it takes and where it goes as comments."""
    comments = [workload.needs(request.recipe, len(runs)), *(f"run: {run.path}" for run in runs)]
    return request.as_yaml() + "".join(f"# {line}\n" for line in comments)


def _train_all(
    workload: Workload, request: Request, waiting: list[tuple[Member, Run]], argv: list[str]
) -> int:
    """Train what is not finished; returns the exit code."""
    runs = [run for _, run in waiting]
    with locked(runs), stop_on_signals() as stop:
        session = provenance.session(argv)
        for run in runs:
            _begin_session(run, session)
        status = "failed"
        try:
            print(workload.needs(request.recipe, len(runs)))
            for group in _equal_positions(workload, waiting, request):
                if not stop():
                    _train_group(workload, request, group, stop)
            status = "finished" if all(run.done() for run in runs) else "interrupted"
        except UserError:
            raise
        except (KeyboardInterrupt, SystemExit):
            # A second Ctrl-C; Lightning turns it into SystemExit.
            status = "interrupted"
        except Exception as error:
            _record_failure(runs, error)
        finally:
            for run in runs:
                _end_session(run, session, status)
    if status == "interrupted":
        print("Stopped. The same command resumes where the last checkpoint stands.")
        return stop.exit_code
    return 1 if status == "failed" else 0


def _equal_positions(
    workload: Workload, waiting: list[tuple[Member, Run]], request: Request
) -> list[list[tuple[Member, Run]]]:
    """Members that stand at the same point of training train together, in the order given."""
    groups: dict[object, list[tuple[Member, Run]]] = {}
    for member, run in waiting:
        if run.done():  # by another process, before this one had the lock
            continue
        position = workload.position(run.path, previous=request.from_previous_checkpoint)
        print(f"{run.path} {'starts' if position is None else 'resumes'}", flush=True)
        groups.setdefault(position, []).append((member, run))
    return list(groups.values())


def _train_group(
    workload: Workload, request: Request, group: list[tuple[Member, Run]], stop: StopRequest
) -> None:
    members = [member for member, _ in group]
    runs = [run for _, run in group]
    with ExitStack() as stack:
        logs = [stack.enter_context(RunLog(run.path)) for run in runs]
        progress = stack.enter_context(display(workload.subject(request.recipe)))
        outcomes = workload.train(
            request.recipe,
            members,
            logs,
            request.machine,
            progress=progress,
            stop=stop,
            previous=request.from_previous_checkpoint,
        )
    for run, outcome in zip(runs, outcomes, strict=True):
        _record_outcome(run, outcome)


def _record_outcome(run: Run, outcome: Outcome) -> None:
    if outcome.status == "interrupted":
        return
    record = {
        "status": outcome.status,
        "end": provenance.now(),
        "figures": dict(outcome.figures),
    }
    write_json(run.path / "done.json", record)


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
    meta = read_json(run.path / "meta.json") or {"sessions": []}
    write_json(run.path / "meta.json", {"sessions": [*meta["sessions"], session]})


def _end_session(run: Run, session: dict[str, Any], status: str) -> None:
    meta = read_json(run.path / "meta.json") or {"sessions": [session]}
    ended = session | {"end": provenance.now(), "status": status}
    write_json(run.path / "meta.json", {"sessions": [*meta["sessions"][:-1], ended]})


def _show(runs: Sequence[Run]) -> None:
    """Print the table; draw each run, and all of them together, and print where."""
    from suite.plot import plot
    from suite.table import table

    print(f"\n{table(runs)}\n")
    names = " ".join(run.path.name for run in runs)
    digest = hashlib.sha256(names.encode()).hexdigest()[:8]
    together = runs[0].path.parent.parent / f"plot-{digest}.png"
    try:
        plots = [plot([run], run.path / "plot.png") for run in runs]
        plots += [plot(runs, together)] if len(runs) > 1 else []
        print("\n".join(["plots:", *(f"  {path}" for path in plots)]))
    except UserError as error:
        print(error)
