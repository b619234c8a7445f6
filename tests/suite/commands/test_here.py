"""`wdbench` alone: where one stands, and what to do next."""

import json

from suite.__main__ import main
from suite.commands.demo import demos
from tests.suite.fake_training import metrics_row
from tests.suite.run_files import finish, make_run, make_translation


def said(capsys):
    assert main([]) == 0
    return capsys.readouterr().out


def test_where_nothing_has_run_it_offers_what_runs_at_once(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    text = said(capsys)
    assert demos().keys() == {"rl", "nlp", "vision", "lm"}
    assert all(f"  wdbench demo {name} " in text for name in demos())


def test_runs_are_counted_by_what_they_are_trained_on(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for seed in range(3):
        finish(make_run("runs", seed=seed))
    make_run("runs", game="Breakout", rows=[metrics_row(1000)])
    finish(make_translation("runs", data="texts/mine"), "diverged")
    lines = said(capsys).splitlines()
    assert "5 runs in runs/" in lines
    assert "  nlp  mine      1 diverged" in lines
    assert "  rl   Breakout  1 unfinished" in lines
    assert "  rl   Pong      3 finished" in lines


def test_what_was_stopped_is_named_by_its_own_command_once(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    argv = ["run", "rl", "--preset", "demo", "--runs", "my runs"]
    for seed in range(2):
        sessions = [{"argv": ["wdbench", "run", "rl"]}, {"argv": ["/bin/wdbench", *argv]}]
        path = make_run("runs", seed=seed).path
        (path / "meta.json").write_text(json.dumps({"sessions": sessions}))
    finish(make_run("runs", seed=2))
    text = said(capsys)
    assert text.count("  wdbench run rl --preset demo --runs 'my runs'\n") == 1
    assert text.count("wdbench run") == 1


def test_records_that_are_damaged_stop_nothing(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    path = make_run("runs").path
    (path / "done.json").write_text("{")
    (make_run("runs", seed=1).path / "meta.json").write_text("[]")
    line = next(line for line in said(capsys).splitlines() if line.startswith("  rl  Pong  "))
    assert set(line.removeprefix("  rl  Pong  ").split(", ")) == {"1 damaged", "1 unfinished"}
