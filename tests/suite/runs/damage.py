"""Ways in which a file is damaged, and small runs of every workload to do that to."""

import os
import shutil
import stat
from functools import cache
from pathlib import Path

import pytest

from suite.__main__ import main
from suite.runs import session
from tests.list_log import Asked
from tests.tiny_runs import command, small_chunks

WORKLOADS = ("rl", "nlp", "vision", "lm")
STATES = ("early", "late", "finished")
QUICKER = {
    "rl": (*("--training-steps=48", "--evaluation-steps=0", "--warm-up=16", "--epsilon-steps=32"),),
    "nlp": ("--max-tokens=400", "--checkpoint-every=2", "--validation-sentences=4"),
    "vision": (
        *("--data=patterns", "--subset=0", "--crop=1", "--batch-size=16", "--log-every=1"),
        "--checkpoint-every=1",
    ),
    "lm": ("--data=words", "--updates-per-round=10"),
}
VERSIONS = cache(session.versions)


def flip(path):
    if content := bytearray(path.read_bytes()):
        content[len(content) // 2] ^= 1
        path.write_bytes(content)


def cut(path):
    os.truncate(path, path.stat().st_size // 2)


def empty(path):
    os.truncate(path, 0)


def delete(path):
    path.unlink()


def folder_in_its_place(path):
    path.unlink()
    path.mkdir()
    (path / "something").touch()


def unreadable(path):
    """Also for root."""
    path.unlink()
    os.mknod(path, stat.S_IFSOCK | 0o600)


DAMAGES = (flip, cut, empty, delete, folder_in_its_place, unreadable)


def files_of(run):
    return sorted(str(path.relative_to(run)) for path in run.rglob("*") if path.is_file())


def quick(patch):
    """Leave out of a command what takes long and has nothing to do with files."""
    small_chunks(patch)
    patch.setattr("gc.collect", lambda: 0)  # looks through all that is imported
    patch.setattr("suite.results.run_plot.plot", lambda runs, out: out)
    patch.setattr("suite.runs.session.versions", VERSIONS)
    patch.setattr("suite.runs.session.git_state", lambda: None)


class Built:
    """Runs of every workload in every state, each made when it is asked for.

    Args:
        new_folder: makes an empty folder of a name.
    """

    def __init__(self, new_folder):
        self._new_folder, self._folders, self._commands = new_folder, {}, {}
        self._questions = {}

    def command(self, workload):
        """What trains the run, from the folder that has `runs` in it."""
        if workload not in self._commands:
            data = _prepared(workload, self._new_folder(f"{workload}-data"))
            self._commands[workload] = command(workload, *QUICKER[workload], *data)
        return self._commands[workload]

    def folder(self, workload, state):
        """A folder with `runs` in it, and in that one run."""
        key = workload, state
        if key not in self._folders:
            self._folders[key] = self._new_folder(f"{workload}-{state}")
            with pytest.MonkeyPatch.context() as patch:
                quick(patch)
                self._train(workload, state, patch)
        return self._folders[key]

    def run(self, workload, state):
        (found,) = self.folder(workload, state).glob("runs/*/*/*/*")
        return found

    def copy(self, workload, state, to):
        shutil.copytree(self.folder(workload, state), to)

    def _train(self, workload, state, patch):
        words, folder = self.command(workload), self._folders[workload, state]
        asked = Asked()
        if state != "finished":
            self.folder(workload, "finished")
            asked.number = self._questions[workload][state]
        patch.setattr("suite.runs.stop.StopRequest.__call__", lambda _: asked())
        patch.chdir(folder)
        assert main(words) == (0 if state == "finished" else 130)
        (run,) = Path().glob("runs/*/*/*/*")
        if state != "finished":  # as a kill, and a failure before it, leave them
            (run / "progress.json").write_text("{}")
            (run / "failed.json").write_text('{"error": "once"}')
            return
        self._questions[workload] = {"early": asked.questions // 3, "late": asked.questions - 2}
        (run / "plot.png").write_bytes(b"a picture")
        if workload == "vision":
            data = words[-1]
            few = ("--draws=1", "--probes=1", "--images=8", "--device=cpu", data)
            assert main(["sharpness", str(run), *few]) == 0
            assert main(["sharpness", str(run), "--epoch=1", *few]) == 0
        if workload == "rl":
            assert main(["evaluate", str(run), "--episodes=1", "--device=cpu"]) == 0


def _prepared(workload, folder):
    """The flag for a data folder with few data in it."""
    if workload == "rl":
        return ()
    if workload == "nlp":
        pytest.importorskip("fairseq", reason="fairseq is not installed")
        from tests.nlp.runs import prepared

        return (f"--data-dir={prepared(folder, train=100, held_out=10, bpe=60)}",)
    if workload == "vision":
        from tests.vision.runs import prepared
    else:
        from tests.lm.runs import prepared
    return (f"--data-dir={prepared(folder)}",)
