"""Temporary files of processes that are gone."""

import os
import subprocess
import sys

from suite.runs.leftovers import sweep


def test_only_what_nobody_writes_any_more_goes(tmp_path):
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    host = os.uname().nodename
    (tmp_path / "checkpoint").mkdir()
    killed = [f"{name}.{host}.{gone.pid}.temporary" for name in ("meta.json", "checkpoint/1.pt")]
    old = "plot.png.elsewhere.7.temporary"
    written = [f"plot.png.{host}.{os.getppid()}.temporary", "meta.json.elsewhere.7.temporary"]
    for name in (*killed, old, *written, "somebody's.txt"):
        (tmp_path / name).touch()
    os.utime(tmp_path / old, (0, 0))
    sweep(tmp_path)
    left = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()}
    assert left == {*written, "somebody's.txt"}
