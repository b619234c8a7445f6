"""Experience replay: every frame is kept once, and a batch is one gather.

Row i of a member holds the frame it saw, the action it took, the reward that followed, whether
the episode ended with that, and the row's age: the agent steps since its episode began. State i
is the frames of rows i-3 to i, zero before the episode's first; the transition of row i leads to
state i+n. That is Dopamine's circular buffer (Castro et al., 2018) without its padding rows: the
age tells which neighbours belong to the same episode.

Where an episode that is cut off is no end for learning, a closing row holds the frame behind it:
its action is CLOSING. A sample that hits one takes the row before in its place.

Where states are single frames, as of an environment that shows a vector, all of this is the same
with a stack of 1.

The frames of all members lie in one store (rl/frames.py), so their batches are one gather. One row
more is all zero; whatever lies before an episode's first frame is read from there. A last one is
written by members that are to write nothing. So with raw frames `begin`, `complete` and `sample`
leave no decision to the processor, and a CUDA graph can hold them.
"""

from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from rl.frames import CompressedFrames, RawFrames, empty
from rl.memory import ATARI, CLOSING, COLUMNS, ObservationSpec


class Batch(NamedTuple):
    """B transitions of each member. The next sample overwrites the states.

    Where `discounts` is 0 the episode ended on the way, and `next_state` means nothing.
    """

    state: Tensor  # [G, B, stack, *shape], e.g. [G, B, 4, 84, 84] uint8, newest frame last
    next_state: Tensor  # the same n steps later; shares frames with `state`
    actions: Tensor  # [G, B] int64
    rewards: Tensor  # [G, B] float32, sum over j < n of gamma^j r_{i+j}, up to the episode's end
    discounts: Tensor  # [G, B] float32, gamma^n, or 0 where the episode ended

    def of(self, members: slice) -> "Batch":
        """Some members' part."""
        return Batch(*(tensor[members] for tensor in self))


class Rows(NamedTuple):
    """N consecutive rows of one member."""

    frames: NDArray[Any]  # [N, *shape]
    actions: NDArray[np.integer]  # [N]
    rewards: NDArray[np.float32]  # [N]
    ended: NDArray[np.bool_]  # [N]
    ages: NDArray[np.int32]  # [N]


class Replay:
    """The last `capacity` transitions of each of G members.

    A row is written in two halves: `begin` when the member sees the frame, `complete` when the
    environment has answered. A member's rows are numbered from 0 in the order of writing, and row i
    lies in slot i % capacity. Sampling is uniform, with replacement, over the last capacity - 3
    rows without the newest n: those whose state and next state have not been overwritten, and are
    begun. Of the newest row only the frame and the age are read: `sample` may follow its `begin`.

    Args:
        members: G.
        capacity: rows kept per member, at least n_step + 4.
        n_step: n, the rewards summed before bootstrapping.
        gamma: discount per agent step.
        batch_size: B, transitions per member and sample.
        device: where batches are wanted. Rows are kept there when they fit, else on the host.
        closes: whether `close` is going to be called; then n must be 1, and the oldest row that
            would be sampled is not, as the row before it may be gone.
        shows: what the environments show, for which 4 - 1 above is its stack - 1.
        compress: whether frames are kept compressed, in host memory.

    Attributes:
        storage: the device of the rows.
        gathered: the frames of the last sample, [G, B, stack+n, *shape].
        appended: rows begun so far, [G] int64, on the host. `begin` counts on the device; whoever
            calls it counts here.
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
        closes: bool = False,
        shows: ObservationSpec = ATARI,
        compress: bool = False,
    ) -> None:
        if closes and n_step > 1:
            raise ValueError(f"closes: takes n_step 1, not {n_step}")
        self._closes = closes
        self.capacity, self.n_step, self.device = capacity, n_step, torch.device(device)
        self.appended = np.zeros(members, dtype=np.int64)
        self._zero_slot, self._unused_slot = members * capacity, members * capacity + 1
        slots = members * capacity + 2
        self.shows = shows
        self._frames = (
            CompressedFrames(slots, shows.nbytes)
            if compress
            else RawFrames(slots, self.device, shows.size, shows.dtype)
        )
        self.storage = self._frames.device
        self._columns = {
            name: torch.from_numpy(np.zeros(slots, kind)).to(self.storage)
            for name, kind in COLUMNS.items()
        }
        nothing = torch.from_numpy(np.zeros((1, shows.size), shows.dtype))
        zero_slot = torch.tensor([self._zero_slot], device=self.storage)
        self._frames.put(zero_slot, nothing.to(self.storage))
        # rows begun, and the age of the next one, where `begin` and `complete` can count them
        self._heads = torch.zeros(members, dtype=torch.int64, device=self.storage)
        self._next_ages = torch.zeros(members, dtype=torch.int32, device=self.storage)

        steps = torch.arange(n_step + 1)
        self._steps = steps.int().to(self.storage)
        self._powers = torch.from_numpy((gamma ** steps.numpy()).astype(np.float32))
        self._powers = self._powers.to(self.storage)
        # stack - 1 rows before to n after
        self._back = torch.arange(shows.stack - 1, -n_step - 1, -1, device=self.storage)
        self._first_slots = torch.arange(members, device=self.storage) * capacity
        # Kept and reused: the pages of a fresh one cost several times what the gather does.
        gathered = (members, batch_size, shows.stack + n_step, *shows.shape)
        self.gathered = empty(gathered, shows.dtype, self.storage)
        if self.storage != self.device:
            self.gathered = self.gathered.pin_memory()

    @property
    def nbytes(self) -> int:
        """Bytes of memory that frames and columns take now."""
        return self._frames.nbytes + sum(column.nbytes for column in self._columns.values())

    @property
    def sizes(self) -> NDArray[np.int64]:
        """Rows kept, [G]."""
        return np.minimum(self.appended, self.capacity)

    def begin(self, frames: Tensor, writing: Tensor) -> None:
        """Begin a row of every writing member, in place of its oldest once it is full.

        Args:
            frames: what is seen when acting, newest frame only, [G, *shape].
            writing: which members the row is for, [G] bool. Both on the device of the rows.
        """
        slots = self._slots_of(self._heads, writing)
        self._frames.put(slots, frames.reshape(-1, self.shows.size))
        self._columns["ages"].index_copy_(0, slots, self._next_ages)
        self._heads += writing

    def complete(self, actions: Tensor, rewards: Tensor, ended: Tensor, writing: Tensor) -> None:
        """Complete the row that every writing member began last.

        Args:
            actions: what was done, [G] uint8.
            rewards: what learning shall see of the reward, [G] float32.
            ended: whether the episode ended with this action, [G] bool.
            writing: as for `begin`. All on the device of the rows.
        """
        slots = self._slots_of(self._heads - 1, writing)
        for name, column in {"actions": actions, "rewards": rewards, "ended": ended}.items():
            self._columns[name].index_copy_(0, slots, column)
        following = (self._next_ages + 1).masked_fill_(ended, 0)
        torch.where(writing, following, self._next_ages, out=self._next_ages)

    def close(self, frames: Tensor, closing: Tensor) -> None:
        """Write a closing row behind the last one of some members, which did not end its episode.

        Args:
            frames: what was seen last, [G, *shape].
            closing: which members, [G] bool. Both on the device of the rows. Whoever calls it
                counts the rows in `appended`.
        """
        self.begin(frames, closing)
        action = torch.full_like(closing, CLOSING, dtype=torch.uint8)
        reward = torch.zeros_like(closing, dtype=torch.float32)
        self.complete(action, reward, torch.ones_like(closing), closing)

    def begin_episode(self) -> None:
        """Let every member's next row begin an episode, whatever its last one was."""
        self._next_ages.zero_()

    def check_sampleable(self, members: np.ndarray) -> None:
        """Raise ValueError where one of `members`, [G] bool, has no complete transition yet."""
        # numpy's own minimum takes ten times as long on so few
        if min(self.appended[members].tolist()) <= self.n_step:
            raise ValueError(
                f"replay: no complete transition among {self.sizes[members]} rows per member"
            )

    def sample(self, uniforms: Tensor, members: np.ndarray | None = None) -> Batch:
        """The transitions that uniform numbers point at: row = first + floor(u * count).

        Args:
            uniforms: [G, B] float64 in [0, 1), on the device of the rows.
            members: for whom, [G] bool; see `check_sampleable`. The others' frames are empty. By
                default for all.
        """
        stack = self.shows.stack
        kept = self.capacity - stack + 1 - self._closes
        first = (self._heads - kept).clamp_(min=0).unsqueeze(1)
        count = self._heads.unsqueeze(1) - self.n_step - first
        rows = first + (uniforms * count).long()
        if self._closes:
            slots = rows.remainder(self.capacity) + self._first_slots.unsqueeze(1)
            rows = rows - (self._columns["actions"][slots] == CLOSING).long()
        slots = (rows.unsqueeze(2) - self._back).remainder_(self.capacity)  # [G, B, 4+n]
        slots += self._first_slots.view(-1, 1, 1)
        own, onward = slots[..., stack - 1], slots[..., stack - 1 :]

        ages = self._columns["ages"][onward]  # [G, B, n+1]
        # Within an episode the age rises by one per row; behind its end it begins again.
        weights = self._powers * (ages == ages[..., :1] + self._steps)
        rewards = (self._columns["rewards"][onward[..., :-1]] * weights[..., :-1]).sum(2)
        actions = self._columns["actions"][own].long()
        slots = torch.where(ages[..., :1] < self._back, self._zero_slot, slots)
        if members is not None and not members.all():
            slots[torch.from_numpy(~members)] = self._zero_slot
        self._frames.gather(slots.flatten(), self.gathered.view(-1, self.shows.size))
        frames = self.gathered.to(self.device)  # rows i - stack + 1 to i + n
        return Batch(
            frames[:, :, :stack],
            frames[:, :, -stack:],
            actions.to(self.device),
            rewards.to(self.device),
            weights[..., -1].to(self.device),
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
        slots = self._slots(member, start, stop)
        frames = self._copies(slots).cpu().numpy().reshape(-1, *self.shows.shape)
        columns = {name: column[slots].cpu().numpy() for name, column in self._columns.items()}
        return Rows(frames, **columns)

    def restore(self, member: int, start: int, rows: Rows) -> None:
        """Puts back rows number `start` and following; the last becomes the member's newest.

        May be called piece by piece, in order; the pieces must reach back to row 0 or fill the
        capacity.
        """
        stop = start + len(rows.ended)
        slots = self._slots(member, start, stop)
        self._frames.put(slots, self._stored(rows.frames.reshape(-1, self.shows.size)))
        for name, column in self._columns.items():
            column.index_copy_(0, slots, self._stored(getattr(rows, name)).to(column.dtype))
        self.appended[member] = self._heads[member] = stop
        self._next_ages[member] = 0 if rows.ended[-1] else int(rows.ages[-1]) + 1

    def snapshot(self, rows: int) -> dict[str, Tensor]:
        """Copies of the counters, of the newest row of every member, which `complete` writes once
        more, and of what lies where the next `rows` rows will be written."""
        slots = self._newest_and_next(rows)
        columns = {name: column[slots] for name, column in self._columns.items()}
        counters = {"heads": self._heads.clone(), "next_ages": self._next_ages.clone()}
        return {**counters, **columns, "frames": self._copies(slots)}

    def undo(self, snapshot: dict[str, Tensor]) -> None:
        """Put back what `snapshot` found, after as many rows or fewer."""
        self._heads.copy_(snapshot["heads"])
        self._next_ages.copy_(snapshot["next_ages"])
        slots = self._newest_and_next(len(snapshot["frames"]) // len(self._heads) - 1)
        self._frames.put(slots, snapshot["frames"])
        for name, column in self._columns.items():
            column.index_copy_(0, slots, snapshot[name])

    def _copies(self, slots: Tensor) -> Tensor:
        frames = empty((len(slots), self.shows.size), self.shows.dtype, self.storage)
        self._frames.gather(slots, frames)
        return frames

    def _newest_and_next(self, rows: int) -> Tensor:
        numbers = self._heads.unsqueeze(1) + torch.arange(-1, rows, device=self.storage)
        return (numbers.remainder_(self.capacity) + self._first_slots.unsqueeze(1)).flatten()

    def _slots_of(self, rows: Tensor, writing: Tensor) -> Tensor:
        """The slots [G] of one row of each member; of members that do not write, the unused one."""
        slots = rows.remainder(self.capacity).add_(self._first_slots)
        return torch.where(writing, slots, self._unused_slot)

    def _slots(self, member: int, start: int, stop: int) -> Tensor:
        rows = torch.arange(start, stop, device=self.storage)
        return rows.remainder_(self.capacity).add_(member * self.capacity)

    def _stored(self, array: NDArray[Any]) -> Tensor:
        # a copy: one row of a packed array has strides that torch refuses
        return torch.from_numpy(array.copy(order="C")).to(self.storage)
