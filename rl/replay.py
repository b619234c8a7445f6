"""Experience replay: every frame is kept once, and a batch is one gather.

Row i of a member holds the frame it saw, the action it took, the reward that followed, whether
the episode ended with that, and the row's age: the agent steps since its episode began. State i
is the frames of rows i-3 to i, zero before the episode's first; the transition of row i leads to
state i+n. That is Dopamine's circular buffer (Castro et al., 2018) without its padding rows: the
age tells which neighbours belong to the same episode.

All frames are rows of one tensor, so the batches of all members are one `index_select`. One row
more is all zero; whatever lies before an episode's first frame is read from there.
"""

from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from rl.memory import COLUMNS, FRAME, GPU_SHARE, PIXELS, STACK


class Batch(NamedTuple):
    """B transitions of each member. The next sample overwrites `frames`.

    Where `discounts` is 0 the episode ended on the way, and `next_state` means nothing.
    """

    frames: Tensor  # [K, B, 4+n, 84, 84] uint8, rows i-3 to i+n
    actions: Tensor  # [K, B] int64
    rewards: Tensor  # [K, B] float32, sum over j < n of gamma^j r_{i+j}, up to the episode's end
    discounts: Tensor  # [K, B] float32, gamma^n, or 0 where the episode ended

    @property
    def state(self) -> Tensor:
        """[K, B, 4, 84, 84] uint8, newest frame last."""
        return self.frames[:, :, :STACK]

    @property
    def next_state(self) -> Tensor:
        """[K, B, 4, 84, 84] uint8, n steps later; shares frames with `state`."""
        return self.frames[:, :, -STACK:]


class Rows(NamedTuple):
    """N consecutive rows of one member."""

    frames: NDArray[np.uint8]  # [N, 84, 84]
    actions: NDArray[np.integer]  # [N]
    rewards: NDArray[np.float32]  # [N]
    ended: NDArray[np.bool_]  # [N]
    ages: NDArray[np.int32]  # [N]


class Replay:
    """The last `capacity` transitions of each of K members.

    A member's rows are numbered from 0 in the order of appending, and row i lies in slot
    i % capacity. Sampling is uniform, with replacement, over the last capacity - 3 rows without
    the newest n: those whose state and next state have not been overwritten, and are complete.

    Args:
        members: K.
        capacity: rows kept per member, at least n_step + 4.
        n_step: n, the rewards summed before bootstrapping.
        gamma: discount per agent step.
        batch_size: B, transitions per member and sample.
        device: where batches are wanted. Frames are kept there when they fit, else on the host.

    Attributes:
        appended: rows appended so far, [K] int64.
    """

    def __init__(
        self,
        members: int,
        capacity: int,
        *,
        n_step: int,
        gamma: float,
        batch_size: int,
        device: torch.device | str,
    ) -> None:
        self.capacity, self.n_step, self.device = capacity, n_step, torch.device(device)
        self.appended = np.zeros(members, dtype=np.int64)
        self._next_ages = np.zeros(members, dtype=np.int32)
        self._zero_slot = members * capacity
        self._columns = {name: np.zeros(self._zero_slot, kind) for name, kind in COLUMNS.items()}
        storage = _storage_device(self._zero_slot + 1, self.device)
        self._frames = _empty((self._zero_slot + 1, PIXELS), storage)
        self._frames[self._zero_slot] = 0

        self._steps = np.arange(n_step + 1)
        self._powers = (gamma**self._steps).astype(np.float32)
        self._back = np.arange(STACK - 1, -n_step - 1, -1)  # 3 rows before to n after
        self._members = np.arange(members)[:, None, None]
        # Kept and reused: the pages of a fresh one cost several times what the gather does.
        self._gathered = _empty((members, batch_size, STACK + n_step, *FRAME), storage)
        if storage != self.device:
            self._gathered = self._gathered.pin_memory()

    @property
    def sizes(self) -> NDArray[np.int64]:
        """Rows kept, [K]."""
        return np.minimum(self.appended, self.capacity)

    def append(
        self,
        frames: NDArray[np.uint8],
        actions: NDArray[np.int64],
        rewards: NDArray[np.float32],
        ended: NDArray[np.bool_],
        active: NDArray[np.bool_],
    ) -> None:
        """Adds one row to every active member, in place of its oldest once it is full.

        Args:
            frames: what was seen when acting, newest frame only, [K, 84, 84] uint8.
            actions: what was done, [K] int.
            rewards: what learning shall see of the reward, [K] float32.
            ended: whether the episode ended with this action, [K] bool.
            active: which members the row is for, [K] bool.
        """
        members = np.flatnonzero(active)
        ended, ages = ended[members], self._next_ages[members]
        slots = self._slots(members, self.appended[members])
        self._write(slots, Rows(frames[members], actions[members], rewards[members], ended, ages))
        self._next_ages[members] = np.where(ended, 0, ages + 1)
        self.appended[members] += 1

    def sample(self, uniforms: NDArray[np.float64]) -> Batch:
        """The transitions that uniform numbers point at: row = first + floor(u * count).

        Args:
            uniforms: [K, B] float64 in [0, 1).

        Raises:
            ValueError: a member has no complete transition yet.
        """
        first = np.maximum(self.appended - (self.capacity - STACK + 1), 0)
        count = self.appended - self.n_step - first
        if min(count.tolist()) < 1:  # numpy's own minimum takes ten times as long on so few
            raise ValueError(f"replay: no complete transition among {self.sizes} rows per member")
        rows = first[:, None] + (uniforms * count[:, None]).astype(np.int64)
        slots = self._slots(self._members, rows[..., None] - self._back)  # [K, B, 4+n]
        own, onward = slots[..., STACK - 1], slots[..., STACK - 1 :]

        ages = self._columns["ages"][onward]  # [K, B, n+1]
        # Within an episode the age rises by one per row; behind its end it begins again.
        weights = self._powers * (ages == ages[..., :1] + self._steps)
        rewards = np.vecdot(self._columns["rewards"][onward[..., :-1]], weights[..., :-1])
        actions = self._columns["actions"][own].astype(np.int64)
        slots[ages[..., :1] < self._back] = self._zero_slot
        torch.index_select(
            self._frames, 0, self._to_storage(slots.ravel()), out=self._gathered.view(-1, PIXELS)
        )
        return Batch(
            self._gathered.to(self.device),
            self._to_device(actions),
            self._to_device(rewards),
            self._to_device(weights[..., -1]),
        )

    def rows(self, member: int, start: int, stop: int) -> Rows:
        """Copies of a member's rows number `start` to `stop` - 1, e.g. for a checkpoint.

        Raises:
            ValueError: some of them are not there, or no longer.
        """
        newest, size = int(self.appended[member]), int(self.sizes[member])
        if not newest - size <= start <= stop <= newest:
            raise ValueError(
                f"replay: rows {start} to {stop - 1} of member {member} are not among those kept, "
                f"{newest - size} to {newest - 1}"
            )
        slots = self._slots(member, np.arange(start, stop))
        frames = self._frames[self._to_storage(slots)].cpu().numpy().reshape(-1, *FRAME)
        return Rows(frames, **{name: column[slots] for name, column in self._columns.items()})

    def restore(self, member: int, start: int, rows: Rows) -> None:
        """Puts back rows number `start` and following; the last becomes the member's newest.

        May be called piece by piece, in order; the pieces must reach back to row 0 or fill the
        capacity.
        """
        stop = start + len(rows.ended)
        self._write(self._slots(member, np.arange(start, stop)), rows)
        self.appended[member] = stop
        self._next_ages[member] = 0 if rows.ended[-1] else rows.ages[-1] + 1

    def _slots(self, members: Any, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """Where rows lie, given their members (broadcast against them) and numbers."""
        slots: NDArray[np.int64] = members * self.capacity + rows % self.capacity
        return slots

    def _write(self, slots: NDArray[np.int64], rows: Rows) -> None:
        for name, column in self._columns.items():
            column[slots] = getattr(rows, name)
        frames = self._to_storage(rows.frames.reshape(-1, PIXELS))
        self._frames.index_copy_(0, self._to_storage(slots), frames)

    def _to_storage(self, array: NDArray[Any]) -> Tensor:
        return torch.from_numpy(array).to(self._frames.device)

    def _to_device(self, array: NDArray[Any]) -> Tensor:
        return torch.from_numpy(array).to(self.device)


def _storage_device(frames: int, device: torch.device) -> torch.device:
    """The device itself, or the host when the frames would take over 80 % of its free memory."""
    if device.type == "cuda" and frames * PIXELS > GPU_SHARE * torch.cuda.mem_get_info(device)[0]:
        return torch.device("cpu")
    return device


def _empty(shape: tuple[int, ...], device: torch.device) -> Tensor:
    # numpy's large arrays lie in huge pages and torch's do not: 5 to 10 % of a sample.
    if device.type == "cpu":
        return torch.from_numpy(np.empty(shape, np.uint8))
    return torch.empty(shape, dtype=torch.uint8, device=device)
