"""Jobs as tasks of Ray Core, embedded in this process or on a cluster."""

import os
import secrets
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import chdir, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from suite.batch.capacity import Capacity, Node, this_machine
from suite.batch.pool import Ended
from suite.batch.work import LOST, Ending, work_elsewhere
from suite.runs.job import Job
from suite.runs.session import SOURCE
from workload.errors import UserError
from workload.resources import gpu_memories

LONGEST = 107 - len("/ray/session_2026-01-01_00-00-00_000000_0000000/sockets/plasma_store")
"""Bytes of the folder in which Ray makes its own."""
LOOK, SILENCE = 5.0, 30.0
"""Seconds between looks whether the head of the cluster listens, and until it counts as ended."""
ANSWER = 5.0
"""Seconds within which a cluster must answer."""
GREETING = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes([0, 0, 0, 4, 0, 0, 0, 0, 0])
"""What opens HTTP/2, which Ray speaks, with empty settings."""
SETTINGS = bytes([4])
"""The kind of frame that the answer begins with, in its fourth byte."""
HOW_TO_INSTALL = "`pip install 'wdbench[batch]'` installs it"
TOKEN = Path.home() / ".ray" / "auth_token"
"""Where Ray keeps the secret that the machines of a cluster share."""


@dataclass(frozen=True)
class Cluster:
    """Ray, connected: embedded in this process, or a cluster that was there before.

    Attributes:
        ray: the module.
        nodes: the machines.
        embedded: whether it runs this process's jobs alone, no more at once than fit.
    """

    ray: Any
    nodes: list[Node]
    embedded: bool


class ClusterLostError(UserError):
    """The cluster has ended under a batch that was under way."""

    exit_code = 1


def embedded(capacity: Capacity) -> Cluster:
    """Start Ray for this process alone; it ends with it, however that ends.

    Its ports are open to the network, so it has a secret of its own, which no file holds.
    """
    os.environ["RAY_AUTH_MODE"], os.environ["RAY_AUTH_TOKEN"] = "token", secrets.token_hex(32)
    ray = _import_ray()
    with _around_init():
        ray.init(
            address="local",  # also where a cluster runs on this machine
            _temp_dir=_folder_of_sockets(),
            num_cpus=capacity.jobs * capacity.cpus,
            include_dashboard=False,
            log_to_driver=False,
            logging_level="ERROR",
        )
    return Cluster(ray, [this_machine()], embedded=True)


def _folder_of_sockets() -> str | None:
    """Where Ray keeps its session; None for its own choice.

    The path of a socket below it has at most 107 characters, more than what a long TMPDIR leaves;
    without TMPDIR Ray takes /tmp, which POSIX promises, and there a folder that all users share.
    """
    chosen = os.environ.get("RAY_TMPDIR") or os.environ.get("TMPDIR") or ""
    return f"/tmp/ray-{os.getuid()}" if len(os.fsencode(chosen)) > LONGEST else None


def connect(address: str) -> Cluster:
    """Join a cluster that somebody has started.

    Raises:
        UserError: nobody answers at the address, or not Ray.
    """
    ray = _import_ray()
    if address != "auto":
        _check_answer(address)
    try:
        with _around_init():
            ray.init(address=address, log_to_driver=False, logging_level="ERROR")
    except (ConnectionError, RuntimeError, ValueError) as error:
        problem = str(error).splitlines()[0]
        raise UserError(
            f"--address: no Ray cluster lets us in at {address} ({problem}); start one with "
            "`ray start --head`, and both sides need the same token: see docs/clusters.md"
        ) from error
    nodes = [_node(ray, node) for node in ray.nodes() if node["Alive"]]
    return Cluster(ray, nodes, embedded=False)


class RayPool:
    """Jobs as Ray tasks. Ray decides where each runs; it is not asked to repeat any.

    Args:
        cluster: what the tasks run on.
        capacity: cores, GPUs and, on a cluster, memory of a job.
        argv: the command, for the record of a run's session.
    """

    def __init__(self, cluster: Cluster, capacity: Capacity, argv: list[str]) -> None:
        self._ray, self._argv = cluster.ray, argv
        options = {"num_cpus": capacity.cpus, "num_gpus": capacity.gpus, "max_retries": 0}
        if not cluster.embedded:
            options["memory"] = capacity.memory.host
        self._work = cluster.ray.remote(**options)(work_elsewhere)
        self._running: dict[Any, Job] = {}
        self._head = str(cluster.ray.get_runtime_context().gcs_address)
        self._looked, self._silent, self._lost = time.monotonic(), 0.0, False

    def start(self, job: Job) -> None:
        self._running[self._work.remote(job, self._argv, Path.cwd())] = job

    def ended(self, seconds: float) -> Ended:
        if not self._running:
            return []
        self._check_head()
        done, _ = self._ray.wait(list(self._running), timeout=seconds)
        return [(self._running.pop(task), self._ending(task)) for task in done]

    def stop(self) -> None:
        """Ray interrupts a task as Ctrl-C does: it reaches the job's own StopRequest."""
        for task in self._running:
            self._ray.cancel(task, force=False, recursive=False)

    def close(self) -> None:
        if not self._lost:  # Ray would wait for an answer
            self._ray.shutdown()

    def _check_head(self) -> None:
        """Raise ClusterLostError where for long the head has not listened, or no node has lived:
        Ray itself would end this process without a word a minute later, or wait for ever."""
        now = time.monotonic()
        if now - self._looked < LOOK:
            return
        since, self._looked = now - self._looked, now
        host, _, port = self._head.rpartition(":")
        problem = "none of its nodes lives"
        try:
            socket.create_connection((host.strip("[]"), int(port)), timeout=ANSWER).close()
            lives = any(node["Alive"] for node in self._ray.nodes())
        except OSError as error:
            lives, problem = False, f"its head at {self._head}: {error.strerror}"
        self._silent = 0.0 if lives else self._silent + since
        if self._silent > SILENCE:
            self._lost = True
            raise ClusterLostError(f"the Ray cluster has ended ({problem})")

    def _ending(self, task: Any) -> Ending:
        from ray.exceptions import RayError, TaskCancelledError

        try:
            ending: Ending = self._ray.get(task)
        except TaskCancelledError:  # it had not begun
            return Ending(130)
        except RayError as error:
            problem = " ".join(f"{type(error).__name__}: {error}".split())[:300]
            self._check_cluster(problem)
            return Ending(LOST, problem)
        return ending

    def _check_cluster(self, problem: str) -> None:
        """A lost worker is one thing; without any node there is nobody left to work."""
        from ray.exceptions import RayError

        with suppress(RayError, ConnectionError, RuntimeError):
            if any(node["Alive"] for node in self._ray.nodes()):
                return
        self._lost = True
        raise ClusterLostError(f"the Ray cluster has ended ({problem})")


def _import_ray() -> Any:
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    if TOKEN.exists():  # Ray itself would use it everywhere but at a given address
        with suppress(PermissionError):  # another user's
            TOKEN.chmod(0o600)  # Ray makes it readable for everybody
        os.environ.setdefault("RAY_AUTH_MODE", "token")
    try:
        import ray
    except ImportError as error:
        raise UserError(
            f"several jobs at once need Ray; {HOW_TO_INSTALL}; --jobs 1 works without"
        ) from error
    return ray


@contextmanager
def _around_init() -> Iterator[None]:
    """What Ray's beginning would change for all that follows.

    Its handler of SIGTERM would end the process without a word to its jobs. And workers look for
    modules in what is the current folder now: a user's own `workload` or `results` is not meant.
    """
    handler = signal.getsignal(signal.SIGTERM)
    try:
        with chdir(SOURCE):
            yield
    finally:
        signal.signal(signal.SIGTERM, handler)


def _check_answer(address: str) -> None:
    """Ray itself would wait for minutes."""
    host, _, port = address.rpartition(":")
    if not host or not port.isdigit():
        raise UserError(f"--address: {address!r} is neither auto nor HOST:PORT, e.g. 10.0.0.1:6379")
    # then nobody answers a bare greeting
    encrypted = os.environ.get("RAY_USE_TLS", "0").lower() in ("1", "true")
    try:
        with socket.create_connection((host.strip("[]"), int(port)), timeout=ANSWER) as peer:
            peer.sendall(GREETING)
            answer = SETTINGS if encrypted else peer.makefile("rb").read(4)[3:]
    except OSError as error:
        raise UserError(
            f"--address: nobody answers at {address} ({error}); start a cluster with "
            "`ray start --head`, see docs/clusters.md"
        ) from error
    if answer != SETTINGS:
        raise UserError(
            f"--address: what answers at {address} is not Ray; `ray start --head` prints the "
            "address of its cluster"
        )


def _node(ray: Any, node: dict[str, Any]) -> Node:
    """A node of a cluster as Ray counts it. Of GPUs Ray knows the number; the node is asked."""
    resources = node["Resources"]
    gpus = int(resources.get("GPU", 0))
    memories: list[int] = []
    if gpus:
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        here = NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)
        asked = ray.remote(num_cpus=0, scheduling_strategy=here)(gpu_memories)
        with suppress(ray.exceptions.RayError):
            memories = list(ray.get(asked.remote(), timeout=60))[:gpus]
    return Node(
        memory=int(resources.get("memory", 0)),
        cores=int(resources.get("CPU", 0)),
        gpus=tuple(memories or [0] * gpus),
    )
