"""What a replay's files give back, against the rows themselves."""

import itertools
import zlib

import numpy as np
import pytest

from rl import replay_file, segment
from rl.memory import FRAME
from rl.replay import Replay, Rows
from rl.replay_file import ReplayFile

SEGMENT, BLOCK, CAPACITY = 20, 6, 50


@pytest.fixture(autouse=True)
def small_segments(monkeypatch):
    monkeypatch.setattr(replay_file, "SEGMENT", SEGMENT)
    monkeypatch.setattr(segment, "BLOCK", BLOCK)


def rows(count, seed=0):
    random = np.random.default_rng(seed)
    frames = random.integers(0, 256, (count, *FRAME), dtype=np.uint8)
    frames[:, 10:] = 3
    return Rows(
        frames=frames,
        actions=random.integers(0, 18, count).astype(np.uint8),
        rewards=random.standard_normal(count).astype(np.float32),
        ended=random.random(count) < 0.1,
        ages=random.integers(0, 99, count).astype(np.int32),
    )


def part(all_rows, start, stop):
    return Rows(*(column[start:stop] for column in all_rows))


def empty_replay():
    return Replay(1, CAPACITY, n_step=1, gamma=0.9, batch_size=1, device="cpu")


def write(folder, all_rows, ends, file=None):
    """What a training that saves at some ends would write."""
    file, replay = file or ReplayFile(folder, CAPACITY), empty_replay()
    start = max(file._written - CAPACITY, 0)
    for end in ends:
        replay.restore(0, start, part(all_rows, start, end))
        file.write(replay, 0)
        start = end
    return file


def check(folder, all_rows, end):
    file, replay = ReplayFile(folder, CAPACITY), empty_replay()
    file.read(replay, 0, end)
    first = max(end - CAPACITY, 0)
    for found, expected in zip(replay.rows(0, first, end), part(all_rows, first, end), strict=True):
        np.testing.assert_array_equal(found, expected)
    return file


def uncompressed(folder, all_rows, count):
    """Segments of rows one behind the other, as a plain loop writes them."""
    folder.mkdir()
    for i in range(count):
        frame, action, reward, ended, age = (column[i] for column in all_rows)
        row = b"".join(
            [
                frame.tobytes(),
                bytes([int(action)]),
                np.float32(reward).tobytes(),
                bytes([int(ended)]),
                np.int32(age).tobytes(),
            ]
        )
        with (folder / f"{i - i % SEGMENT:012d}.rows").open("ab") as file:
            file.write(row + zlib.crc32(row).to_bytes(4, "little"))


@pytest.mark.parametrize("seed", range(3))
def test_rows_saved_at_any_ends_come_back(tmp_path, seed):
    random, everything = np.random.default_rng(seed), rows(130, seed)
    ends = sorted({int(end) for end in random.integers(1, 131, 9)})
    file = write(tmp_path, everything, ends)
    # as long as no segment has been forgotten, earlier ends can be read as well
    for end in ends:
        found = check(tmp_path, everything, end)
    assert found.digest == file.digest
    file.forget_before(ends[-1])
    check(tmp_path, everything, ends[-1])
    kept = sorted(int(path.stem) for path in tmp_path.iterdir())
    assert kept[0] == max(ends[-1] - CAPACITY, 0) // SEGMENT * SEGMENT


def test_uncompressed_segments_are_read_and_gone_on_from(tmp_path):
    everything = rows(70)
    uncompressed(tmp_path / "replay", everything, 33)
    file = check(tmp_path / "replay", everything, 28)  # five were leftovers of a kill
    compressed = write(tmp_path / "other", everything, [28])
    assert file.digest == compressed.digest
    again = rows(70, seed=1)
    joined = Rows(
        *(np.concatenate([a[:28], b[28:]]) for a, b in zip(everything, again, strict=True))
    )
    write(None, joined, [31, 45, 70], file)
    check(tmp_path / "replay", joined, 45)
    check(tmp_path / "replay", joined, 70)


@pytest.mark.parametrize("torn", ["cut", "zeros"])
def test_what_a_kill_left_half_written_is_written_again(tmp_path, torn):
    everything = rows(60)
    write(tmp_path, everything, [8])
    path = tmp_path / "000000000000.blocks"
    published = path.read_bytes()
    write(tmp_path, everything, [16], check(tmp_path, everything, 8))
    whole = path.read_bytes()
    assert whole[: len(published)] == published
    random = np.random.default_rng(0)
    for size in random.integers(len(published), len(whole), 12).tolist():
        path.write_bytes(whole[:size] + (b"" if torn == "cut" else bytes(len(whole) - size)))
        write(tmp_path, everything, [12, 30], check(tmp_path, everything, 8))
        check(tmp_path, everything, 30)


def test_two_trainings_from_one_checkpoint_leave_the_rows_of_the_later(tmp_path):
    first = rows(40)
    write(tmp_path, first, [10, 32])
    second = rows(40, seed=1)
    joined = Rows(*(np.concatenate([a[:10], b[10:]]) for a, b in zip(first, second, strict=True)))
    write(tmp_path, joined, [17, 25], check(tmp_path, first, 10))
    check(tmp_path, joined, 25)
    # the rows that only the earlier one has got to are still its own
    both = Rows(*(np.concatenate([a[:25], b[25:]]) for a, b in zip(joined, first, strict=True)))
    check(tmp_path, both, 32)


def test_a_damaged_block_is_named(tmp_path):
    everything = rows(40)
    write(tmp_path, everything, [40])
    path = tmp_path / "000000000020.blocks"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(ValueError, match=rf"{path.name} is damaged in rows \d+ to \d+") as caught:
        check(tmp_path, everything, 40)
    named = [int(word) for word in str(caught.value).replace(":", "").split() if word.isdigit()]
    assert 20 <= named[0] < named[1] < 40


def test_a_damaged_header_is_not_taken_for_a_missing_row(tmp_path):
    everything = rows(20)
    write(tmp_path, everything, [20])
    path = tmp_path / "000000000000.blocks"
    path.write_bytes(b"x" + path.read_bytes()[1:])
    with pytest.raises(ValueError, match=f"{path.name} is damaged where row 0 should be"):
        check(tmp_path, everything, 20)


def test_rows_that_were_never_written_are_named(tmp_path):
    write(tmp_path, rows(40), [33])
    with pytest.raises(ValueError, match=r"000000000020\.blocks lacks rows 33 to 40"):
        check(tmp_path, rows(40), 40)


def test_damage_in_uncompressed_rows_is_named(tmp_path):
    everything = rows(30)
    uncompressed(tmp_path / "replay", everything, 30)
    path = tmp_path / "replay" / "000000000020.rows"
    content = bytearray(path.read_bytes())
    content[7000] ^= 1
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"000000000020.* is damaged"):
        check(tmp_path / "replay", everything, 30)


def test_every_flipped_bit_of_a_small_file_is_found(tmp_path):
    everything = rows(3)
    write(tmp_path, everything, [3])
    path = tmp_path / "000000000000.blocks"
    content = path.read_bytes()
    places = np.random.default_rng(0).integers(0, len(content), 60).tolist()
    for place, bit in zip(
        itertools.chain(range(24), places), itertools.cycle(range(8)), strict=False
    ):
        flipped = bytearray(content)
        flipped[place] ^= 1 << bit
        path.write_bytes(flipped)
        with pytest.raises(ValueError, match=r"damaged|lacks"):
            check(tmp_path, everything, 3)
