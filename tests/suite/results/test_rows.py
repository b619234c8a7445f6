"""Reading a run's rows: the newest numbers, a sample, or all; a line that is no row is named."""

import itertools
import json
import math
import tracemalloc

import numpy as np
import pytest

from suite.results.rows import BLOCK, newest, number, rows, sample


def write(path, lines, rest=b""):
    path.write_bytes(b"".join(json.dumps(line).encode() + b"\n" for line in lines) + rest)
    return path


@pytest.fixture
def file(tmp_path):
    return tmp_path / "rows.jsonl"


def every(file):
    return rows(file, "step", pytest.fail)


def sampled(file, most=200, told=pytest.fail, until=math.inf):
    return sample(file, "step", told, most=most, keys=["step", "norm"], until=until)


@pytest.mark.parametrize("count", [1, 2, 199, 200, 201, 400, 1000, 2000])
def test_a_long_file_is_thinned_evenly_and_keeps_its_newest_row(file, count):
    write(file, [{"step": i, "norm": i * i, "other": i} for i in range(1, count + 1)])
    found = sampled(file).rows
    steps = [row["step"] for row in found]
    assert len(steps) <= 201
    assert len(steps) >= min(count, 100)
    assert steps[-1] == count
    assert len({b - a for a, b in itertools.pairwise(steps)}) <= 1
    assert found == [{"step": step, "norm": step * step} for step in steps]
    assert len(every(file)) == count


def test_a_divergence_is_seen_in_a_row_that_is_not_drawn(file):
    lines = [{"step": i} for i in range(1, 1001)]
    lines[500]["diverged"] = True  # 1000 rows keep every fifth: 5, 10, ..., 1000
    write(file, lines)
    found = sampled(file)
    assert 501 not in [row["step"] for row in found.rows]
    assert found.diverged_at == 501
    assert sampled(file, until=300).diverged_at == 501


def test_no_divergence_is_none(file):
    assert sampled(write(file, [{"step": 1}])).diverged_at is None


def test_no_file_has_no_rows(file):
    assert every(file) == sampled(file).rows == []
    assert newest(file, "step", ["norm"]) == {}
    assert sampled(file).diverged_at is None


@pytest.mark.parametrize("rest", [b'{"step": 3, "no', b'{"step": 3}', b"{"])
def test_a_last_line_without_line_feed_is_still_being_written(file, rest):
    write(file, [{"step": 1}, {"step": 2}], rest)
    assert [row["step"] for row in every(file)] == [1, 2]
    assert newest(file, "step", ["step"]) == {"step": 2}


@pytest.mark.parametrize(
    "damage",
    [
        b"\0" * 40,
        b'{"step": 3, "x": "\0"}',
        b'{"step": 3',
        b'"step": 3}',
        b"",
        b"[3]",
        b'{"step": 3, "x": "\xff"}',
    ],
)
def test_a_line_that_is_no_row_is_named_and_left_out_even_where_it_is_not_drawn(file, damage):
    lines = [b'{"step": %d}' % i for i in range(1, 1001)]
    file.write_bytes(b"\n".join([*lines[:500], damage, *lines[500:], b""]))
    expected = f"{file}, line 501 is damaged: it is no JSON object"
    told = []
    assert rows(file, "step", told.append) == [json.loads(line) for line in lines]
    steps = [row["step"] for row in sampled(file, told=told.append).rows]
    assert told == [expected, expected]
    assert steps[-1] == 1000
    assert {b - a for a, b in itertools.pairwise(steps)} <= {5, 6}  # one step over the damage


@pytest.mark.parametrize(
    "line",
    [
        '{"steps": 3}',
        '{"step": null}',
        '{"step": "3"}',
        '{"step": true}',
        '{"step": NaN}',
        '{"step": 1e999}',
        '{"step": 3, }',
        pytest.param('{"step": 1' + "0" * 400 + "}", id="beyond a float"),
        pytest.param('{"step": 3, "x": ' + "[" * 100_000 + "]" * 100_000 + "}", id="deep"),
    ],
)
def test_a_row_without_a_step_or_beyond_what_json_can_hold_is_damage(file, line):
    file.write_text('{"step": 1}\n' + line + '\n{"step": 5}\n')
    told = []
    assert [row["step"] for row in rows(file, "step", told.append)] == [1, 5]
    assert told[0].startswith(f"{file}, line 2 is damaged: ")
    assert newest(file, "step", ["x", "steps"]) == {}


def test_of_many_damaged_lines_the_first_is_named_and_the_others_counted(file):
    file.write_text('x\n{"step": 1}\ny\nz\n')
    told = []
    assert rows(file, "step", told.append) == [{"step": 1}]
    assert told == [f"{file}, line 1 is damaged: it is no JSON object, and 2 more lines"]


@pytest.mark.parametrize("width", [1, BLOCK // 3, BLOCK - 20, BLOCK, 3 * BLOCK])
def test_the_newest_number_of_a_key_is_found_from_the_end(file, width):
    lines = [{"step": i, "a": i, "b": None, "pad": "x" * width} for i in range(1, 8)]
    lines[2]["b"] = 0.5
    lines[6]["a"] = None
    write(file, lines, b'{"step": 8, "a": 8')
    assert newest(file, "step", ["a", "b", "c"]) == {"a": 6, "b": 0.5}


@pytest.mark.parametrize("until", [0, 3, 3.5, 1000, math.inf])
def test_rows_beyond_the_last_step_that_is_wanted_are_not_there(file, until):
    write(file, [{"step": i, "norm": i} for i in range(1, 1001)])
    last = min(int(until) if math.isfinite(until) else 1000, 1000)
    found = sampled(file, most=10, until=until).rows
    assert [row["step"] for row in found][-1:] == ([last] if last else [])
    assert newest(file, "step", ["norm"], until) == ({"norm": last} if last else {})


@pytest.mark.slow
def test_memory_does_not_grow_with_the_length_of_a_file(file):
    def peak(count):
        with file.open("w") as out:
            for i in range(count):
                out.write(json.dumps({"step": i, "norm": i, "text": "x" * 100}) + "\n")
        tracemalloc.start()
        sampled(file, 50)
        sampled(file, 50, until=500)
        newest(file, "step", ["norm", "absent"])
        used = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return used

    peak(100)  # what is imported and compiled once
    assert peak(40_000) < 1.1 * peak(20_000)


@pytest.mark.parametrize("value", [None, "1", True, [1], math.nan, math.inf, -math.inf])
def test_what_is_no_finite_number_is_nan(value):
    assert math.isnan(number(value))
    assert math.isnan(number(10**400))


@pytest.mark.parametrize("value", [1e39, -1e308, 2**1000])
def test_what_no_float32_holds_is_nan(value):
    assert math.isnan(number(value))


@pytest.mark.parametrize("value", [0, -3, 2.5, 3e38, 2**100, float(np.finfo(np.float32).max)])
def test_a_finite_number_is_itself(value):
    assert number(value) == value
