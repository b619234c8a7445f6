"""Kill training again and again, and compare what comes out of it byte by byte.

    python -m tests.marathon --kills 1000 --workload rl --seed 0

A run is trained once undisturbed. Then the same is trained in processes that end without a warning,
at points drawn at random, each going on where the one before was killed, until one comes to the
end: rows and the last state must be those of the undisturbed run. Then the next run begins, until
so many kills are through. Every process is forked from one that has imported everything.

Points are drawn over time, over lines of code, over operations on files, and over `fsync`, where
the power goes: what no `fsync` has vouched for at the end of a file is then lost.

The record has a line per kill and per run. With an existing record the marathon goes on behind its
last finished run; it ends with 1 as soon as a result differs.
"""

import argparse
import functools
import json
import os
import random
import shutil
import signal
import sys
import time
import traceback
from contextlib import suppress
from pathlib import Path

import pytest

from tests.tiny_runs import COMMANDS, command, small_chunks

REPOSITORY = Path(__file__).parents[1]
KINDS = ("time", "line", "file", "power")
FILE_EVENTS = ("open", "os.rename", "os.remove", "os.truncate", "os.link", "os.mkdir", "os.rmdir")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--kills", type=int, default=1000, metavar="N")
    parser.add_argument("--workload", choices=COMMANDS, default="rl")
    parser.add_argument("--seed", type=int, default=0, metavar="N")
    parser.add_argument("--folder", type=Path, help="default: build/marathon/WORKLOAD-SEED")
    parser.add_argument("--record", type=Path, help="JSON lines; default: record.jsonl in it")
    options = parser.parse_args()
    folder = options.folder or Path("build/marathon", f"{options.workload}-{options.seed}")
    folder.mkdir(parents=True, exist_ok=True)
    record = (options.record or folder / "record.jsonl").resolve()
    os.chdir(folder)
    words = command(options.workload)
    import_everything(options.workload)
    if options.workload == "nlp" and not Path("data").exists():
        from tests.nlp.runs import prepared

        prepared(Path(), train=300, held_out=20, bpe=60)
    reference, seconds = train_undisturbed(words)
    kills, runs = progress_in(record)
    while kills < options.kills:
        runs += 1
        shutil.rmtree("runs", ignore_errors=True)
        draw = random.Random(f"{options.seed} {options.workload} {runs}")
        kills, problem = train_with_kills(*(words, draw, reference, seconds), record, kills, runs)
        if problem:
            shutil.copytree("runs", f"differs-{runs}", dirs_exist_ok=True)
            note(record, {"run": runs, "differs": problem})
            print(f"run {runs} differs: {problem}", flush=True)
            return 1
        note(record, {"run": runs, "kills": kills, "equal": True})
        print(f"{kills} kills in {runs} runs: all equal", flush=True)
    return 0


def import_everything(workload: str) -> None:
    """What every process would begin with."""
    import lightning  # noqa: F401
    import tensorboard.compat.proto.event_pb2  # noqa: F401
    import torch.utils.tensorboard.summary

    from suite.registry import load

    torch.set_num_threads(1)
    load(workload)
    for name in ("training", "recorder", "module"):
        with suppress(ImportError):
            __import__(f"{workload}.{name}")


def train_undisturbed(words: list[str]) -> tuple[dict[str, bytes], float]:
    """The files of the result, by name, and how many seconds it took."""
    shutil.rmtree("runs", ignore_errors=True)
    start = time.monotonic()
    if (code := in_a_process(words, lambda: None)) != 0:
        sys.exit(f"the undisturbed run ended with {code}: {Path('last.txt').read_text()}")
    return result(), time.monotonic() - start


def result() -> dict[str, bytes]:
    """What a run leaves that depends on what was trained alone."""
    (run,) = Path("runs").glob("*/*/*/*")
    from tests.suite.run_files import contents
    from workload.checkpoint_files import CheckpointFiles

    newest = CheckpointFiles(run).entry()["file"]
    found = {
        name: repr(values).encode()
        for name, values in contents(run).items()
        if not name.startswith("checkpoint/") or name.endswith(newest)
    }
    return found | {path.name: path.read_bytes() for path in run.glob("*.jsonl")}


def train_with_kills(words, draw, reference, seconds, record, kills, run):
    """Train a run to its end; returns the kills so far, and what differs, if anything does."""
    for _ in range(10_000):
        kind = draw.choice(KINDS)
        at = point(kind, draw, seconds)
        synced = Path("synced.txt")
        synced.unlink(missing_ok=True)
        before = {path.stat().st_ino: path.stat().st_size for path in run_files()}
        code = in_a_process(words, functools.partial(arm, kind, at, synced))
        if code == -signal.SIGKILL:
            kills += 1
            lost = lose_tails(before, synced, draw) if kind == "power" else 0
            note(record, {"run": run, "kill": kills, "kind": kind, "at": at, "lost": lost})
        elif code == 0:
            found = result()
            names = sorted(set(found) ^ set(reference))
            names += [n for n in found if n in reference and found[n] != reference[n]]
            return kills, ", ".join(names)
        else:
            return kills, f"exit code {code}: {Path('last.txt').read_text()[-2000:]}"
    return kills, "it never came to an end"


def point(kind: str, draw: random.Random, seconds: float) -> float:
    """When to kill, mostly early enough for several kills in a run."""
    if kind == "time":
        return draw.uniform(0.05, 0.8) * seconds
    return draw.randrange(1, {"line": 20_000, "file": 120, "power": 60}[kind])


def in_a_process(words: list[str], begin) -> int:
    """Run the command in a fork of this process; its exit code, or minus the signal at its end."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            output = os.open("last.txt", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            os.dup2(output, 1)
            os.dup2(output, 2)
            import suite.results.run_plot
            from suite.__main__ import main as command_line

            suite.results.run_plot.plot = lambda runs, out: out
            if words[1] == "rl":
                small_chunks(pytest.MonkeyPatch())
            begin()
            code = command_line(words)
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status)


def arm(kind: str, at: float, synced: Path) -> None:
    """Have this process end without a warning at its point."""
    if kind == "time":
        signal.signal(signal.SIGALRM, lambda *_: kill())
        signal.setitimer(signal.ITIMER_REAL, at)
    elif kind == "line":
        kill_at_line(int(at))
    elif kind == "file":
        kill_at_file_event(int(at))
    else:
        kill_at_sync(int(at), synced)


def kill(*_) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def kill_at_line(at: int) -> None:
    """Count lines of what writes and reads a run."""
    watched = ("suite/runs/", "workload/", "recorder.py", "checkpoint", "replay", "kept", "weights")
    left = at

    def trace(frame, event, argument):
        name = frame.f_code.co_filename
        inside = name.startswith(str(REPOSITORY)) and any(part in name for part in watched)
        return count if inside else None

    def count(frame, event, argument):
        nonlocal left
        left -= event == "line"
        if left < 0:
            kill()
        return count

    sys.settrace(trace)


def kill_at_file_event(at: int) -> None:
    left, runs = at, str(Path("runs").absolute())

    def hear(event, arguments):
        nonlocal left
        if event in FILE_EVENTS and "runs" in str(arguments[0]):
            path = os.path.abspath(str(arguments[0]))
            left -= path.startswith(runs)
            if left < 0:
                kill()

    sys.addaudithook(hear)


def kill_at_sync(at: int, synced: Path) -> None:
    """Note how much of which file is on the disk, and end before one of the calls that say so."""
    left, fsync = at, os.fsync

    def noting(descriptor):
        nonlocal left
        left -= 1
        if left < 0:
            kill()
        fsync(descriptor)
        path = os.readlink(f"/proc/self/fd/{descriptor}")
        status = os.fstat(descriptor)
        with synced.open("a") as file:
            file.write(json.dumps([status.st_ino, status.st_size, path]) + "\n")

    os.fsync = noting


def run_files() -> list[Path]:
    return sorted(path for path in Path("runs").rglob("*") if path.is_file())


def lose_tails(before: dict[int, int], synced: Path, draw: random.Random) -> int:
    """Cut files back to what was vouched for, or a little beyond; returns the bytes that were lost.

    Files are known by their number, for they are renamed. What was there `before` the process began
    is on the disk.
    """
    lines = synced.read_text().splitlines() if synced.exists() else []
    vouched = before | {number: size for number, size, _ in map(json.loads, lines)}
    lost = 0
    for path in run_files():
        size, kept = path.stat().st_size, vouched.get(path.stat().st_ino, 0)
        if size > kept:
            cut = draw.randrange(kept, size)
            os.truncate(path, cut)
            lost += size - cut
    return lost


def progress_in(record: Path) -> tuple[int, int]:
    """Kills and runs that a record says are through."""
    lines = record.read_text().splitlines() if record.exists() else []
    through = [entry for entry in map(json.loads, lines) if entry.get("equal")]
    return (through[-1]["kills"], through[-1]["run"]) if through else (0, 0)


def note(record: Path, entry: dict) -> None:
    with record.open("a") as file:
        file.write(json.dumps(entry) + "\n")


if __name__ == "__main__":
    sys.exit(main())
