"""Reading a run's rows: all of a short file, some of a long one, none of a damaged one."""

import itertools
import json
import math

import pytest

from suite.report.rows import evaluation_rows, number, sampled_columns
from workload.errors import UserError


def write(path, rows, rest=b""):
    lines = [json.dumps(row).encode() + b"\n" for row in rows]
    path.write_bytes(b"".join(lines) + rest)
    return path


@pytest.fixture
def file(tmp_path):
    return tmp_path / "rows.jsonl"


@pytest.mark.parametrize("count", [1, 2, 199, 200, 201, 400, 1000, 2000])
def test_a_long_file_is_thinned_evenly_and_keeps_its_newest_row(file, count):
    write(file, [{"step": i, "norm": i * i} for i in range(1, count + 1)])
    found, _ = sampled_columns(file, "step", ["norm"])
    steps = found["step"].tolist()
    assert len(steps) <= 201
    assert len(steps) >= min(count, 100)
    assert steps[-1] == count
    assert len({b - a for a, b in itertools.pairwise(steps)}) <= 1
    assert found["norm"].tolist() == [step * step for step in steps]


def test_a_row_without_a_number_has_nan(file):
    write(file, [{"step": 1, "norm": None}, {"step": 2}, {"step": 3, "norm": 4.5}])
    found, _ = sampled_columns(file, "step", ["norm"])
    assert [math.isnan(value) for value in found["norm"]] == [True, True, False]
    assert found["norm"][2] == 4.5


def test_a_divergence_is_seen_in_a_row_that_is_not_drawn(file):
    rows = [{"step": i} for i in range(1, 1001)]
    rows[500]["diverged"] = True  # 1000 rows keep every fifth: 5, 10, ..., 1000
    found, diverged_at = sampled_columns(write(file, rows), "step", [])
    assert 501 not in found["step"]
    assert diverged_at == 501


def test_no_divergence_is_none(file):
    assert sampled_columns(write(file, [{"step": 1}]), "step", [])[1] is None


def test_no_file_has_no_rows(file):
    assert evaluation_rows(file, "step") == []
    assert sampled_columns(file, "step", ["norm"])[0]["norm"].shape == (0,)


@pytest.mark.parametrize("rest", [b'{"step": 3, "no', b'{"step": 3}', b"{"])
def test_a_last_line_without_line_feed_is_still_being_written(file, rest):
    write(file, [{"step": 1}, {"step": 2}], rest)
    assert evaluation_rows(file, "step") == [{"step": 1}, {"step": 2}]
    assert sampled_columns(file, "step", [])[0]["step"].tolist() == [1, 2]


@pytest.mark.parametrize(
    "damage",
    [
        b"\0" * 40 + b"\n",
        b'{"step": 3, "x": "\0"}\n',
        b'{"step": 3\n',
        b'"step": 3}\n',
        b"\n",
        b"[3]\n",
        b'{"step": 3, "x": "\xff"}\n',
    ],
)
def test_a_line_that_is_no_row_is_named_even_where_it_is_not_drawn(file, damage):
    lines = b"".join(b'{"step": %d}\n' % i for i in range(1, 1001))
    place = lines.index(b'{"step": 501}')
    file.write_bytes(lines[:place] + damage + lines[place:])
    for read in (lambda: evaluation_rows(file, "step"), lambda: sampled_columns(file, "step", [])):
        with pytest.raises(UserError, match=r"rows\.jsonl, line 501 is damaged"):
            read()


@pytest.mark.parametrize(
    "line",
    [
        '{"steps": 3}',
        '{"step": null}',
        '{"step": "3"}',
        '{"step": true}',
        '{"step": NaN}',
        '{"step": 1e999}',
        pytest.param('{"step": 1' + "0" * 400 + "}", id="beyond a float"),
        pytest.param('{"step": 3, "x": ' + "[" * 100_000 + "]" * 100_000 + "}", id="deep"),
    ],
)
def test_a_row_without_a_step_or_beyond_what_json_can_hold_is_damage(file, line):
    file.write_text(line + "\n")
    with pytest.raises(UserError, match=r"rows\.jsonl is damaged"):
        evaluation_rows(file, "step")


@pytest.mark.parametrize("value", [None, "1", True, [1], math.nan, math.inf, -math.inf])
def test_what_is_no_finite_number_is_nan(value):
    assert math.isnan(number(value))
    assert math.isnan(number(10**400))


@pytest.mark.parametrize("value", [0, -3, 2.5, 1e308, 2**1000])
def test_a_finite_number_is_itself(value):
    assert number(value) == value
