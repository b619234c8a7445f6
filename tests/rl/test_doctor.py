"""What `wdbench doctor` says of games."""

import shutil
from pathlib import Path

import ale_py.roms

from rl import doctor
from rl.config import PAPER_GAMES
from workload import resources


def test_a_rom_that_is_not_on_the_disk_is_named(tmp_path, monkeypatch):
    monkeypatch.setenv("ALE_ROMS_DIR", str(tmp_path))
    shutil.copy(Path(ale_py.roms.__file__).parent / "pong.bin", tmp_path)
    (tmp_path / "breakout.bin").write_bytes(b"no ROM")
    every, papers = doctor.games()
    assert (every.mark, papers.mark) == ("ok", "note")
    assert every.text.endswith("have ROMs: Pong")
    assert all(game in papers.text for game in PAPER_GAMES if game != "Pong")
    assert "Pong" not in papers.text


def test_members_that_fit_are_counted_from_free_memory(monkeypatch):
    monkeypatch.setattr(resources, "free_memory", lambda: 2 * 10**9)
    monkeypatch.setattr(resources, "cuda_memory", lambda: None)
    assert doctor.replay().text.endswith("; 2 members fit")  # of .93 GB
    monkeypatch.setattr(resources, "cuda_memory", lambda: (22 * 10**9, 30 * 10**9))
    assert doctor.replay().text.endswith("; 3 members fit")  # 3 * 7.07 <= 22 < 4 * 7.07
