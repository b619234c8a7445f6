"""`wdbench show RUN`: curves as text."""

import itertools
import re

import pytest

from suite.__main__ import main
from tests.suite.fake_training import metrics_row
from tests.suite.run_files import make_run


def falling(runs, **member):
    """A run whose weight norm falls on a line from 30 to 10."""
    norms = [30 - step / 50 for step in range(0, 1001, 50)]
    rows = [
        metrics_row(50 * i) | {"optim/weight_norm": norm, "optim/drowned_fraction": norm / 100}
        for i, norm in enumerate(norms)
    ]
    return make_run(runs, rows=rows, **member).path


def shown(capsys, *argv):
    assert main(["show", *map(str, argv)]) == 0
    return capsys.readouterr().out


def panel(text, title):
    """The marks of a panel by line, from the top."""
    lines = text.partition(f"{title}")[2].splitlines()[1:]
    return [line.partition("|")[2] for line in lines[: lines.index("") - 2]]


def test_the_first_panel_is_the_norm_and_a_falling_line_falls(tmp_path, capsys):
    text = shown(capsys, falling(tmp_path))
    assert text.startswith("weight norm: 2-norm of all weights\n")
    blank = "\u2800 "
    columns = [
        [x for x, mark in enumerate(line) if mark not in blank]
        for line in panel(text, "weight norm")
    ]
    drawn = [places for places in columns if places]
    assert len(drawn) >= 7
    assert all(max(upper) <= min(lower) for upper, lower in itertools.pairwise(drawn))


def test_the_axis_has_the_numbers_of_the_rows(tmp_path, capsys):
    text = shown(capsys, falling(tmp_path)).split("\n\n")
    numbers = [float(n) for n in re.findall(r"^ *([-\d.]+) \|", text[0], re.M)]
    assert 30 <= max(numbers) <= 32
    assert 8 <= min(numbers) <= 11
    share = next(part for part in text if part.startswith("drowned"))
    numbers = [float(n) for n in re.findall(r"^ *([-\d.]+) \|", share, re.M)]
    assert 30 <= max(numbers) <= 32  # per cent: the rows have shares


@pytest.mark.parametrize("width", [60, 140])
def test_no_line_is_wider_than_the_terminal(tmp_path, capsys, width):
    lines = shown(capsys, falling(tmp_path), "--width", width).splitlines()
    assert width - 5 <= max(map(len, lines)) <= width


def test_without_colours_each_run_has_a_letter(tmp_path, capsys):
    falling(tmp_path)
    falling(tmp_path, scheme="l2", weight_decay=1e-3)
    text = shown(capsys, tmp_path)
    names = dict(re.findall(r"^([a-z])  (\S+ seed0)$", text, re.M))
    assert sorted(names.values()) == ["l2-1e-3 seed0", "none seed0"]
    assert names.keys() & set("".join(panel(text, "weight norm")))


def test_a_run_without_rows_and_a_narrow_terminal_are_told(tmp_path, capsys):
    path = make_run(tmp_path).path
    assert main(["show", str(path)]) == 2
    assert "no run has logged two rows yet" in capsys.readouterr().err
    assert main(["show", str(path), "--width", "20"]) == 2
    assert "20 columns are too few" in capsys.readouterr().err
