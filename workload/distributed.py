"""Several processes that share the batches of every update, for Lightning's DDP.

The process that asks is rank 0 and keeps the run directory; the others follow it. All of them
build the same module, read the same checkpoint and stop after the same update.
"""

import contextlib
import multiprocessing
import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch
import torch.distributed
import torch.multiprocessing


def any_process(wish: bool, device: torch.device) -> bool:
    """Whether any process has this wish. All of them have to ask, on a device of their own."""
    wishes = torch.tensor(float(wish), device=device)
    torch.distributed.all_reduce(wishes)
    return bool(wishes > 0)


@contextlib.contextmanager
def followers(processes: int, follow: Callable[..., None], *arguments: Any) -> Iterator[None]:
    """Run `follow(rank, *arguments)` in ranks 1 to processes-1, this process being rank 0.

    `follow` and its arguments must be picklable. When the block ends, so do the followers: by
    themselves after a block that ended well, else by force.
    """
    if processes == 1:
        yield
        return
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    spawn = torch.multiprocessing.get_context("spawn")
    started = [
        spawn.Process(target=_follow, args=(rank, port, follow, arguments), daemon=True)
        for rank in range(1, processes)
    ]
    for process in started:
        process.start()
    try:
        with _environment(_variables(0, port)):
            yield
        for process in started:
            process.join(timeout=60)
    finally:
        if torch.distributed.is_initialized():
            torch.distributed.destroy_process_group()
        for process in started:
            process.terminate()
            process.join()


def _follow(rank: int, port: int, follow: Callable[..., None], arguments: tuple[Any, ...]) -> None:
    # A signal to the whole group is rank 0's to answer; the others stop with it, and end with it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    os.environ.update(_variables(rank, port))
    follow(rank, *arguments)


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _variables(rank: int, port: int) -> dict[str, str]:
    """What tells Lightning that the processes are there already."""
    return {
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
        "LOCAL_RANK": str(rank),
        "NODE_RANK": "0",
    }


@contextlib.contextmanager
def _environment(variables: Mapping[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
