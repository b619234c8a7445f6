"""`wdbench doctor` says what is there, and fails only where training cannot run."""

import shutil
from pathlib import Path

import ale_py.roms
import numpy as np
import pytest

from rl.config import PAPER_GAMES
from suite import doctor, resources
from suite.__main__ import main
from tests.suite.runs import make_corpus


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
    assert "1,000,000 transitions take 7.07 GB per member" in out
    assert all(game in out for game in PAPER_GAMES)


def test_a_missing_package_is_named_and_fails(capsys, monkeypatch):
    monkeypatch.setattr(doctor, "NEEDED", ("no_such_package",))
    assert main(["doctor"]) == 1
    out = capsys.readouterr().out
    assert "missing  no_such_package" in out
    assert "1 missing: training cannot run" in out


def test_a_rom_that_is_not_on_the_disk_is_named(tmp_path, monkeypatch):
    monkeypatch.setenv("ALE_ROMS_DIR", str(tmp_path))
    shutil.copy(Path(ale_py.roms.__file__).parent / "pong.bin", tmp_path)
    (tmp_path / "breakout.bin").write_bytes(b"no ROM")
    every, papers = doctor.games()
    assert (every.mark, papers.mark) == ("ok", "note")
    assert every.text.endswith("have ROMs: Pong")
    assert all(game in papers.text for game in PAPER_GAMES if game != "Pong")
    assert "Pong" not in papers.text


def test_a_package_of_an_extra_that_is_missing_is_a_note_that_says_how_to_install(monkeypatch):
    (_, translation), (_, batch) = doctor.EXTRAS
    several = ((("no_such_package", "numpy"), translation), (("no_such_package",), batch))
    monkeypatch.setattr(doctor, "EXTRAS", several)
    absent, present, ray = doctor.extras()
    assert (absent.mark, absent.topic) == ("note", "no_such_package")
    assert "translation needs it" in absent.text
    assert "`make nlp`" in absent.text
    assert (present.mark, present.text) == ("ok", np.__version__)
    assert (ray.mark, "wdbench[batch]" in ray.text) == ("note", True)


def test_prepared_corpora_are_listed_and_damaged_ones_named(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (finding,) = doctor.corpora()
    assert (finding.mark, "`wdbench prepare`" in finding.text) == ("note", True)
    make_corpus("data", "multi30k", bpe=5000, joined=True)
    damaged = make_corpus("data", "iwslt14", bpe=10000, joined=False)
    (damaged / "corpus.json").write_text("nonsense")
    note, found = doctor.corpora()
    assert "data/iwslt14/bpe-10000/corpus.json is damaged" in note.text
    assert found.text == "prepared: data/multi30k/bpe-5000-joined (de-en, 29,000 pairs)"


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


def test_members_that_fit_are_counted_from_free_memory(monkeypatch):
    monkeypatch.setattr(resources, "free_memory", lambda: 15 * 10**9)
    monkeypatch.setattr(resources, "cuda_memory", lambda: None)
    texts = {finding.topic: finding.text for finding in doctor.memory()}
    assert texts["replay"].endswith("; 2 members fit")  # 2 * 7.07 <= 15 < 3 * 7.07
