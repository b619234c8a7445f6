"""Every command's own parser: for its page of the site and for completion in a shell."""

from argparse import ArgumentParser
from functools import partial
from importlib import import_module

from suite.__main__ import COMMANDS
from suite.commands.arguments import Parser, parser_of
from suite.config.flags import make_parser
from suite.registry import load, names
from workload.contract import Command


def targets() -> list[str]:
    """What has options: every command, with its workload where several have one of that name."""
    own = contributed()
    several = {name for name, _, _ in own if sum(each == name for each, _, _ in own) > 1}
    return [
        *(f"run {name}" for name in names()),
        *(command for command in COMMANDS if command != "run"),
        *(f"{name} {workload}" if name in several else name for name, workload, _ in own),
    ]


def contributed() -> list[tuple[str, str, Command]]:
    """The workloads' own commands: name, workload, command."""
    return [(own.name, name, own) for name in names() for own in load(name).COMMANDS]


def parser_for(target: str) -> ArgumentParser:
    """The parser that a command line of this target meets. LookupError where there is none."""
    command, _, workload = target.partition(" ")
    prog = f"wdbench {target}"
    if command == "run":
        return make_parser(load(workload), prog)
    if command in COMMANDS:
        return parser_of(lambda: import_module(COMMANDS[command][0]).main([], prog))
    for name, owner, own in contributed():
        if name == command and workload in ("", owner):
            parser = Parser(prog, own.description, own.examples)
            return parser_of(partial(own.main, parser, []))
    raise LookupError(f"no command {target}")
