"""Tensors in a file are what they were, and not in memory."""

import errno
import io
import subprocess
import sys
import tempfile
from unittest import mock

import pytest
import torch

from workload.laid_aside import laid_aside

GIVEN = {
    "matrix": torch.arange(6.0).view(2, 3),
    "transposed": torch.arange(6.0).view(2, 3).T,
    "short": torch.tensor([1.5, -2.0, 3.0], dtype=torch.bfloat16),
    "number": torch.tensor(7.0, dtype=torch.float64),
    "empty": torch.empty(0, 4),
    "parameter": torch.nn.Parameter(torch.ones(5)),
}


def check(kept):
    assert list(kept) == list(GIVEN)
    for name, tensor in GIVEN.items():
        assert kept[name].dtype == tensor.dtype
        assert torch.equal(kept[name], tensor.detach())
        assert not kept[name].requires_grad


@pytest.mark.filterwarnings("error")
def test_they_are_copies():
    kept = laid_aside(GIVEN)
    check(kept)
    GIVEN["matrix"].add_(1)
    assert not torch.equal(kept["matrix"], GIVEN["matrix"])
    GIVEN["matrix"].sub_(1)
    assert laid_aside({}) == {}


def test_without_room_they_are_in_memory(monkeypatch):
    full = mock.Mock(side_effect=OSError(errno.ENOSPC, "no room"))
    monkeypatch.setattr(tempfile, "TemporaryFile", full)
    check(laid_aside(GIVEN))
    assert full.called


def test_without_a_device_they_stay_so():
    with torch.device("meta"):
        kept = laid_aside({"one": torch.ones(3)})
    assert kept["one"].is_meta


def test_a_file_that_fills_up_leaves_them_in_memory(monkeypatch):
    class Full(io.BytesIO):
        def write(self, data):
            raise OSError(errno.ENOSPC, "no room")

    monkeypatch.setattr(tempfile, "TemporaryFile", Full)
    check(laid_aside(GIVEN))


MEASURED = """
import torch
from workload.laid_aside import laid_aside

def peak():
    status = open("/proc/self/status").read()
    return int(status.partition("VmHWM:")[2].split()[0]) // 1024

laid_aside({"one": torch.ones(10)})
given = torch.ones(64, 1024, 1024)
before = peak()
kept = laid_aside({"given": given})
after = peak()
assert kept["given"].sum() == given.numel()
print(after - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc/self/status")
def test_they_take_no_memory_until_they_are_read():
    """256 MB of them, of which a copy in memory would take as much."""
    out = subprocess.run([sys.executable, "-c", MEASURED], check=True, capture_output=True).stdout
    assert int(out) < 16
