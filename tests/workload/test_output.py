"""What is printed: tables in lines, and pictures that are drawn over."""

import io
import re
import sys
import time

import pytest

from workload import output
from workload.output import aligned, at_most, live_display, stage_line

ROWS = [["", "runs", "score"], ["Pong", "2", "-21.0"], ["SpaceInvaders", "10", "5"]]


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def clock(monkeypatch):
    now = [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    return now


def test_columns_are_as_wide_as_their_widest_cell_and_two_spaces_apart():
    assert aligned(ROWS, left=1) == [
        "               runs  score",
        "Pong              2  -21.0",
        "SpaceInvaders    10      5",
    ]


def test_a_rule_underlines_every_heading():
    assert aligned([["a", "seed"], ["long", "0"]], rule=True) == [
        "   a  seed",
        "----  ----",
        "long     0",
    ]


def test_cells_are_printed_as_they_are_however_wide_the_table():
    cells = ["[red]x[/red]", ":smile:", "a" * 300]
    assert aligned([cells]) == ["  ".join(cells)]


def test_what_comes_too_soon_is_dropped(clock):
    seen = []
    show = at_most(10.0, seen.append)
    for second in range(25):
        clock[0] = 1000.0 + second
        show(second)
    assert seen == [0, 10, 20]


def test_showing_takes_a_fiftieth_of_all_time_at_most(clock):
    seen = []

    def slow(now):
        seen.append(now)
        clock[0] += 1.0

    show = at_most(0.1, slow)
    while clock[0] < 1200.0:
        show(clock[0])
        clock[0] += 0.5
    assert len(seen) <= 200 / 50 + 1


def test_without_a_terminal_every_news_is_told_plainly(capsys):
    with live_display(lambda news: "never", 1.0, lambda news: print(f"is {news}")) as show:
        show("a")
        show("b")
    assert capsys.readouterr().out == "is a\nis b\n"


def test_a_terminal_shows_the_text_as_it_is_and_nothing_of_it_stays(monkeypatch, clock):
    terminal = Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    with live_display(lambda news: f"[{news}] [bold]", 1.0, print) as show:
        show("a")
        show("too soon")
        shown = terminal.getvalue()
    assert "[a] [bold]" in shown
    assert "too soon" not in shown
    erased_line = "\x1b[2K"
    assert erased_line in terminal.getvalue()[len(shown) :]


def test_a_stage_is_drawn_over_on_a_terminal_and_named_elsewhere(monkeypatch, capsys, clock):
    with stage_line() as show:
        for stage in ("learning", "learning", "writing"):
            show(stage, 1, 2)
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", "learning ...\nwriting ...\n")
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    with stage_line() as show:
        show("learning", 1_000, 20_000)
    text = re.sub(r"\x1b\[[^A-Za-z]*[A-Za-z]", "", terminal.getvalue())
    assert "learning 1,000 of 20,000" in text


@pytest.mark.parametrize("reader", ["gone", "none"])
def test_a_stage_that_nobody_reads_ends_no_work(monkeypatch, capsys, reader):
    class Gone:
        def isatty(self):
            return False

        def write(self, text):
            raise BrokenPipeError

    monkeypatch.setattr(sys, "stderr", Gone() if reader == "gone" else None)
    with stage_line() as show:
        show("learning", 1, 2)
    assert capsys.readouterr().out == ""


def test_without_a_terminal_a_long_stage_says_how_far_it_is(capsys, clock):
    with stage_line() as show:
        for second in range(60):
            clock[0] += 1.0
            show("learning", second, 60)
    lines = capsys.readouterr().err.splitlines()
    assert lines[:2] == ["learning ...", "learning 10 of 60"]
    assert 4 <= len(lines) <= 60 / 10


def test_a_command_that_is_silent_says_once_that_it_works(monkeypatch):
    stream = Terminal()
    monkeypatch.setattr("sys.stderr", stream)
    monkeypatch.setattr(output, "SILENCE", 0.02)
    with output.sign_of_life("wdbench report"):
        time.sleep(0.2)
    assert stream.getvalue() == "wdbench report is at work ...\n"


def test_one_that_speaks_or_ends_in_time_says_nothing_more(monkeypatch, capsys):
    stream = Terminal()
    monkeypatch.setattr("sys.stderr", stream)
    monkeypatch.setattr(output, "SILENCE", 0.05)
    with output.sign_of_life("wdbench report"):
        output.say("here")
        time.sleep(0.15)
    with output.sign_of_life("wdbench report"):
        pass
    time.sleep(0.15)
    assert stream.getvalue() == ""
