"""Bytes to floats in C: torch's own numbers in torch's own layout."""

import pytest
import torch

from rl import frames_to_float
from rl.frames_to_float import stacks_to_float
from rl.memory import FRAME
from shared_optim.compiler import CompileError

DTYPES = [torch.float32, torch.bfloat16]
GATHERED = torch.randint(256, (40, 6, *FRAME), dtype=torch.uint8, generator=torch.manual_seed(0))
"""As the replay gives them: states share frames."""
STACKS = {
    "next to each other": GATHERED[:32, :4].contiguous(),
    "a replay's states": GATHERED[:, :4],
    "a replay's next states": GATHERED[:32, -4:],
    "one": GATHERED[:1, 1:5],
    "every other one": GATHERED[::2, :4],
    "none": GATHERED[:0, :4],
    "rows and columns exchanged": GATHERED[:, :4].transpose(2, 3),
    "every other frame": torch.cat([GATHERED, GATHERED], 1)[:, :8:2],
    "bytes of every value": torch.arange(256).repeat(441)[: 4 * 84 * 84].view(1, 4, *FRAME).byte(),
}


def by_torch(stacks, dtype):
    return stacks.to(dtype, memory_format=torch.channels_last)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", STACKS)
def test_it_is_what_torch_gives(name, dtype):
    ours, theirs = stacks_to_float(STACKS[name], dtype), by_torch(STACKS[name], dtype)
    assert torch.equal(ours, theirs)
    assert (ours.dtype, ours.stride()) == (theirs.dtype, theirs.stride())


@pytest.mark.parametrize("dtype", DTYPES)
def test_it_is_compiled_where_there_is_a_compiler(dtype):
    assert frames_to_float._compiled(dtype) is not None


def test_several_threads_write_the_same():
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        ours = stacks_to_float(GATHERED[:, :4], torch.float32)
    finally:
        torch.set_num_threads(before)
    assert torch.equal(ours, by_torch(GATHERED[:, :4], torch.float32))


def test_without_a_compiler_torch_does_it(monkeypatch):
    def fails(text, arguments):
        raise CompileError("none")

    monkeypatch.setattr(frames_to_float, "c_function", fails)
    frames_to_float._compiled.cache_clear()
    try:
        ours = stacks_to_float(GATHERED[:, :4], torch.float32)
        assert frames_to_float._compiled(torch.float32) is None
    finally:
        frames_to_float._compiled.cache_clear()
    assert torch.equal(ours, by_torch(GATHERED[:, :4], torch.float32))


def test_other_dtypes_are_torchs():
    assert torch.equal(
        stacks_to_float(GATHERED[:, :4], torch.float64), by_torch(GATHERED[:, :4], torch.float64)
    )
