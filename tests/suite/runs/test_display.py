"""What is shown while a population trains."""

import io
import math
import re
import subprocess
import sys
import time

import pytest

from suite.runs.display import display_population
from workload.progress import MemberProgress, Progress


def agent(name, epsilon, loss, mean_q, score, status):
    figures = {"loss": loss, "score": score, "epsilon": epsilon, "mean Q": mean_q}
    return MemberProgress(name, status, figures)


def training(iterations, step, steps, per_second, left, members, phase="training"):
    return Progress(
        f"iteration 1/{iterations} {phase}", step, steps, per_second, left, members, "steps"
    )


MEMBERS = (
    agent("none/seed0", 0.5, 0.0123, 1.5, -20.0, "running"),
    agent("l2-1e-3/seed0", 0.5, None, None, None, "diverged"),
)
PROGRESS = training(200, 1250, 250_000, 1234.5, 3720.0, MEMBERS)


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def clock(monkeypatch):
    now = [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    return now


def test_without_a_terminal_it_is_a_plain_line_every_ten_seconds(capsys, clock):
    with display_population("Pong") as show:
        for _ in range(200):
            show(PROGRESS)
            clock[0] += 0.1
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2
    assert lines[0] == (
        "Pong iteration 1/200 training 1,250/250,000, 1,234 steps/s x 1, 1 h 02 min left"
        " | none/seed0 loss 0.0123 score -20 epsilon 0.5 | l2-1e-3/seed0 diverged"
    )


def test_lines_of_a_run_of_eleven_days_are_some_two_thousand(capsys, clock):
    with display_population("Pong") as show:
        for second in range(11 * 24 * 3600):
            clock[0] += 1
            show(PROGRESS)
            if second == 200:  # at the beginning every ten seconds
                assert len(capsys.readouterr().out.splitlines()) == 21
    lines = capsys.readouterr().out.splitlines()
    # in the long run one in ten minutes
    assert 11 * 24 * 6 * 0.95 < len(lines) < 11 * 24 * 6 + 100


def test_the_rate_is_that_of_the_counter_beside_it_and_says_how_many_go_so_fast(capsys, clock):
    waiting = agent("none/seed1", 0.5, None, None, None, "waiting")
    with display_population("Pong") as show:
        show(training(2, 10, 20, 5.0, None, (*MEMBERS, waiting, MEMBERS[0])))
    assert "training 10/20, 5 steps/s x 2 |" in capsys.readouterr().out


def test_a_large_population_is_medians_in_a_short_line(capsys, clock):
    members = [
        *(agent(f"l2-1e-3/seed{n}", 0.5, n, 1.0, None, "running") for n in range(10)),
        agent("none/seed0", 0.5, None, None, -20.0, "running"),
        agent("l2-1e-3/seed10", 0.5, math.nan, math.nan, 21.0, "diverged"),
    ]
    with display_population("Pong") as show:
        show(training(200, 1250, 250_000, 1234.5, 3720.0, tuple(members)))
    (line,) = capsys.readouterr().out.splitlines()
    assert line.endswith("left | 12 members: median loss 4.5 score -20, 1 diverged")
    assert len(line) < 160


def test_a_reader_that_has_gone_makes_it_quiet():
    script = (
        "import time; from tests.suite.runs.test_display import *\n"
        "with display_population('Pong') as show:\n"
        "    for now in range(0, 10_000, 20):\n"
        "        time.monotonic = lambda: now\n"
        "        show(PROGRESS)\n"
        "print('done', file=sys.stderr)"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    process.stdout.readline()
    process.stdout.close()
    assert (process.stderr.read(), process.wait(60)) == ("done\n", 0)


def test_a_terminal_shows_every_member_with_its_figures(monkeypatch):
    terminal = Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    monkeypatch.setenv("COLUMNS", "120")
    with display_population("Pong") as show:
        show(PROGRESS)
    text = terminal.getvalue()
    expected = "iteration 1/200 training 1,250/250,000,1 h 02 min left,none/seed0,0.0123,1.5,-20"
    assert all(part in text for part in [*expected.split(","), "diverged"])


def test_on_the_screen_the_headers_stand_on_a_line_of_their_own(monkeypatch):
    terminal = Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    monkeypatch.setenv("COLUMNS", "120")
    with display_population("Pong") as show:
        show(PROGRESS)
        shown = re.sub(r"\x1b\[[^A-Za-z]*[A-Za-z]", "", terminal.getvalue()).splitlines()
        before = len(terminal.getvalue())
    headers = next(line.split() for line in shown if line.startswith("member"))
    assert headers == ["member", "loss", "score", "epsilon", "mean", "Q", "status"]
    erased_line = "\x1b[2K"
    assert terminal.getvalue()[before:].count(erased_line) >= 5


def test_steps_until_a_phases_last_episode_ends_are_counted_apart(capsys, clock):
    with display_population("Pong") as show:
        show(training(2, 25, 20, 5.0, None, ()))
    assert capsys.readouterr().out == "Pong iteration 1/2 training 20/20 and 5 more, 5 steps/s\n"


def test_the_time_left_is_left_out_while_it_is_unknown(capsys, clock):
    with display_population("Pong") as show:
        show(training(2, 10, 20, 0.0, None, (), "resuming"))
    assert capsys.readouterr().out == "Pong iteration 1/2 resuming 10/20, 0 steps/s\n"


def test_calls_between_two_pictures_cost_microseconds(monkeypatch):
    monkeypatch.setattr(sys, "stdout", Terminal())
    with display_population("Pong") as show:
        show(PROGRESS)
        begin = time.process_time()
        for _ in range(1000):
            show(PROGRESS)
        assert time.process_time() - begin < 0.1
