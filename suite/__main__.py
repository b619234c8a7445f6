"""The commands `wdbench`, `lightning` and `python -m suite`.

Commands import their modules when they are called, so that `--help` needs no torch.
"""

import sys
from collections.abc import Callable, Sequence
from importlib import import_module, metadata

from suite.errors import UserError
from suite.output import silence
from suite.wording import unknown

COMMANDS = {
    "run": ("suite.run", "train: `run rl --help` lists every option"),
    "batch": (
        "suite.batch.command",
        "train a grid of runs, several at once; `status` says how it stands",
    ),
    "status": ("suite.batch.status", "say which runs of a grid are done, running, waiting, failed"),
    "report": (
        "suite.results.command",
        "tables and figures of finished and running runs, as in the paper",
    ),
    "prepare": ("suite.prepare", "make a corpus ready for `run nlp`: download, tokens, subwords"),
    "plot": (
        "suite.results.plot",
        "draw learning curves and the inside of the optimizer, several runs in one",
    ),
    "table": (
        "suite.results.table",
        "print score, weight norm, median m/w and drowned fraction of runs",
    ),
    "translate": ("suite.translate", "translate text with the model of a translation run"),
    "watch": ("suite.watch", "film a trained agent playing an episode"),
    "doctor": ("suite.doctor", "say what this machine has and what is missing"),
}

HELP = """\
usage: {name} COMMAND ...

What weight decay does inside an adaptive optimizer: train, look inside, compare.

commands:
{commands}

`{name} COMMAND --help` says more, `{name} --version` which this is. A first run:
  {name} run rl --game Pong --scheme separated --weight-decay 1e-4 --seed 0
"""


def main(argv: Sequence[str] | None = None, name: str = "wdbench") -> int:
    """Run one command and return the process's exit code.

    0 is success, 1 an unexpected failure, 2 bad input, 130 and 143 an interrupted, resumable run.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    if not arguments or arguments[0] in ("-h", "--help", "help"):
        width = max(map(len, COMMANDS)) + 2
        lines = (f"  {command:<{width}}{text}" for command, (_, text) in COMMANDS.items())
        print(HELP.format(name=name, commands="\n".join(lines)), end="")
        return 0
    if arguments[0] == "--version":
        print(f"wdbench {metadata.version('wdbench')}")
        return 0
    try:
        command, *rest = arguments
        if command not in COMMANDS:
            raise UserError(unknown("command", command, COMMANDS))
        run: Callable[[list[str], str], int] = import_module(COMMANDS[command][0]).main
        return run(rest, f"{name} {command}")
    except UserError as error:
        print(f"wdbench: error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        silence()
        return 0
    except (PermissionError, NotADirectoryError, IsADirectoryError, FileExistsError) as error:
        problem = f"{error.filename}: {error.strerror}" if error.filename else str(error)
        print(f"wdbench: error: {problem}", file=sys.stderr)
        return 2
    except OSError as error:  # a full disk
        print(f"wdbench: failed: {error}", file=sys.stderr)
        return 1


def lightning(argv: Sequence[str] | None = None) -> int:
    """The command `lightning`: the suite's workloads here, everything else to its owner.

    Lightning 2.5.1 dropped its own script and lightning-sdk installs another of the same name.
    `run rl` is ours, `run model` is Fabric's launcher, the rest goes to the other `lightning`
    where one is installed.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    if arguments[:2] == ["run", "model"]:
        return _fabric(arguments[2:])
    from suite.workloads import NAMES

    other = other_lightning()
    ours = len(arguments) > 1 and arguments[0] == "run" and arguments[1] in (*NAMES, "batch")
    if ours or other is None:
        return main(arguments, name="lightning")
    sys.argv = ["lightning", *arguments]
    return _exit_code(other.load()())


def other_lightning() -> metadata.EntryPoint | None:
    """The console script `lightning` of another installed distribution, if there is one."""
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
