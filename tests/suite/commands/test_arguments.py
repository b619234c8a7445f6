"""Command lines: options anywhere, and what a system refuses as a sentence."""

import errno
import io
import os
import sys

import pytest

from suite.__main__ import main
from suite.commands import table
from suite.commands.arguments import Parser
from workload.output import say


@pytest.fixture
def parser():
    made = Parser("wdbench try", "Try.")
    made.add_argument("run")
    made.add_argument("file", nargs="?")
    made.add_argument("--beam", type=int)
    return made


@pytest.mark.parametrize("argv", ["--beam 4 R F", "R --beam 4 F", "R F --beam 4"])
def test_options_stand_before_between_and_after_positional_arguments(parser, argv):
    options = parser.parse_args(argv.split())
    assert (options.run, options.file, options.beam) == ("R", "F", 4)


def test_an_optional_argument_may_be_left_out(parser):
    assert parser.parse_args(["--beam", "4", "R"]).file is None


@pytest.mark.parametrize("argv", ["model --size 3 R1 --seed 1 R2", "model R1 R2 --seed 1 --size 3"])
def test_so_do_those_of_a_command_below_a_command(argv):
    parser = Parser("wdbench try", "Try.")
    below = parser.add_subparsers(dest="model").add_parser("model")
    below.add_argument("runs", nargs="*")
    below.add_argument("--size", type=int)
    below.add_argument("--seed", type=int)
    options = parser.parse_args(argv.split())
    assert (options.runs, options.size, options.seed) == (["R1", "R2"], 3, 1)


@pytest.mark.parametrize("number", [errno.EROFS, errno.EACCES, errno.ENOTDIR])
def test_what_a_system_refuses_is_an_error_of_the_place(number, monkeypatch, capsys):
    def refuse(argv, prog):
        raise OSError(number, os.strerror(number), "there/file")

    monkeypatch.setattr(table, "main", refuse)
    assert main(["table", "R"]) == 2
    error = f"wdbench: error: there/file: {os.strerror(number)}\n"
    assert capsys.readouterr().err == error


def test_a_full_disk_under_standard_output_is_named(monkeypatch, capsys):
    class Full(io.StringIO):
        def write(self, text):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def print_a_line(argv, prog):
        say("a line")

    monkeypatch.setattr(table, "main", print_a_line)
    monkeypatch.setattr("workload.output.silence", lambda: None)
    monkeypatch.setattr(sys, "stdout", Full())
    assert main(["table", "R"]) == 2
    assert "standard output: no space is left" in capsys.readouterr().err
