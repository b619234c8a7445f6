"""`wdbench doctor` says what is there, and fails only where training cannot run."""

import importlib.metadata
import importlib.util

import pytest

from rl.config import PAPER_GAMES
from suite.__main__ import main
from suite.commands import doctor


def test_a_machine_that_can_train_passes(capsys):
    assert main(["doctor"]) == 0
    out = capsys.readouterr().out
    assert "Training can run." in out
    for word in (
        "python",
        "torch",
        "ale_py",
        "psutil",
        "docstring_parser",
        "cuda",
        "memory",
        "C++ compiler",
        "lightning",
    ):
        assert word in out
    replay = "1,000,000 transitions take up to 925 MB per member on a CPU, 7.07 GB on a GPU"
    assert replay in " ".join(out.split())
    assert all(game in out for game in PAPER_GAMES)


def test_a_missing_package_is_named_and_fails(capsys, monkeypatch):
    monkeypatch.setattr(doctor, "NEEDED", ("no_such_package",))
    assert main(["doctor"]) == 1
    out = capsys.readouterr().out
    assert "missing  no_such_package" in out
    assert "1 missing: training cannot run" in out


def test_no_compiler_is_a_note_with_a_way_out(monkeypatch):
    monkeypatch.setattr(doctor.shutil, "which", lambda name: None)
    (finding,) = doctor.compiler()
    assert finding.mark == "note"
    assert "install g++" in finding.text


@pytest.mark.parametrize(
    ("text", "expected"),
    [("from suite.__main__ import lightning", "ok"), ("from lightning_sdk import main", "note")],
)
def test_it_tells_our_lightning_from_another(tmp_path, monkeypatch, text, expected):
    script = tmp_path / "lightning"
    script.write_text(text)
    monkeypatch.setattr(doctor.shutil, "which", lambda name: str(script))
    assert next(iter(doctor.commands())).mark == expected


def test_a_package_of_an_extra_that_is_missing_is_a_note_that_says_how_to_install(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    *_, ray = doctor.extras()
    assert (ray.mark, "wdbench[batch]" in ray.text) == ("note", True)


DECLARED = [
    "torch>=2.13",
    'numpy>=1; extra == "whole"',
    'numpy>=9999; extra == "old"',
    'no-such-package>=2; extra == "lacking"',
    'no-such-package>=2; python_version < "3" and extra == "elsewhere"',
    'wdbench[lacking,whole]; extra == "both"',
]


def test_an_extra_that_lacks_something_says_what(monkeypatch):
    monkeypatch.setattr(importlib.metadata, "requires", lambda name: DECLARED)
    findings = {found.topic: found for found in doctor.extras()}
    assert findings["[whole]"].mark == "ok"
    assert "lacks numpy>=9999;" in findings["[old]"].text
    for name in ("lacking", "both"):
        text = f"lacks no-such-package>=2; `pip install 'wdbench[{name}]'`"
        assert (findings[f"[{name}]"].mark, findings[f"[{name}]"].text) == ("note", text)
    assert "[elsewhere]" not in findings
