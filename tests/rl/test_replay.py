"""The replay against an oracle that keeps whole episodes as lists."""

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
import torch

from rl.memory import raw_replay_bytes
from rl.replay import CLOSING, Batch, Replay

GAMMA = 0.9
DEVICES = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]


@dataclass
class Row:
    """One step and where it stands in its episode."""

    frame: np.ndarray
    action: int
    reward: float
    ended: bool
    episode: list["Row"]
    position: int


@dataclass
class Oracle:
    """One member's history: episodes as lists of rows, and the rows in order."""

    rows: list[Row] = field(default_factory=list)
    going_on: bool = False

    def append(self, frame: np.ndarray, action: int, reward: float, ended: bool) -> None:
        episode = self.rows[-1].episode if self.going_on else []
        self.rows.append(Row(frame, action, reward, ended, episode, len(episode)))
        episode.append(self.rows[-1])
        self.going_on = not ended

    def state(self, row: Row) -> np.ndarray:
        """The row's frame and the three before it in its episode, zeros before the first."""
        before = [earlier.frame for earlier in row.episode[: row.position + 1]]
        return np.stack([np.zeros((84, 84), np.uint8)] * (4 - len(before[-4:])) + before[-4:])

    def sampleable(self, capacity: int, n_step: int) -> list[Row]:
        """The rows i for which rows i-3 to i+n are written and not yet overwritten."""
        return [
            row
            for i, row in enumerate(self.rows)
            if len(self.rows) - capacity <= i - 3 and i + n_step < len(self.rows)
        ]

    def transition(self, row: Row, n_step: int) -> tuple[np.ndarray, int, float, float, object]:
        """State, action, n-step reward, discount, and next state or None at the episode's end."""
        steps = row.episode[row.position : row.position + n_step]
        reward = sum(GAMMA**j * step.reward for j, step in enumerate(steps))
        ended = row.position + n_step >= len(row.episode)
        following = None if ended else self.state(row.episode[row.position + n_step])
        return self.state(row), row.action, reward, 0.0 if ended else GAMMA**n_step, following


def write(
    replay: Replay,
    frames: np.ndarray,
    actions: np.ndarray,
    rewards: np.ndarray,
    ended: np.ndarray,
    active: np.ndarray,
) -> None:
    """A whole row of every active member, as a block writes it."""
    tensors = [frames, actions.astype(np.uint8), rewards, ended, active]
    there = [torch.from_numpy(array).to(replay.storage) for array in tensors]
    replay.begin(there[0], there[4])
    replay.appended += active
    replay.complete(*there[1:])


def sample(replay: Replay, uniforms: np.ndarray) -> Batch:
    replay.check_sampleable(np.ones(len(uniforms), dtype=bool))
    return replay.sample(torch.from_numpy(uniforms).to(replay.storage))


class World:
    """A replay and one oracle per member, fed with the same random history."""

    def __init__(
        self,
        seed: int,
        members: int,
        capacity: int,
        n_step: int,
        device: str = "cpu",
        *,
        compress: bool = False,
    ) -> None:
        self.random = np.random.default_rng(seed)
        self.replay = Replay(
            members,
            capacity,
            n_step=n_step,
            gamma=GAMMA,
            batch_size=capacity,
            device=device,
            compress=compress,
        )
        self.oracles = [Oracle() for _ in range(members)]
        self.capacity, self.n_step = capacity, n_step

    def tick(self, episode_length: float, activity: float = 1.0) -> None:
        """Every member acts with probability `activity` and its episode ends with 1 in length."""
        members = len(self.oracles)
        frames = self.random.integers(1, 256, (members, 84, 84), dtype=np.uint8)
        actions = self.random.integers(0, 18, members)
        rewards = self.random.integers(-1, 2, members).astype(np.float32)
        ended = self.random.random(members) < 1 / episode_length
        active = self.random.random(members) < activity
        write(self.replay, frames, actions, rewards, ended, active)
        for k in np.flatnonzero(active):
            self.oracles[k].append(frames[k], int(actions[k]), float(rewards[k]), bool(ended[k]))

    def check(self) -> None:
        """Points at the middle of every sampleable row's share, and compares what comes out."""
        expected = [oracle.sampleable(self.capacity, self.n_step) for oracle in self.oracles]
        shares = [(np.arange(self.capacity) % len(rows) + 0.5) / len(rows) for rows in expected]
        batch = sample(self.replay, np.stack(shares))
        for k, rows in enumerate(expected):
            for b, row in enumerate(rows):
                self.check_transition(k, row, batch, b)

    def check_transition(self, k: int, row: Row, batch: Batch, b: int) -> None:
        check_transition(self.oracles[k].transition(row, self.n_step), batch, k, b)


def check_transition(expected: tuple[Any, ...], batch: Batch, k: int, b: int) -> None:
    state, action, reward, discount, following = expected
    np.testing.assert_array_equal(batch.state[k, b].cpu(), state)
    assert batch.actions[k, b] == action
    assert float(batch.rewards[k, b]) == pytest.approx(reward, abs=1e-6)
    assert float(batch.discounts[k, b]) == pytest.approx(discount, abs=1e-6)
    if following is not None:
        np.testing.assert_array_equal(batch.next_state[k, b].cpu(), following)


@pytest.mark.slow
@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("episode_length", [1.0, 1.5, 4.0, 50.0])
def test_what_follows_a_cut_is_the_closing_row_and_no_transition_begins_there(
    episode_length: float, device: str
) -> None:
    random, capacity, members = np.random.default_rng(0), 16, 2
    replay = Replay(
        members, capacity, n_step=1, gamma=GAMMA, batch_size=128, device=device, closes=True
    )
    oracles = [Oracle() for _ in range(members)]
    cuts = 0
    for tick in range(120):
        frames = random.integers(1, 256, (members, 84, 84), dtype=np.uint8)
        actions = random.integers(0, 18, members)
        rewards = random.integers(-1, 2, members).astype(np.float32)
        over = random.random(members) < 1 / episode_length
        cut = over & (random.random(members) < 0.5)
        write(replay, frames, actions, rewards, over & ~cut, np.ones(members, dtype=bool))
        last = random.integers(1, 256, (members, 84, 84), dtype=np.uint8)
        there = [torch.from_numpy(array).to(replay.storage) for array in (last, cut)]
        replay.close(*there)
        replay.appended += cut
        for k in range(members):
            lost = bool(over[k] and not cut[k])
            oracles[k].append(frames[k], int(actions[k]), float(rewards[k]), lost)
            if cut[k]:
                oracles[k].append(last[k], CLOSING, 0.0, True)
        cuts += int(cut.sum())
        if tick < 8 or tick % 6:
            continue
        batch = sample(replay, random.random((members, 128)))
        for k, oracle in enumerate(oracles):
            own = oracle.sampleable(capacity - 1, 1)
            # a closing row stands for the row before, which may be one older than the others
            number = {id(row): i for i, row in enumerate(oracle.rows)}
            starts = [
                row if row.action != CLOSING else oracle.rows[number[id(row)] - 1] for row in own
            ]
            known = {row.frame.tobytes(): row for row in starts}
            seen = set()
            for b in range(128):
                row = known[batch.state[k, b, -1].cpu().numpy().tobytes()]
                assert row.action != CLOSING
                check_transition(oracle.transition(row, 1), batch, k, b)
                seen.add(id(row))
            assert len(seen) == len(known)
    assert cuts


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("n_step", [1, 2, 3, 4, 5, 7])
@pytest.mark.parametrize("episode_length", [1.0, 1.5, 4.0, 50.0])
def test_every_sampleable_row_is_the_oracles(
    n_step: int, episode_length: float, device: str
) -> None:
    world = World(n_step, members=3, capacity=n_step + 12, n_step=n_step, device=device)
    for tick in range(4 * world.capacity):
        # members' sizes drift apart, and all wrap around
        world.tick(episode_length, activity=0.8)
        if tick > 2 * n_step + 6 and tick % 3 == 0:
            world.check()
    assert all(world.replay.appended > world.capacity)


@pytest.mark.parametrize("n_step", [1, 3])
def test_every_sampleable_row_of_compressed_frames_is_the_oracles(
    n_step: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rl.frames.SAMPLES", 30)  # the dictionary is trained after ten ticks
    monkeypatch.setattr("rl.frames.PAGE", 4)
    world = World(n_step, members=3, capacity=n_step + 12, n_step=n_step, compress=True)
    for tick in range(4 * world.capacity):
        world.tick(4.0, activity=0.8)
        if tick > 2 * n_step + 6 and tick % 5 == 0:
            world.check()


def test_the_oldest_three_rows_of_a_full_replay_are_not_sampleable() -> None:
    world = World(0, members=1, capacity=10, n_step=1)
    for _ in range(14):  # rows 4 to 13 are kept
        world.tick(episode_length=math.inf)
    batch = sample(world.replay, np.zeros((1, 10)))
    world.check_transition(0, world.oracles[0].rows[7], batch, 0)


@pytest.mark.parametrize("n_step", [1, 3])
def test_the_newest_rows_are_not_sampleable(n_step: int) -> None:
    world = World(0, members=1, capacity=10, n_step=n_step)
    for size in range(1, 25):
        world.tick(episode_length=3)
        if size > 4 + n_step:
            last = np.full((1, 10), np.nextafter(1, 0))
            batch = sample(world.replay, last)
            world.check_transition(0, world.oracles[0].rows[-1 - n_step], batch, 0)


@pytest.mark.parametrize("ticks", [9, 40])
def test_every_row_owns_the_same_share_of_the_uniforms(ticks: int) -> None:
    world = World(1, members=2, capacity=20, n_step=1)
    for _ in range(ticks):
        world.tick(episode_length=5)
    uniforms = np.linspace(0, 1, 20, endpoint=False)
    for k, oracle in enumerate(world.oracles):
        rows = oracle.sampleable(20, 1)
        batch = sample(world.replay, np.stack([uniforms, uniforms]))
        for b, u in enumerate(uniforms):
            world.check_transition(k, rows[math.floor(u * len(rows))], batch, b)


def test_members_do_not_change_each_other() -> None:
    together, alone = (
        World(5, 3, 12, 2),
        Replay(1, 12, n_step=2, gamma=GAMMA, batch_size=12, device="cpu"),
    )
    for _ in range(30):
        together.tick(episode_length=4, activity=0.7)
    for row in together.oracles[1].rows:
        write(
            alone,
            row.frame[None],
            np.array([row.action]),
            np.array([row.reward], np.float32),
            np.array([row.ended]),
            np.array([True]),
        )
    uniforms = np.random.default_rng(0).random((3, 12))
    ours, reference = sample(together.replay, uniforms), sample(alone, uniforms[1:2])
    for mine, its in zip(ours, reference, strict=True):
        assert torch.equal(mine[1:2], its)


def test_sampling_before_a_transition_is_complete_is_an_error() -> None:
    world = World(0, members=1, capacity=10, n_step=3)
    for _ in range(3):
        world.tick(episode_length=10)
    with pytest.raises(ValueError, match="no complete transition among"):
        sample(world.replay, np.zeros((1, 10)))
    world.tick(episode_length=10)
    world.check()


@pytest.mark.gpu
def test_frames_that_do_not_fit_the_gpu_stay_on_the_host(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (1000, 1000))
    world = World(0, members=2, capacity=20, n_step=1, device="cuda")
    for _ in range(30):
        world.tick(episode_length=5)
    assert sample(world.replay, np.zeros((2, 20))).state.is_cuda
    assert world.replay.storage.type == "cpu"
    world.check()


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("ticks", [7, 33])
def test_rows_put_back_piece_by_piece_continue_the_same_replay(ticks: int, device: str) -> None:
    world = World(3, members=2, capacity=15, n_step=2, device=device)
    for _ in range(ticks):
        world.tick(episode_length=4, activity=0.9)
    restored = Replay(2, 15, n_step=2, gamma=GAMMA, batch_size=15, device=device)
    for k, newest in enumerate(world.replay.appended.tolist()):
        for start in range(max(newest - 15, 0), newest, 4):
            piece = world.replay.rows(k, start, min(start + 4, newest))
            restored.restore(k, start, piece)
    world.replay = restored
    for _ in range(3):
        world.check()
        world.tick(episode_length=4)


def test_a_batch_needs_of_the_newest_row_only_its_begin() -> None:
    """A GPU learns while the environment still works on the step: same batch before and after."""
    world = World(2, members=2, capacity=12, n_step=2)
    uniforms = np.random.default_rng(1).random((2, 12))
    for _ in range(40):
        frames = world.random.integers(1, 256, (2, 84, 84), dtype=np.uint8)
        everybody = torch.tensor([True, True])
        world.replay.begin(torch.from_numpy(frames), everybody)
        world.replay.appended += 1
        ready = min(world.replay.appended) > 2
        early = [t.clone() for t in sample(world.replay, uniforms)] if ready else []
        actions, rewards = torch.tensor([3, 5], dtype=torch.uint8), torch.tensor([1.0, -1.0])
        ended = torch.from_numpy(world.random.random(2) < 0.3)
        world.replay.complete(actions, rewards, ended, everybody)
        late = sample(world.replay, uniforms) if ready else []
        assert all(map(torch.equal, early, late))


def test_what_a_snapshot_found_is_put_back() -> None:
    world = World(4, members=2, capacity=9, n_step=1)
    for _ in range(25):
        world.tick(episode_length=4, activity=0.8)
    before = [world.replay.rows(k, max(n - 9, 0), n) for k, n in enumerate(world.replay.appended)]
    ages, counted = world.replay._next_ages.clone(), world.replay.appended.copy()
    found = world.replay.snapshot(rows=2)
    for _ in range(2):
        world.tick(episode_length=2)
    world.replay.undo(found)
    world.replay.appended[:] = counted
    for k, rows in enumerate(before):
        n = int(counted[k])
        for mine, its in zip(world.replay.rows(k, max(n - 9, 0), n), rows, strict=True):
            np.testing.assert_array_equal(mine, its)
    assert torch.equal(world.replay._next_ages, ages)


def test_rows_that_are_gone_or_not_yet_there_are_an_error() -> None:
    world = World(0, members=1, capacity=10, n_step=1)
    for _ in range(12):
        world.tick(episode_length=10)
    for start, stop in ((1, 5), (5, 13)):
        with pytest.raises(ValueError, match="not among those kept, 2 to 11"):
            world.replay.rows(0, start, stop)


def test_memory_is_what_the_arrays_take() -> None:
    replay = Replay(2, 100, n_step=1, gamma=GAMMA, batch_size=1, device="cpu")
    assert raw_replay_bytes(2, 100) == replay.nbytes


def test_a_million_transitions_take_less_than_7_2_gigabytes() -> None:
    assert raw_replay_bytes(1, 1_000_000) <= 7.2e9
