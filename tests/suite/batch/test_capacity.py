"""How many jobs machines run at once, and the share of each."""

import pytest

from suite.batch.capacity import Capacity, Demand, Node, capacity, this_machine
from workload import resources
from workload.errors import UserError
from workload.resources import FreeMemory

LAPTOP = Node(memory=24_000, cores=2, gpus=())
BOX = Node(memory=64_000, cores=16, gpus=(80_000, 80_000))
SMALL = Node(memory=10_000, cores=4, gpus=(24_000,))


@pytest.mark.parametrize(
    ("demand", "nodes", "expected"),
    [
        (Demand(), [LAPTOP], Capacity(2, 1, 0.0, FreeMemory(12_000, 0))),
        (Demand(jobs=1), [LAPTOP], Capacity(1, 1, 0.0, FreeMemory(24_000, 0))),
        (Demand(jobs=4), [LAPTOP], Capacity(4, 1, 0.0, FreeMemory(6_000, 0))),
        (Demand(cpus=2), [LAPTOP], Capacity(1, 2, 0.0, FreeMemory(24_000, 0))),
        # a GPU each, and the cores shared
        (Demand(), [BOX], Capacity(2, 8, 1.0, FreeMemory(32_000, 80_000))),
        (Demand(gpus=0.25), [BOX], Capacity(8, 2, 0.25, FreeMemory(8_000, 20_000))),
        (Demand(gpus=2), [BOX], Capacity(1, 16, 2.0, FreeMemory(64_000, 80_000))),
        (Demand(gpus=0), [BOX], Capacity(16, 1, 0.0, FreeMemory(4_000, 0))),
        # three GPUs, four jobs on each; the cores are enough for ten
        (
            Demand(gpus=0.25),
            [Node(10_000, 10, (40, 40, 40))],
            Capacity(10, 1, 0.25, FreeMemory(1_000, 10)),
        ),
        # of several machines the smallest share counts
        (Demand(), [BOX, SMALL], Capacity(3, 4, 1.0, FreeMemory(10_000, 24_000))),
        # a machine without a GPU takes no part where jobs need one
        (Demand(), [BOX, LAPTOP], Capacity(2, 8, 1.0, FreeMemory(32_000, 80_000))),
    ],
)
def test_jobs_and_shares(demand, nodes, expected):
    assert capacity(demand, nodes) == expected


@pytest.mark.parametrize(
    ("demand", "message"),
    [
        (Demand(gpus=3), "no machine has more than 2 GPUs and 16 cores"),
        (Demand(cpus=32), "a job takes 1 GPU and 32 cores"),
        (Demand(jobs=0), "--jobs: 0 is below 1"),
        (Demand(cpus=0), "--cpus-per-job: 0 is below 1"),
        (Demand(gpus=-1), "--gpus-per-job: -1 is no number of GPUs"),
        (Demand(gpus=float("nan")), "--gpus-per-job: nan is no number of GPUs"),
        (Demand(gpus=float("inf")), "--gpus-per-job: inf is no number of GPUs"),
        (Demand(gpus=1.5), "--gpus-per-job: 1.5 is neither a fraction of 1 nor a whole number"),
    ],
)
def test_what_cannot_be_had_is_said_with_what_there_is(demand, message):
    with pytest.raises(UserError) as error:
        capacity(demand, [BOX, LAPTOP])
    assert message in str(error.value)


@pytest.mark.parametrize(
    ("visible", "expected"),
    [
        (None, (10, 20, 30)),
        ("", ()),
        ("-1", ()),
        ("NoDevFiles", ()),
        ("2,0", (30, 10)),
        ("GPU-5a3f, GPU-77b0", (10, 10)),
    ],
)
def test_gpus_that_the_process_may_not_see_are_not_counted(monkeypatch, visible, expected):
    monkeypatch.setattr(resources, "gpu_memories", lambda: [10, 20, 30])
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert this_machine().gpus == expected
