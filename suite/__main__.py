"""The commands `wdbench`, `lightning` and `python -m suite`.

Commands import their modules when they are called, so that `--help` needs no torch.
"""

import errno
import os
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

# `python -m` looks for modules in the current folder first. What a user has there under the name of
# one of our packages, as `workload` or `results`, is not meant.
if __name__ == "__main__" and Path(sys.path[0]) == Path.cwd() != Path(__file__).parents[1]:
    del sys.path[0]

# Threads that have nothing to do look for work without end by default, and take the cores from
# whatever else runs. To be read by OpenMP, this has to be there before torch is loaded.
if not {"OMP_WAIT_POLICY", "GOMP_SPINCOUNT"} & os.environ.keys():
    os.environ["GOMP_SPINCOUNT"] = "1000"

from suite.registry import load, names
from workload.contract import Command
from workload.errors import UserError
from workload.output import sign_of_life, silence
from workload.wording import unknown

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

COMMANDS = {
    "demo": ("suite.commands.demo", "train what a workload shows first, without further questions"),
    "run": ("suite.commands.run", "train: `run WORKLOAD --help` lists every option"),
    "batch": (
        "suite.commands.batch",
        "train a grid of runs, several at once; `status` says how it stands",
    ),
    "status": (
        "suite.commands.status",
        "say which runs of a grid are done, running, waiting, failed",
    ),
    "report": (
        "suite.commands.report",
        "tables and figures of finished and running runs, as in the paper",
    ),
    "dump": (
        "suite.commands.dump",
        "runs and their rows as CSV or Parquet, for other programs",
    ),
    "clean": (
        "suite.commands.clean",
        "say what of runs may go, such as states that are read no more; delete it when told to",
    ),
    "claims": (
        "suite.commands.claims",
        "what papers claim, and what the runs say of it: holds, does not hold, undecided",
    ),
    "plot": (
        "suite.commands.plot",
        "draw learning curves and the inside of the optimizer, several runs in one",
    ),
    "show": ("suite.commands.show", "draw a run's curves in the terminal"),
    "table": (
        "suite.commands.table",
        "print score, weight norm, median m/w and drowned fraction of runs",
    ),
    "verify": (
        "suite.commands.verify",
        "compare every file of runs with its checksum, and name what is damaged",
    ),
    "doctor": ("suite.commands.doctor", "say what this machine has and what is missing"),
    "completion": (
        "suite.commands.completion",
        "print a script that completes all this in a shell",
    ),
}

MISTAKES = (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EISDIR, errno.EEXIST)
"""What a system refuses where a user names another place."""

HELP = """\
usage: {name} COMMAND ...

What weight decay does inside an adaptive optimizer: train, look inside, compare.

commands:
{commands}

`{name} COMMAND --help` says more, `{name} --version` which this is. First runs:
{examples}
"""


def main(argv: Sequence[str] | None = None, name: str = "wdbench") -> int:
    """Run one command and return the process's exit code.

    0 is success, 1 an unexpected failure, 2 bad input, 130 and 143 an interrupted, resumable run.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    try:
        if not arguments:
            from suite.commands import here

            return here.main(name)
        if arguments[0] in ("-h", "--help", "help"):
            print(_help(name), end="")
            return 0
        if arguments[0] == "--version":
            from importlib.metadata import version

            print(f"wdbench {version('wdbench')}")
            return 0
        command, *rest = arguments
        with sign_of_life(f"{name} {command}"):
            return _run(command, rest, f"{name} {command}")
    except UserError as error:
        print(f"wdbench: error: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        silence()
        return 0
    except OSError as error:
        problem = f"{error.filename}: {error.strerror}" if error.filename else str(error)
        if error.errno in MISTAKES:
            print(f"wdbench: error: {problem}", file=sys.stderr)
            return 2
        print(f"wdbench: failed: {problem}", file=sys.stderr)
        return 1


def _help(name: str) -> str:
    texts = {command: text for command, (_, text) in COMMANDS.items()}
    texts |= {name: "; ".join(own.text for own in each) for name, each in _contributed().items()}
    width = max(map(len, texts)) + 2
    lines = "\n".join(f"  {command:<{width}}{text}" for command, text in texts.items())
    examples = "\n".join(f"  {name} run {each} {load(each).EXAMPLE}" for each in names())
    return HELP.format(name=name, commands=lines, examples=examples)


def _run(command: str, arguments: list[str], prog: str) -> int:
    if command in COMMANDS:
        run: Callable[[list[str], str], int] = import_module(COMMANDS[command][0]).main
        return run(arguments, prog)
    contributed = _contributed()
    if command not in contributed:
        raise UserError(unknown("command", command, (*COMMANDS, *contributed)))
    from suite.commands.arguments import Parser

    candidates = contributed[command]
    if len(candidates) > 1 and (not arguments or {"-h", "--help"} & set(arguments)):
        _show_helps(candidates, prog)
    if len(candidates) > 1:
        candidates = [own for own in candidates if any(map(own.accepts, arguments))]
    if not candidates:
        takes = ", ".join(own.takes for own in contributed[command])
        raise UserError(f"{command}: {' '.join(arguments)!r} is none of {takes}")
    own = candidates[0]
    return own.main(Parser(prog, own.description, own.examples), arguments)


def _show_helps(commands: Sequence[Command], prog: str) -> NoReturn:
    """The helps of several commands of one name; ends as argparse does."""
    from suite.commands.arguments import Parser

    for own in commands:
        with suppress(SystemExit):
            own.main(Parser(prog, own.description, own.examples), ["--help"])
        print()
    sys.exit(0)


def _contributed() -> dict[str, list[Command]]:
    """The workloads' own commands by name; several may share one."""
    commands: dict[str, list[Command]] = {}
    for name in names():
        for command in load(name).COMMANDS:
            commands.setdefault(command.name, []).append(command)
    return commands


def lightning(argv: Sequence[str] | None = None) -> int:
    """The command `lightning`: the suite's workloads here, everything else to its owner.

    Lightning 2.5.1 dropped its own script and lightning-sdk installs another of the same name.
    `run` of a workload is ours, `run model` is Fabric's launcher, the rest goes to the other
    `lightning` where one is installed.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    if arguments[:2] == ["run", "model"]:
        return _fabric(arguments[2:])
    other = other_lightning()
    ours = len(arguments) > 1 and arguments[0] == "run" and arguments[1] in (*names(), "batch")
    if ours or other is None:
        return main(arguments, name="lightning")
    sys.argv = ["lightning", *arguments]
    return _exit_code(other.load()())


def other_lightning() -> "EntryPoint | None":
    """The console script `lightning` of another installed distribution, if there is one."""
    from importlib import metadata

    for script in metadata.entry_points(group="console_scripts", name="lightning"):
        if script.module.partition(".")[0] != "suite":
            return script
    return None


def _fabric(arguments: list[str]) -> int:
    fabric = import_module("lightning.fabric.cli")
    if not hasattr(fabric, "_main"):
        print("wdbench: error: `lightning run model` needs `pip install click`", file=sys.stderr)
        return 2
    sys.argv = ["fabric", "run", *arguments]
    return _exit_code(fabric._main())


def _exit_code(returned: object) -> int:
    return returned if isinstance(returned, int) else 0


if __name__ == "__main__":
    sys.exit(main())
