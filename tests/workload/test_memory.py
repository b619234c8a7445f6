"""What is freed is not asked for again."""

import os
import platform
import subprocess
import sys

import pytest

RETURNED = """
import ctypes, psutil
import numpy as np
from workload.memory import give_memory_back, keep_freed_memory

keep_freed_memory()
before = psutil.Process().memory_info().rss
blocks = [np.ones(8_000_000) for _ in range(4)]
above = ctypes.create_string_buffer(100_000)
del blocks
kept = psutil.Process().memory_info().rss
give_memory_back()
print(kept - before, psutil.Process().memory_info().rss - before)
"""
PROGRAM = """
import resource, sys
import numpy as np
from workload.memory import keep_freed_memory

if sys.argv[1] == "kept":
    keep_freed_memory()
np.ones(8_000_000)
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(20):
    np.ones(8_000_000)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""
PAGES = 8_000_000 * 8 // 4096


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="no glibc here")
def test_freed_memory_is_used_again():
    faults = {
        # numpy asks for pages of 2 MB, torch does not
        way: int(
            subprocess.check_output(
                [sys.executable, "-c", PROGRAM, way],
                env={**os.environ, "NUMPY_MADVISE_HUGEPAGE": "0"},
            )
        )
        for way in ("kept", "given back")
    }
    assert faults["kept"] < PAGES // 10
    assert faults["given back"] > PAGES  # else this machine could not show it


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="no glibc here")
def test_what_a_training_kept_is_given_back_at_its_end():
    kept, left = map(int, subprocess.check_output([sys.executable, "-c", RETURNED]).split())
    assert kept > 4 * 8_000_000 * 8 * 0.9
    assert left < kept / 10
