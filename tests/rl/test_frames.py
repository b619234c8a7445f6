"""Compressed frames against raw ones."""

import numpy as np
import pytest
import torch

from rl import frames
from rl.frames import CompressedFrames, RawFrames
from rl.memory import PIXELS

HOST = torch.device("cpu")


@pytest.fixture(autouse=True)
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frames, "PAGE", 4)
    monkeypatch.setattr(frames, "SAMPLES", 50)
    monkeypatch.setattr(frames, "LOOK", 100)


def pictures(random: np.random.Generator, count: int, level: int = 9) -> torch.Tensor:
    """A background, that of a level, with a patch of noise somewhere, as games have."""
    result = np.tile(
        np.random.default_rng(level).integers(0, 256, PIXELS, dtype=np.uint8), (count, 1)
    )
    for picture in result:
        at = random.integers(PIXELS - 60)
        picture[at : at + 60] = random.integers(0, 256, 60)
    return torch.from_numpy(result)


def noise(random: np.random.Generator, count: int) -> torch.Tensor:
    return torch.from_numpy(random.integers(0, 256, (count, PIXELS), dtype=np.uint8))


def constant(random: np.random.Generator, count: int) -> torch.Tensor:
    return torch.full((count, PIXELS), 7, dtype=torch.uint8)


@pytest.mark.parametrize("kind", [pictures, noise, constant])
def test_what_is_read_is_what_was_written_last(kind) -> None:
    random = np.random.default_rng(0)
    raw, compressed = RawFrames(30, HOST), CompressedFrames(30)
    everything = torch.arange(30)
    for _ in range(20):  # the dictionary is trained on the way
        slots = torch.from_numpy(random.choice(30, size=random.integers(1, 9), replace=False))
        content = kind(random, len(slots))
        for store in (raw, compressed):
            store.put(slots, content)
    unwritten = everything[torch.from_numpy(compressed._lengths == 0)]
    for store in (raw, compressed):
        store.put(unwritten, noise(np.random.default_rng(1), len(unwritten)))
    for _ in range(5):
        slots = torch.from_numpy(random.integers(0, 30, 40))
        outs = [torch.empty((40, PIXELS), dtype=torch.uint8) for _ in range(2)]
        for store, out in zip((raw, compressed), outs, strict=True):
            store.gather(slots, out)
        assert torch.equal(*outs)


def test_a_ring_that_is_written_again_and_again_keeps_no_more_than_its_frames() -> None:
    random = np.random.default_rng(0)
    store = CompressedFrames(64)
    sizes = []
    for start in range(0, 640, 8):
        store.put(torch.arange(start, start + 8) % 64, pictures(random, 8))
        sizes.append(store.nbytes)
    assert sizes[-1] < 1.1 * sizes[8]
    live = int(store._lengths.sum())
    assert sum(map(len, store._pages)) == live


def test_frames_of_noise_take_what_they_are_and_little_more() -> None:
    store = CompressedFrames(64)
    store.put(torch.arange(64), noise(np.random.default_rng(0), 64))
    raw = 64 * PIXELS
    assert raw < store.nbytes < 1.02 * raw + frames.DICTIONARY


def test_a_dictionary_makes_pictures_several_times_as_small() -> None:
    random = np.random.default_rng(0)
    store = CompressedFrames(120)
    store.put(torch.arange(40), pictures(random, 40))
    before = store._lengths[:40].mean()
    store.put(torch.arange(40, 120), pictures(random, 80))
    assert store._lengths[60:].mean() < 0.2 * before


def test_frames_of_another_level_get_a_dictionary_of_their_own_and_used_up_ones_go() -> None:
    random = np.random.default_rng(0)
    store, raw = CompressedFrames(300), RawFrames(300, HOST)
    for at in range(0, 1_200, 20):
        slots = torch.arange(at, at + 20) % 300
        content = pictures(random, 20, level=at // 400)
        for each in (store, raw):
            each.put(slots, content)
        if at == 380:
            known = store._lengths[200:300].mean()
    assert store._codec >= 3
    assert store._lengths[100:].mean() < 1.5 * known
    assert set(store._uses) == set(store._decompress) == set(store._codecs.tolist())
    everything = torch.arange(300)
    outs = [torch.empty((300, PIXELS), dtype=torch.uint8) for _ in range(2)]
    for each, out in zip((store, raw), outs, strict=True):
        each.gather(everything, out)
    assert torch.equal(*outs)


def test_frames_are_compressed_beside_a_gpu_where_they_fit_neither_memory(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    frame, device = PIXELS, torch.device("cuda")
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (1000 * frame, 2000 * frame))
    monkeypatch.setattr("workload.resources.free_memory", lambda: 1500 * frame)
    assert not frames.compresses(device, 2, 400)
    assert not frames.compresses(device, 3, 500)  # in the host's memory
    assert frames.compresses(device, 4, 400)
    assert frames.compresses(HOST, 1, 10)
