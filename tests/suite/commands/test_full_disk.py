"""A real file system without room under one scheme of a batch: the rest trains, all is kept."""

import shutil
import subprocess
from pathlib import Path

import pytest

from rl.workload import WORKLOAD as RL
from suite.__main__ import main
from suite.batch.capacity import Node
from suite.commands import batch
from tests.suite.batch.grids import SMALL, write_grid
from tests.suite.run_files import record, run_paths

ONE = ["batch", "grid.yaml", "--jobs", "1", "--device", "cpu"]
PLACE = Path("runs/rl/Pong/none")


def mount(*options):
    command = ["mount", "-t", "tmpfs", "-o", ",".join(options), "tmpfs", str(PLACE)]
    return subprocess.run(command, capture_output=True).returncode == 0


@pytest.fixture
def small_disk(training, monkeypatch):
    """16 kB under the runs of none, of which another file has all."""
    training()
    monkeypatch.setattr(batch, "this_machine", lambda: Node(10**12, 2, ()))
    monkeypatch.setattr(RL, "check", lambda recipe, machine, runs: None)
    PLACE.mkdir(parents=True)
    if not shutil.which("mount") or not mount("size=16k"):
        pytest.skip("file systems cannot be mounted here")
    with pytest.raises(OSError, match="No space left"), (PLACE / "film.bin").open("wb") as file:
        file.write(bytes(1 << 20))
    yield
    subprocess.run(["umount", str(PLACE)], check=True)


def test_what_lies_on_a_full_disk_fails_alone_and_trains_once_there_is_room(small_disk, capsys):
    write_grid(SMALL.replace("game: [Breakout, Pong]", "game: [Pong]"))
    assert main(ONE) == 1
    said = capsys.readouterr()
    assert "4 of 6 done, 2 failed" in said.out
    assert "no space is left on the disk" in said.out
    assert "Traceback" not in said.err
    assert mount("remount", "size=10m")
    assert main([*ONE, "--retry-failed"]) == 0
    assert {record(path, "done.json")["status"] for path in run_paths()} == {"finished"}
    assert len(run_paths()) == 6
