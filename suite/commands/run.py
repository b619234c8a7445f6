"""`wdbench run WORKLOAD`: train members, each in its own run directory."""

import hashlib
import sys
from collections.abc import Sequence

from suite.config.request import as_yaml, read_request
from suite.registry import AnyWorkload, load, names
from suite.runs.directory import Run, locked
from suite.runs.display import display_population
from suite.runs.job import Job
from suite.runs.stop import stop_on_signals
from suite.runs.train_job import train_job
from suite.runs.untrained import discard_untrained
from workload import resources
from workload.by_products import by_product
from workload.errors import UserError
from workload.output import say, warn
from workload.wording import duration

USAGE = """\
usage: {prog} {{{names}}} ...

{workloads}
  batch  The same as `wdbench batch`: a grid of runs.

{lists} list the options.

examples:
{examples}"""


def main(argv: list[str], prog: str) -> int:
    if not argv or argv[0] in ("-h", "--help"):
        lists = " and ".join(f"`{prog} {name} --help`" for name in names())
        print(
            USAGE.format(
                prog=prog,
                names=",".join((*names(), "batch")),
                workloads=_titles(),
                lists=lists,
                examples="\n".join(f"  {prog} {name} {load(name).EXAMPLE}" for name in names()),
            )
        )
        return 0
    if argv[0] == "batch":
        from suite.commands.batch import main as batch

        return batch(argv[1:], f"{prog} batch")
    workload = load(argv[0])
    request = read_request(workload, argv[1:], f"{prog} {argv[0]}")
    workload.validate(request.job.recipe, request.job.machine)
    workload.validate_members(request.job.recipe, request.job.members)
    runs = request.job.runs
    if request.print_config:
        print(_config_text(workload, request.job), end="")
        return 0
    if not resources.writable(request.job.folder):
        raise UserError(f"runs: {request.job.folder} is no directory that can be written to")
    waiting: list[Run] = []
    for run in runs:
        if done := run.done():
            run.create()
            say(f"{run.path} is already {done['status']}{_longer(workload, run)}")
            finished = done["status"] == "finished"  # a kill may have come between the two
            workload.clean_up(run.path, request.job.machine, finished=finished)
        else:
            waiting.append(run)
    code = 0
    if waiting:
        command = [*sys.argv[:1], "run", *argv]
        new = [run for run in waiting if not run.path.exists()]
        try:
            with stop_on_signals() as stop:
                code = train_job(
                    request.job, waiting, command, stop, lock=locked, display=display_population
                )
        except UserError:
            discard_untrained(new, request.job.folder)
            raise
    if code > 1:
        say("Stopped. The same command resumes where the last checkpoint stands.")
    if code == 0:
        _show(runs)
    return code


def _longer(workload: AnyWorkload, run: Run) -> str:
    """How long a finished run is, where that is more than is asked for."""
    length = run.length_on_disk()
    asked = run.config["recipe"][workload.LENGTH_KEY]
    return f", with {workload.LENGTH_KEY} {length}" if length and length > asked else ""


def _titles() -> str:
    return "\n".join(f"  {name:<7}{load(name).TITLE}" for name in names())


def _config_text(workload: AnyWorkload, job: Job) -> str:
    """The resolved configuration as YAML; what it takes and where it goes as comments."""
    runs = job.runs
    comments = [workload.memory_summary(job.recipe, len(runs))]
    if seconds := workload.core_seconds(job.recipe, job.machine):
        comments.append(f"roughly {duration(len(runs) * seconds)} of one processor core")
    comments += [f"run: {run.path}" for run in runs]
    return as_yaml(job) + "".join(f"# {line}\n" for line in comments)


def _show(runs: Sequence[Run]) -> None:
    """Print the table; draw each run, and all of them together, and print where."""
    from suite.results.run_plot import plot
    from suite.results.run_table import table

    try:
        say(f"\n{table(runs)}\n")
    except UserError as error:
        warn(f"no table: {error}")
    names = " ".join(run.path.name for run in runs)
    digest = hashlib.sha256(names.encode()).hexdigest()[:8]
    combined = runs[0].path.parent.parent / f"plot-{digest}.png"
    figures = [([run], run.path / "plot.png") for run in runs]
    figures += [(list(runs), combined)] if len(runs) > 1 else []
    say("plots:")
    for drawn, path in figures:
        try:
            with by_product(path):
                say(f"  {plot(drawn, path)}")
        except UserError as error:
            say(f"  {path}: {error}")
