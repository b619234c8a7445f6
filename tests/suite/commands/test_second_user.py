"""Two users on one folder of runs: what one may not write to keeps nothing else from training."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.suite.batch.grids import SMALL

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        os.name != "posix" or os.getuid() != 0 or not shutil.which("setpriv"),
        reason="only root can give files to another user",
    ),
]
OTHER, GROUP = 60_001, 60_000
ORDINARY = ["setpriv", "--bounding-set", "-dac_override,-dac_read_search,-fowner,-chown"]
ORDINARY += ["--inh-caps", "-all"]
"""Root without the right to write everywhere: a user like any other, who can run this Python."""
SOURCE = Path(__file__).parents[3]
GRID = SMALL.replace("game: [Breakout, Pong]", "game: [Pong]")
"""none and l2 with two lambdas, two seeds: 6 runs in 3 directories of schemes."""


@pytest.fixture(autouse=True)
def shared(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("grid.yaml").write_text(GRID)
    return tmp_path


def batch(umask=0o022):
    """`wdbench batch` with scripted training, as an ordinary user of the group."""
    command = [*ORDINARY, sys.executable, "-m", "tests.suite.fake_training"]
    command += ["{}", "batch", "grid.yaml", "--jobs", "1"]
    environment = {**os.environ, "PYTHONPATH": str(SOURCE)}
    return subprocess.run(
        *(command,),
        umask=umask,
        extra_groups=[GROUP],
        env=environment,
        capture_output=True,
        text=True,
    )


def give_away(folder):
    """Make another user the owner, with the modes as they are."""
    for path in (folder, *folder.rglob("*")):
        os.chown(path, OTHER, GROUP)


def ended():
    return sorted(path.parent.parent.name for path in Path().rglob("done.json"))


def begin(**options):
    """A first batch, of which the runs without decay have yet to finish."""
    answer = batch(**options)
    assert answer.returncode == 0, answer.stderr
    for record in Path("runs/rl/Pong/none").glob("*/done.json"):
        record.unlink()


def test_the_directories_of_another_user_fail_with_that_reason_and_the_rest_trains():
    begin()
    give_away(Path("runs/rl/Pong/none"))
    shutil.rmtree("runs/rl/Pong/l2-1e-3")
    answer = batch()
    assert answer.returncode == 1, answer.stderr
    assert ended() == ["l2-1e-3"] * 2 + ["l2-1e-4"] * 2
    assert "4 of 6 done, 2 failed" in answer.stdout
    assert f"cannot be written to; it belongs to user {OTHER}" in answer.stdout
    assert "Traceback" not in answer.stderr


def test_a_directory_that_may_not_even_be_read_fails_alone():
    begin()
    give_away(Path("runs/rl/Pong/none"))
    Path("runs/rl/Pong/none").chmod(0o700)
    answer = batch()
    assert answer.returncode == 1, answer.stderr
    assert "4 of 6 done, 2 failed" in answer.stdout
    assert "Traceback" not in answer.stderr


def test_with_a_shared_group_and_umask_one_user_goes_on_with_what_the_other_began():
    Path("runs").mkdir()
    os.chown("runs", OTHER, GROUP)
    Path("runs").chmod(0o2775)
    begin(umask=0o002)
    give_away(Path("runs"))
    answer = batch(umask=0o002)
    assert answer.returncode == 0, answer.stderr
    assert len(ended()) == 6
    assert {path.stat().st_gid for path in Path("runs").rglob("*")} == {GROUP}
