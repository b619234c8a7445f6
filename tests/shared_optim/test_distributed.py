"""FSDP2, tensor parallel, DDP, ZeRO and torch's checkpoints, in two real processes.

The cases are in `two_processes.py`. They run once, in one process group: what costs here is the
start of a process.
"""

import json
import os
import subprocess
import sys

import pytest
import torch

from tests.shared_optim import two_processes

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not torch.distributed.is_available(), reason="needs gloo"),
]


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """What each of the processes found, by case."""
    folder = tmp_path_factory.mktemp("two_processes")
    command = [sys.executable, "-m", two_processes.__name__, str(folder)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr
    return [json.loads((folder / f"{rank}.json").read_text()) for rank in range(2)]


@pytest.mark.parametrize("case", two_processes.CASES)
def test_in_two_processes(case, found):
    for rank, each in enumerate(found):
        assert not each[case], f"process {rank}: {each[case]}"
