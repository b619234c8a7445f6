"""Work on the lines of a text in several processes."""

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing.connection import wait
from typing import TypeVar

CHUNK = 4000  # lines per task: about .3 s of tokenisation

Argument = TypeVar("Argument")


class Lines:
    """Applies functions `(lines, argument) -> lines` to long texts, in order."""

    def __init__(self, executor: Executor | None) -> None:
        self._executor = executor

    def apply(
        self,
        function: Callable[[Sequence[str], Argument], list[str]],
        lines: Sequence[str],
        argument: Argument,
        progress: Callable[[int], None] = lambda _: None,
    ) -> list[str]:
        """The function's lines for all lines. `progress` is told how many more are done."""
        chunks = [lines[start : start + CHUNK] for start in range(0, len(lines), CHUNK)]
        mapped = map if self._executor is None else self._executor.map
        result: list[str] = []
        for done in mapped(function, chunks, [argument] * len(chunks)):
            result += done
            progress(len(done))
        return result


@contextmanager
def workers(jobs: int) -> Iterator[Lines]:
    """`jobs` processes for the block; with 1 the work stays in this process."""
    if jobs == 1:
        yield Lines(None)
        return
    # Fork would copy the threads' locks of a process that has torch in it.
    context = multiprocessing.get_context("spawn")
    executor = ProcessPoolExecutor(jobs, mp_context=context, initializer=_start)
    try:
        yield Lines(executor)
    finally:
        executor.shutdown(cancel_futures=True)


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _start() -> None:
    """^C is the parent's to handle; a worker whose parent was killed ends too."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)
