"""What a report says of the circumstances of its runs."""

import json

import pytest

from suite.results.provenance import provenance
from tests.suite.results.runs import game_run, records_of


def session(start, end, *, revision="abc123", dirty=False, host="alpha", **more):
    return {
        "start": f"2026-11-20T{start}+00:00",
        "end": end and f"2026-11-20T{end}+00:00",
        "git": {"revision": revision, "dirty": dirty},
        "versions": {"python": "3.11.7", "torch": "2.13.0", "fairseq-fixed": None},
        "hardware": {
            "host": host,
            "cpu": "EPYC",
            "cores": 4,
            "memory_bytes": 64e9,
            "gpus": ["H100"],
            "system": "Linux",
        },
        **more,
    }


def text_of(tmp_path, *metas, status="finished"):
    """The provenance of one run per meta, by seed."""
    runs = [
        game_run(tmp_path, "Pong", "none", 0.0, seed, [1.0], status) for seed in range(len(metas))
    ]
    for run, sessions in zip(runs, metas, strict=True):
        (run.path / "meta.json").write_text(json.dumps({"sessions": sessions}))
    return provenance(records_of(runs), ["left out: *x*"]), runs


def line(text, start):
    return next(line for line in text.splitlines() if line.startswith(start))


def test_hours_are_those_between_start_and_end_of_every_session(tmp_path):
    text, runs = text_of(
        tmp_path,
        [session("00:00:00", "01:30:00"), session("02:00:00", "02:15:00")],
        [session("05:00:00", "05:30:00"), session("06:00:00", None)],
    )
    assert "4 sessions, 2.25 hours." in text
    assert "1 sessions have no end (killed, or still running)." in text
    first, second = (line(text.replace("\\", ""), f"| {run.path}") for run in runs)
    assert first.endswith("| finished | 2 | 1.75 |")
    assert second.endswith("| finished | 2 | 0.50 |")


def test_revisions_hardware_and_versions_are_counted(tmp_path):
    text, _ = text_of(
        tmp_path,
        [session("00:00:00", "01:00:00"), session("01:00:00", "02:00:00", dirty=True)],
        [session("00:00:00", "01:00:00", host="beta")],
    )
    assert "* revision abc123: 2 sessions" in text
    assert "* revision abc123 with changes: 1 sessions" in text
    assert "* alpha: EPYC, 4 cores, 64 GB, H100, Linux: 2 sessions" in text
    assert "* beta: EPYC, 4 cores, 64 GB, H100, Linux: 1 sessions" in text
    assert "* python 3.11.7, torch 2.13.0: 3 sessions" in text


def test_errors_of_sessions_are_kept_after_the_run_has_been_finished(tmp_path):
    text, runs = text_of(tmp_path, [session("00:00:00", "01:00:00", error="OSError: disk full")])
    failures = text.partition("## Failures")[2].partition("##")[0].replace("\\", "")
    assert failures.strip() == f"* {runs[0].path}: OSError: disk full"


@pytest.mark.parametrize(
    ("status", "said"), [("failed", "RuntimeError: out of memory"), ("diverged", "diverged")]
)
def test_runs_that_failed_or_diverged_are_named(tmp_path, status, said):
    text, runs = text_of(tmp_path, [session("00:00:00", "01:00:00")], status=status)
    failures = text.partition("## Failures")[2].partition("##")[0].replace("\\", "")
    assert failures.strip() == f"* {runs[0].path}: {said}"


def test_what_was_left_out_is_listed_as_text(tmp_path):
    text, _ = text_of(tmp_path, [])
    assert text.endswith("## Left out\n\n* left out: \\*x\\*\n")


@pytest.mark.parametrize(
    "meta",
    [
        "{",
        "[]",
        '{"sessions": 3}',
        '{"sessions": [null, 3, {"git": 1, "hardware": [], "versions": "x", "start": 5}]}',
        '{"sessions": [{"hardware": {"memory_bytes": 1' + "0" * 400 + ', "gpus": 5}}]}',
        '{"sessions": [{"start": "2026-01-01", "end": "2026-01-01T00:00:00+00:00"}]}',
    ],
    ids=range(6),
)
def test_a_damaged_record_of_sessions_costs_its_hours_alone(tmp_path, meta):
    run = game_run(tmp_path, "Pong", "none", 0.0, 0, [1.0])
    (run.path / "meta.json").write_text(meta)
    text = provenance(records_of([run]), [])
    assert "0.00 hours" in text
    assert "| finished |" in text
