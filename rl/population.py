"""K agents of one game, stepped together: environment -> replay -> update -> diagnostics.

Members are independent. What happens to one never changes another, and none can tell whom it
shares a population with. Nothing here reads or writes a file.
"""

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from rl.block import Block
from rl.config import Recipe
from rl.environment import Step, observation_spec
from rl.exploration import annealed_epsilon
from rl.frames import compresses
from rl.position import EVALUATION, PHASES, TRAINING, MemberRow, Position
from rl.scores import EndedEpisode, Scores, episode_summary
from shared_optim import StepReport
from shared_optim.schemes import SCHEMES
from workload.member import Member
from workload.recipe import GraphMode

CHUNK = 200
"""Ticks of a `run`: what is done between two of them, 0.1-1.6 ms in Lightning's Trainer, is under
1 % of that."""
BLOCK = 4
"""Members of a block on a CPU, see `Population`."""
DIVERGENCE_EVERY = 200
"""Ticks of a phase between looks at whether weights are finite, beside one per row of metrics."""


@dataclass
class _Tick:
    """A tick of one block, `number` counted from 1 in its phase; arrays are [G] bool."""

    number: int
    active: np.ndarray
    learning: np.ndarray = field(default_factory=lambda: np.zeros(0, dtype=bool))
    due: bool = False
    report: StepReport | None = None
    outcome: Step | None = None

    @property
    def may_end_members(self) -> bool:
        return self.due or self.number % DIVERGENCE_EVERY == 0


class Population:
    """K members in lockstep; `run` takes them forward.

    A tick is one agent step of every active member. A member is inactive once it has diverged,
    and from the end of its last episode in a phase until all have ended theirs.

    Members are computed in blocks: a few on a CPU, in two halves on a GPU, where the emulators of
    one half work on the processor while the GPU works for the other. Measured on a CPU, per member
    and update: one convolution each 24 ms, grouped 31-36, vmap 33-39, im2col 60-70. Those of a
    block share emulators, replay and bookkeeping.

    Args:
        recipe: what the members share.
        members: what is their own, K of them.
        device: where the arithmetic and the replay are.
        graphs: whether a GPU replays graphs, see `Machine`.
        block_size: members per block; by default what suits the device, and on a CPU no more than
            neighbours whose schemes keep the same buffers.
    """

    def __init__(
        self,
        recipe: Recipe,
        members: Sequence[Member],
        device: torch.device,
        graphs: GraphMode = "auto",
        block_size: int | None = None,
    ) -> None:
        self.recipe, self.members, self.device = recipe, tuple(members), device
        self.size = len(members)
        on_gpu = device.type == "cuda"
        # where an environment of gymnasium's does not repeat itself, its whole block begins anew
        on_cpu = 1 if recipe.gymnasium_id else BLOCK
        size = block_size or (-(-self.size // 2) if on_gpu else on_cpu)
        # else all of a block would keep, and go through, what one of them needs
        apart = not (on_gpu or block_size)
        self.slices = _neighbours(self.members, size, alike=apart)
        shows = observation_spec(recipe)
        compress = compresses(device, self.size, recipe.replay_capacity, shows)
        self.blocks = [
            Block(recipe, members[each], device, graphs, compress=compress) for each in self.slices
        ]
        # so that one block learns while the other does not
        self._lag = recipe.update_every // len(self.blocks) if on_gpu else 0
        self.position = Position(0, TRAINING, 0)
        self.steps = np.zeros(self.size, dtype=np.int64)
        self.updates = np.zeros(self.size, dtype=np.int64)
        self.phase_done = np.zeros(self.size, dtype=bool)
        self.diverged = np.zeros(self.size, dtype=bool)
        self.scores = Scores(self.size)
        self.inexact_resumes = np.zeros(self.size, dtype=np.int64)
        self._seen: list[int | None] = [None] * self.size  # when the checkpoint was saved
        self._log_every = min(
            recipe.log_every, recipe.training_steps - recipe.training_steps % recipe.update_every
        )
        self._begun = False
        self._actions = [bytearray() for _ in self.blocks]
        self._begun_ticks: list[_Tick | None] = [None] * len(self.blocks)

    def block_of(self, k: int) -> tuple[Block, int]:
        """The block that computes member k, and which of its members that is."""
        b = next(b for b, part in enumerate(self.slices) if k < part.stop)
        return self.blocks[b], k - self.slices[b].start

    @property
    def active(self) -> np.ndarray:
        """Who steps in the present phase, [K] bool."""
        result: np.ndarray = ~(self.phase_done | self.diverged)
        return result

    @property
    def finished(self) -> bool:
        """Whether all iterations are done, or nobody is left."""
        return self.position.iteration >= self.recipe.iterations or bool(self.diverged.all())

    def epsilon(self, members: slice) -> np.ndarray:
        """The probability of a random action of some members in the present phase, [members]."""
        steps = self.steps[members]
        if self.position.phase == EVALUATION:
            return np.full(len(steps), self.recipe.evaluation_epsilon)
        return annealed_epsilon(
            steps,
            warm_up=self.recipe.warm_up,
            epsilon_steps=self.recipe.epsilon_steps,
            epsilon_final=self.recipe.epsilon_final,
        )

    def run(self, ticks: int, stop: Callable[[], bool] = lambda: False) -> list[MemberRow]:
        """Go at most `ticks` forward, never past the end of a phase nor further once `stop` says
        so, and return what there is to log."""
        if self.finished:
            return []
        if not self._begun:
            self._begin_phase()
        rows: list[MemberRow] = []
        for block in self.blocks:
            block.catch_up()
        start = self.position.tick
        reached = [start] * len(self.blocks)
        turn = 0
        while turn < ticks + self._lag * (len(self.blocks) - 1) and self.active.any():
            if turn < ticks and stop():
                ticks = turn  # what the first block has begun, the others do too
            for b, part in enumerate(self.slices):
                before = self._receive(b)
                if before and before.may_end_members:
                    rows += self._account(b, before)
                    before = None
                tick = start + turn - b * self._lag
                if start <= tick < start + ticks and self.active[part].any():
                    self._act(b, tick)
                    reached[b] = tick + 1
                # while the emulators work
                rows += self._account(b, before)
                self._learn(b)
            turn += 1
        for b, block in enumerate(self.blocks):
            rows += self._account(b, self._receive(b))
            block.finish()
        self.position = self.position._replace(tick=max(reached))
        if not self.active.any():
            for b in range(len(self.blocks)):
                rows += self._find_diverged(b)
            rows += self._end_phase()
        return rows

    @property
    def phase_actions(self) -> np.ndarray:
        """What was done since the phase began, [T, K] uint8; 0 by those whose phase is done."""
        actions = np.zeros((self.position.tick, self.size), dtype=np.uint8)
        for part, done in zip(self.slices, self._actions, strict=True):
            own = np.frombuffer(done, dtype=np.uint8).reshape(-1, part.stop - part.start)
            actions[: len(own), part] = own
        return actions

    def resume(
        self,
        position: Position,
        actions: np.ndarray,
        progress: Callable[[int], None],
        stop: Callable[[], bool] = lambda: False,
    ) -> bool:
        """Lead the environments back to where a checkpoint stands.

        Args:
            position: where that is.
            actions: what was done since its phase began, [T, K] uint8.
            progress: called with the number of actions replayed so far.
            stop: ends it early; then the population is of no use any more.

        Returns whether they have got there.
        """
        self.position = position
        if not len(actions):
            return True
        self._begin_phase()
        for tick, row in enumerate(actions):
            if stop():
                return False
            for part, block in zip(self.slices, self.blocks, strict=True):
                block.repeat(row[part].astype(np.int64))
            if tick % 100 == 0:
                progress(tick)
        self._actions = [bytearray(actions[:, part].tobytes()) for part in self.slices]
        self._check_led_back()
        return True

    def _check_led_back(self) -> None:
        """Begin the episodes anew of blocks that do not see what they saw when they were saved."""
        anew: list[str] = []
        for part, block in zip(self.slices, self.blocks, strict=True):
            members = range(part.start, part.stop)
            if all(self._seen[k] in (None, block.seen(k - part.start)) for k in members):
                continue
            block.begin_anew(*self.position[:2])
            self.scores.returns[part], self.scores.lengths[part] = 0.0, 0
            self.inexact_resumes[part] += 1
            anew += [self.members[k].label for k in members]
        if anew:
            warnings.warn(
                f"{self.recipe.game} does not show again what it showed after the same seed and "
                f"actions: {', '.join(anew)} begin their episode anew, and are no longer what they "
                "would be uninterrupted; their rows say so as inexact_resumes",
                RuntimeWarning,
                stacklevel=2,
            )

    def counters(self, k: int) -> dict[str, Any]:
        """Member k's numbers that are neither tensors nor replay, as plain values."""
        block, g = self.block_of(k)
        return {
            "steps": int(self.steps[k]),
            "updates": int(self.updates[k]),
            "through": bool(self.phase_done[k]),
            "diverged": bool(self.diverged[k]),
            "scores": self.scores.state(k),
            "window": block.window.state(g),
            "inexact_resumes": int(self.inexact_resumes[k]),
            "seen": block.seen(g),
        }

    def set_counters(self, k: int, saved: dict[str, Any]) -> None:
        """Take over what `counters` returned."""
        self.steps[k], self.updates[k] = saved["steps"], saved["updates"]
        self.phase_done[k], self.diverged[k] = saved["through"], saved["diverged"]
        self.scores.set_state(k, saved["scores"])
        # states of runs begun before they were kept lack them
        self.inexact_resumes[k] = saved.get("inexact_resumes", 0)
        self._seen[k] = saved.get("seen")
        block, g = self.block_of(k)
        block.window.set_state(g, saved["window"])

    def close(self) -> None:
        """End the emulators."""
        for block in self.blocks:
            block.environments.close()

    def _begin_phase(self) -> None:
        for block in self.blocks:
            block.begin_phase(*self.position[:2])
        self._begun = True

    def _act(self, b: int, tick: int) -> None:
        """Let a block begin with a tick."""
        part = self.slices[b]
        active, training = self.active[part], self.position.phase == TRAINING
        block = self.blocks[b]
        block.see(active, training=training)
        actions = block.act(tick, self.epsilon(part), active, training=training)
        self._actions[b] += actions.astype(np.uint8).tobytes()
        self._begun_ticks[b] = _Tick(tick + 1, active)

    def _learn(self, b: int) -> None:
        """What the device does while the emulators work on the tick that a block has begun."""
        begun = self._begun_ticks[b]
        if begun is None or self.position.phase != TRAINING:
            return
        recipe, block, part = self.recipe, self.blocks[b], self.slices[b]
        self.steps[part] += begun.active
        steps = self.steps[part]
        begun.due = begun.number % self._log_every == 0
        # a row per step and more, unless a replay was lost: then it fills again first
        filled = block.replay.appended > recipe.warm_up
        begun.learning = begun.active & (steps > recipe.warm_up) & filled
        if not begun.learning.any():
            return
        if begun.number % recipe.update_every == 0:
            index = begun.number // recipe.update_every
            begun.report = block.learn(index, begun.learning, observe=begun.due)
            self.updates[part] += begun.learning
        copying = begun.learning & (steps % recipe.target_every == 0)
        if copying.any():
            block.copy_to_target(np.flatnonzero(copying).tolist())

    def _receive(self, b: int) -> _Tick | None:
        """Wait for the end of the tick that a block has begun, if it has."""
        tick, self._begun_ticks[b] = self._begun_ticks[b], None
        if tick is None:
            return None
        training = self.position.phase == TRAINING
        tick.outcome = self.blocks[b].receive()
        budget = self.recipe.training_steps if training else self.recipe.evaluation_steps
        if tick.number >= budget:
            self.phase_done[self.slices[b]] |= tick.outcome.ended & tick.active
        return tick

    def _account(self, b: int, tick: _Tick | None) -> list[MemberRow]:
        """The scores of a tick that is over, and the rows that are due after it."""
        if tick is None or tick.outcome is None:
            return []
        part, step = self.slices[b], tick.outcome
        training = self.position.phase == TRAINING
        ended = self.scores.add(part, step.reward, step.ended, tick.active, training=training)
        rows = [
            self._episode(episode, cut_off=bool(step.cut_off[episode.member - part.start]))
            for episode in ended
        ]
        if not tick.may_end_members:
            return rows
        rows += self._find_diverged(b)
        if not tick.due:
            return rows
        for g in np.flatnonzero(tick.active & ~self.diverged[part]).tolist():
            report = tick.report if tick.learning[g] else None
            rows.append(MemberRow(part.start + g, "metrics", self._metrics(b, g, report)))
        return rows

    def _episode(self, episode: EndedEpisode, *, cut_off: bool) -> MemberRow:
        values = {
            "iteration": self.position.iteration,
            "phase": PHASES[self.position.phase],
            **self._steps(episode.member),
            "return": episode.score,
            "length": episode.length,
            "truncated": cut_off,
        }
        return MemberRow(episode.member, "episode", values)

    def _steps(self, k: int) -> dict[str, int]:
        """Member k's training steps, and the frames that these are."""
        steps = int(self.steps[k])
        counted = {"agent_steps": steps, "frames": steps * self.recipe.frames_per_step}
        inexact = int(self.inexact_resumes[k])
        return counted | ({"inexact_resumes": inexact} if inexact else {})

    def _metrics(self, b: int, g: int, report: StepReport | None) -> dict[str, Any]:
        """A member's row of metrics, over the time since its last one."""
        block, k = self.blocks[b], self.slices[b].start + g
        with block.on_device():
            means = block.window.means(g)
            block.window.clear(g)
        row = {
            "iteration": self.position.iteration,
            **self._steps(k),
            "updates": int(self.updates[k]),
            "epsilon": float(self.epsilon(slice(k, k + 1))[0]),
            **episode_summary("train", self.scores.window[k]),
            **self.scores.recent_mean(k),
            **means,
            **(report.metrics(g) if report else {}),
        }
        self.scores.window[k] = []
        return row

    def _find_diverged(self, b: int) -> list[MemberRow]:
        """Stop a block's members whose loss or weights are not finite, with a last row each."""
        part = self.slices[b]
        fresh = ~self.blocks[b].finite() & ~self.diverged[part]
        self.diverged[part] |= fresh
        return [
            MemberRow(part.start + g, "metrics", self._metrics(b, g, None) | {"diverged": True})
            for g in np.flatnonzero(fresh).tolist()
        ]

    def _end_phase(self) -> list[MemberRow]:
        """Close the phase for everybody and move on to the next."""
        iteration, phase, _ = self.position
        prefix = "train" if phase == TRAINING else "eval"
        rows = []
        last = phase == EVALUATION or self.recipe.evaluation_steps == 0
        for k in np.flatnonzero(~self.diverged).tolist():
            episodes = self.scores.phase[k]
            phase_steps = sum(length for _, length in episodes)
            done = episode_summary(prefix, episodes) | {f"{prefix}/steps": phase_steps}
            self.scores.iteration[k] |= done
            if last:
                row = {"iteration": iteration, **self._steps(k), **self.scores.iteration[k]}
                rows.append(MemberRow(k, "evaluation", row | self.scores.recent_mean(k)))
                self.scores.iteration[k] = {}
        self.scores.phase = [[] for _ in range(self.size)]
        self.phase_done[:] = False
        self._actions = [bytearray() for _ in self.blocks]
        self._begun = False
        following = (iteration + 1, TRAINING) if last else (iteration, EVALUATION)
        self.position = Position(*following, 0)
        return rows


def _neighbours(members: Sequence[Member], size: int, *, alike: bool) -> list[slice]:
    """Up to `size` members each, in order; `alike`: whose schemes keep the same buffers."""
    parts: list[slice] = []
    buffers = [SCHEMES[member.scheme].buffers for member in members]
    for k in range(len(members)):
        start = parts[-1].start if parts else k
        if parts and k - start < size and not (alike and buffers[k] != buffers[start]):
            parts[-1] = slice(start, k + 1)
        else:
            parts.append(slice(k, k + 1))
    return parts
