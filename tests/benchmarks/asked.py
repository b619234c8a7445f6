"""A side of a comparison in a process of its own, which works when it is asked to.

Sides that share a process share its memory: what one has malloc keep, the other does not ask the
system for.
"""

import os
import subprocess
import sys
from collections.abc import Callable, Sequence

from tests.benchmarks.timing import seconds


class Asked:
    """The process of a command that answers each line with one.

    Attributes:
        seconds: what it has answered to `round`.

    Whatever waits for an answer raises SystemExit where the process has ended.
    """

    def __init__(self, argv: Sequence[str]) -> None:
        self._argv = argv
        self._process = subprocess.Popen(
            argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.seconds: list[float] = []

    def ready(self) -> None:
        """Wait for the line by which `answer` begins."""
        self._answer()

    def asked(self) -> str:
        assert self._process.stdin
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        return self._answer()

    def round(self) -> None:
        self.seconds.append(float(self.asked()))

    def end(self) -> None:
        assert self._process.stdin
        self._process.stdin.close()
        self._process.wait()

    def _answer(self) -> str:
        assert self._process.stdout
        line = self._process.stdout.readline()
        if not line:
            raise SystemExit(f"{' '.join(self._argv)}: has ended")
        return line


def answer(prepared: Callable[[], Callable[[], object]]) -> None:
    """Be such a process, whose rounds are calls of what `prepared` returns, in CPU seconds."""
    own = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # whatever else prints
    work = prepared()
    print("ready", file=own, flush=True)
    for _ in sys.stdin:
        print(seconds(work), file=own, flush=True)
