"""G agents whose arithmetic is done together: networks, optimizer, replay and emulators.

What a tick does on the device is cut into functions over tensors that stay where they are, without
a decision on the host; a GPU replays them as graphs (workload/program.py):

    choose   everybody's greedy action
    record   the last row completed by what the environment answered, the next begun by what is seen
    learn    indices from uniform numbers, gather, forward, target, backward, optimizer, copies

Nothing waits but for the actions. `learn` needs nothing of what the environment is about to answer
(rl/replay.py), so the device learns while the emulators work.
"""

import contextlib
import warnings
import zlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from rl.config import Recipe
from rl.dqn_update import Update, dqn_update, gradient_dtype
from rl.environment import Step, make_environments
from rl.exploration import epsilon_greedy, greedy_actions
from rl.lives import Lives
from rl.network import Weights, initial_parameters
from rl.position import TRAINING
from rl.proof import TOLERANCE, BlockState
from rl.random_streams import Purpose, Uniforms, environment_seed
from rl.replay import Replay
from rl.scores import Window
from shared_optim import Plan, StepReport, WeightDecayAdam, lambdas, observe_step
from workload.build_optimizer import build_optimizer
from workload.errors import ConfigError
from workload.inbox import Inbox
from workload.member import Member
from workload.program import Program, capture_problem
from workload.recipe import GraphMode


class Block:
    """Some members of a population, who take every step together.

    Args:
        recipe: what the members share.
        members: G of them.
        device: where the arithmetic and the replay are.
        graphs: whether a GPU replays graphs, see `Machine`.
        compress: whether the replay keeps its frames compressed.
    """

    def __init__(
        self,
        recipe: Recipe,
        members: Sequence[Member],
        device: torch.device,
        graphs: GraphMode = "auto",
        *,
        compress: bool = False,
    ) -> None:
        self.recipe, self.size, self.device = recipe, len(members), device
        self._seeds = [member.seed for member in members]
        on_gpu = device.type == "cuda"
        self._stream = torch.cuda.Stream(device) if on_gpu else None  # type: ignore[no-untyped-call]
        # one for all, as making it costs as much as replaying a graph; it is not entered twice
        self._context = torch.cuda.stream(self._stream) if on_gpu else contextlib.nullcontext()
        self.environments = make_environments(recipe, self.size)
        shows = self.environments.shows
        initial = initial_parameters(self._seeds, self.environments.actions, recipe.padding, shows)
        self.parameters = {name: nn.Parameter(p.to(device)) for name, p in initial.items()}
        self._names: dict[Tensor, str] = {
            parameter: name for name, parameter in self.parameters.items()
        }
        self.optimizer = _optimizer(self.parameters, recipe, members)
        self._dtype = torch.bfloat16 if recipe.precision == "bf16" else torch.float32
        self.online = Weights(self.parameters, self._dtype)
        self.target = Weights(self.parameters, self._dtype, frozen=True)
        alone = len(self.online.parts) > 1
        self._joined = Update.room(self.online.values) if alone else None
        # of whom the device computes something where each member is computed alone
        self._asking, self._learning = np.ones((2, self.size), dtype=np.bool_)
        self.replay = Replay(
            self.size,
            recipe.replay_capacity,
            n_step=recipe.n_step,
            gamma=recipe.gamma,
            batch_size=recipe.batch_size,
            device=device,
            closes=recipe.truncation == "bootstrap",
            shows=shows,
            compress=compress,
        )
        self.window = Window(self.size, device)

        each = (self.size,)
        self._seen = Inbox(
            {
                "observations": ((*each, shows.stack, *shows.shape), shows.dtype),
                "writing": (each, np.bool_),  # whose row this tick begins
                "wrote": (each, np.bool_),  # whose row the last one began
                "actions": (each, np.uint8),
                "rewards": (each, np.float32),
                "ended": (each, np.bool_),
            },
            device,
        )
        self._drawn = Inbox(
            {
                "uniforms": ((*each, recipe.batch_size), np.float64),
                "coefficients": (self.optimizer.table_shape, np.float32),
            },
            device,
        )
        # for the replay's rows, which may lie on the host
        here = self.replay.storage == device
        self._to_store = self._seen.tensors if here else self._seen.host_tensors
        self._uniforms = (self._drawn.tensors if here else self._drawn.host_tensors)["uniforms"]
        self._greedy = torch.zeros(each, dtype=torch.int64, pin_memory=on_gpu)
        self._lives: Lives | None = None
        self._made: Plan | None = None
        self._choose = Program(self._choose_greedily)
        self._record = Program(self._store_and_see)
        self._learn = Program(self._train)
        self._unproved = graphs if self._stream else "off"
        if graphs == "on" and not self._stream:
            raise ConfigError(
                f"graphs: on, but there are none on {device.type}; choose auto or off"
            )
        if self._unproved == "on" and not here:
            raise ConfigError(
                "graphs: on needs the replay in the GPU's memory, where it does not fit; train "
                "fewer members together, lower replay_capacity or let graphs be auto"
            )
        if not here:
            self._unproved = "off"
        if recipe.truncation == "bootstrap":  # rows are written which a graph does not know
            if graphs == "on":
                raise ConfigError("graphs: on needs truncation terminal; choose auto or off")
            self._unproved = "off"
        self._closing: tuple[np.ndarray, np.ndarray] | None = None

    @property
    def replays_graphs(self) -> bool:
        """Whether graphs have proved themselves and are used."""
        return self._learn.captured

    def on_device(self) -> contextlib.AbstractContextManager[Any]:
        """What is done within is queued behind all that the block's device has to do."""
        return self._context

    def catch_up(self) -> None:
        """Queue what follows behind what the caller's stream has to do."""
        if self._stream:
            self._stream.wait_stream(torch.cuda.current_stream(self.device))

    def begin_phase(self, iteration: int, phase: int) -> None:
        """Start the environments anew, and the streams of random numbers of the phase."""
        key = (iteration, phase)
        self._exploration = Uniforms(self._seeds, Purpose.EXPLORATION, key, 2)
        self._sampling = Uniforms(self._seeds, Purpose.REPLAY, key, self.recipe.batch_size)
        seeds = [environment_seed(seed, iteration, phase) for seed in self._seeds]
        self._seen.open()
        self._seen.host["observations"][:] = self.environments.reset(seeds)
        learns_lives = self.recipe.episodic_life and phase == TRAINING
        self._lives = Lives(self.environments.lives) if learns_lives else None

    def repeat(self, actions: np.ndarray) -> None:
        """Take actions [G] over again that a checkpoint has kept; nothing is stored."""
        step = self.environments.step(actions)
        observations = self._seen.host["observations"]
        observations[:] = step.observation
        if self._lives:
            self._lives.follow(self.environments.lives, step.ended)
            self._lives.hide(observations)

    def seen(self, g: int) -> int | None:
        """A checksum of what member g sees now; None of environments that repeat themselves."""
        if self.environments.repeats_itself:
            return None
        return zlib.crc32(self._seen.host["observations"][g].tobytes())

    def begin_anew(self, iteration: int, phase: int) -> None:
        """Begin other episodes, where `repeat` has not led back to those of a checkpoint."""
        seeds = [environment_seed(seed, iteration, phase) for seed in self._seeds]
        self._seen.host["observations"][:] = self.environments.reset(seeds)
        self.replay.begin_episode()

    def see(self, active: np.ndarray, *, training: bool) -> None:
        """Give the device what is seen, and let it choose.

        Args:
            active: who acts next, [G] bool; in training the others store nothing.
            training: whether the step is stored.
        """
        host = self._seen.host
        self._seen.open()
        host["writing"][:] = active & training
        self._asking[:] = True
        with self.on_device():
            if self._unproved != "off" and min(self.replay.appended.tolist()) > self.recipe.n_step:
                self._prove()
            if self._choose.captured:
                self._queue_choice()  # first, as it is waited for
                self._record()
                return
            self._seen.send()
            if host["wrote"].any():
                self._store()
            if training:
                self._see()

    def act(
        self, tick: int, epsilon: np.ndarray, active: np.ndarray, *, training: bool
    ) -> np.ndarray:
        """Choose actions [G] and let the environments begin with them; after `see`.

        Args:
            tick: number of the step within the phase.
            epsilon: probability of a random action, [G].
            active: who acts, [G] bool; the others do nothing.
            training: whether the step is stored.
        """
        actions = epsilon_greedy(
            self._exploration.row(tick),
            epsilon,
            active,
            self.environments.actions,
            self._greedy_actions,
        )
        self.environments.send(actions)
        self.replay.appended += active & training
        self._acted = actions
        return actions

    def learn(self, index: int, learning: np.ndarray, *, observe: bool) -> StepReport | None:
        """One update of the members with `learning`, [G] bool, from the replay as it stands.

        Args:
            index: of the update within the phase.
            learning: who learns.
            observe: whether to look inside the optimizer.
        """
        with self.on_device():
            self.replay.check_sampleable(learning)
            self._learning[:] = learning
            active = None if learning.all() else learning.tolist()
            host = self._drawn.host
            self._drawn.open()
            host["uniforms"][:] = self._sampling.row(index)
            report = None
            if not observe:
                host["coefficients"][:] = self._plan.coefficients(active).numpy()
                self._learn()
                self._drawn.sent()
                self._plan.advance(active)
            else:
                self._drawn.send()
                result = self._gradients()
                for name, parameter in self.parameters.items():
                    parameter.grad = result.gradients[name].to(parameter.dtype)
                report = observe_step(self.optimizer, active=active)
                for parameter in self.parameters.values():
                    parameter.grad = None
                self._follow(result, torch.from_numpy(learning).to(self.device))
            self.window.updates += learning
        return report

    def copy_to_target(self, members: Sequence[int]) -> None:
        """Give some members' target networks their present weights."""
        with self.on_device():
            for k in members:
                self.target.load(self.online.member(k), k)

    def receive(self) -> Step:
        """Wait for what the environments answer to the actions of `act`."""
        step = self.environments.receive()
        host = self._seen.host
        self._seen.open()
        host["observations"][:] = step.observation
        host["wrote"][:] = host["writing"]
        host["actions"][:] = self._acted
        host["rewards"][:] = step.reward
        if self.recipe.reward_clip:
            # ufuncs: np.clip takes several times as long on so few
            np.minimum(np.maximum(step.reward, -1), 1, out=host["rewards"])
        host["ended"][:] = step.ended
        if self._lives:
            host["ended"][:] = self._lives.follow(self.environments.lives, step.ended)
            self._lives.hide(host["observations"])
        if self.recipe.truncation == "bootstrap":
            closing = np.logical_and(step.cut_off, host["wrote"])
            host["ended"][closing] = False
            self._closing = (step.last_frames.copy(), closing) if closing.any() else None
        return step

    def finish(self) -> None:
        """Store what was received last, and wait for all that the device was given to do."""
        with self.on_device():
            wrote = self._seen.host["wrote"]
            if wrote.any():
                self._seen.send()
                self._store()
                self._seen.open()
                wrote[:] = False
        self._wait()

    def finite(self) -> np.ndarray:
        """Whose loss and weights are finite, [G] bool."""
        with self.on_device():
            finite = torch.isfinite(self.window.loss)
            for parameter in self.parameters.values():
                finite &= torch.isfinite(parameter.detach().flatten(1).sum(1))
            result: np.ndarray = finite.cpu().numpy()
        return result

    @property
    def _plan(self) -> Plan:
        # not before a checkpoint may have been restored
        if self._made is None:
            kinds: dict[Tensor, torch.dtype] = {
                parameter: gradient_dtype(name, self.online.values[name])
                for name, parameter in self.parameters.items()
            }
            self._made = self.optimizer.plan(kinds)
        return self._made

    def _store(self) -> None:
        sent = self._to_store
        self.replay.complete(sent["actions"], sent["rewards"], sent["ended"], sent["wrote"])
        if self._closing:
            frames, closing = map(torch.from_numpy, self._closing)
            self.replay.close(frames.to(self.replay.storage), closing.to(self.replay.storage))
            self.replay.appended += self._closing[1]
            self._closing = None

    def _see(self) -> None:
        sent = self._to_store
        self.replay.begin(sent["observations"][:, -1], sent["writing"])

    def _store_and_see(self) -> None:
        self._store()
        self._see()

    def _choose_greedily(self) -> None:
        self._seen.fetch()
        observations = self._seen.tensors["observations"]
        for members, values in self.online.parts:
            if self._asking[members].any():
                best = greedy_actions(values, observations[members])
                self._greedy[members].copy_(best, non_blocking=True)

    def _queue_choice(self) -> None:
        self._choose()
        self._seen.sent()

    def _greedy_actions(self, asking: np.ndarray) -> np.ndarray:
        if not self._choose.captured:
            self._asking[:] = asking
            with self.on_device():
                self._queue_choice()
        self._seen.open()  # what was sent before the choice was made
        return self._greedy.numpy()

    def _train(self) -> None:
        self._drawn.fetch()
        result = self._gradients()
        coefficients = self._drawn.tensors["coefficients"]
        gradients = [result.gradients[self._names[p]] for p in self._plan.parameters]
        self._plan.apply(gradients, coefficients)
        self._follow(result, coefficients[: self.size, 0] > 0)  # the field `active`

    def _gradients(self) -> Update:
        loss = self.recipe.loss
        if self._joined is None:
            batch = self.replay.sample(self._uniforms)
            return dqn_update(self.online.values, self.target.values, batch, loss)
        batch = self.replay.sample(self._uniforms, self._learning)
        for (members, values), (_, target) in zip(
            self.online.parts, self.target.parts, strict=True
        ):
            if self._learning[members].any():
                into = self._joined.of(members)
                dqn_update(values, target, batch.of(members), loss, into)
        return self._joined

    def _follow(self, result: Update, learning: Tensor) -> None:
        self.online.refresh(self.parameters)
        self.window.add(result.loss, result.mean_q, learning)

    def _prove(self) -> None:
        """Capture the programs, and keep them where they do what their functions do."""
        insisting, self._unproved = self._unproved == "on", "off"
        programs = (self._choose, self._record, self._learn)
        host, drawn = self._seen.host, self._drawn.host
        kept = {name: array.copy() for name, array in host.items()}
        random = np.random.default_rng(0)
        drawn["uniforms"][:] = random.random(drawn["uniforms"].shape)
        drawn["coefficients"][:] = self._plan.coefficients().numpy()
        host["actions"][:] = random.integers(self.environments.actions, size=self.size)
        host["rewards"][:] = random.standard_normal(self.size)
        host["writing"][:] = host["wrote"][:] = True

        self._seen.send()
        self._drawn.send()
        state = BlockState(self._written(), self.replay, self._wait)
        problem = capture_problem(programs, state, TOLERANCE[self._dtype])
        self._seen.open()
        for name, array in kept.items():
            host[name][:] = array
        if problem:
            for program in programs:
                program.release()
            if insisting:
                raise ConfigError(f"graphs: on, but {problem}; graphs: auto trains without")
            warnings.warn(
                f"trains without CUDA graphs, slower: {problem}", RuntimeWarning, stacklevel=2
            )

    def _wait(self) -> None:
        if self._stream:
            self._stream.synchronize()

    def _written(self) -> dict[str, Tensor]:
        tensors = {
            "loss": self.window.loss,
            "mean_q": self.window.mean_q,
            "greedy": self._greedy,
            "batch": self.replay.gathered,
        }
        for name, parameter in self.parameters.items():
            tensors[name] = parameter.detach()
            tensors[f"working copy of {name}"] = self.online.values[name].detach()
            for key, value in self.optimizer.state[parameter].items():
                if isinstance(value, Tensor):
                    tensors[f"{key} of {name}"] = value
        return tensors


def _optimizer(
    parameters: dict[str, nn.Parameter], recipe: Recipe, members: Sequence[Member]
) -> WeightDecayAdam:
    """One optimizer for all members, each with the lambda of its own scheme."""
    decaying = [item for item in parameters.items() if _decays(item[0], recipe)]
    exempt = [item for item in parameters.items() if not _decays(item[0], recipe)]
    groups: list[dict[str, Any]] = [{"params": decaying}]
    if exempt:
        groups.append({"params": exempt, **lambdas("none", 0.0)})
    # an iteration is the epoch of an agent
    updates = recipe.training_steps // recipe.update_every
    return build_optimizer(recipe, members, groups, updates_per_epoch=updates)


def _decays(name: str, recipe: Recipe) -> bool:
    return recipe.decay_biases or name.endswith(".weight")
