"""Agent steps per second: members of a population against a plain single-file loop.

    python -m tests.benchmarks.agent [--device cuda]

On a CPU one member and eight, per second of CPU time. On a GPU populations, per second: with CUDA
graphs and without, beside the emulators alone, which nothing on this machine can be faster than,
and the time of a block's update on the GPU. The other flags are for a GPU.
The plain loop is what a researcher writes in the style of CleanRL: gymnasium's wrappers, torch's
Adam, a numpy replay that keeps whole states. Both train the VALID network on Pong, batch 32, an
update every 4 agent steps, epsilon .01, from a replay filled with 5,000 transitions.
"""

import argparse
import itertools

import ale_py
import gymnasium
import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from rl.architecture import Padding
from rl.atari import AtariEnvironments
from rl.config import Recipe
from rl.population import Population
from tests.benchmarks.timing import compare, gpu_seconds, hardware, kernels, table
from workload.member import Member
from workload.recipe import GraphMode

FILLED = 5_000
STEPS = 100


class PlainLoop:
    """DQN on one game, in one file, in the order of the pseudo-code."""

    def __init__(self, game: str, device: str = "cpu") -> None:
        self.device = device
        gymnasium.register_envs(ale_py)
        env = gymnasium.make(f"ALE/{game}-v5", frameskip=1, repeat_action_probability=0.25)
        env = gymnasium.wrappers.AtariPreprocessing(env, noop_max=0)
        env = gymnasium.wrappers.FrameStackObservation(env, 4)
        self.env = gymnasium.wrappers.RecordEpisodeStatistics(env)
        self.actions = int(env.action_space.n)
        self.q, self.target = self.network().to(device), self.network().to(device)
        self.target.load_state_dict(self.q.state_dict())
        self.adam = torch.optim.Adam(self.q.parameters(), lr=2.5e-4)
        self.states = np.zeros((FILLED, 4, 84, 84), np.uint8)
        self.next_states = np.zeros((FILLED, 4, 84, 84), np.uint8)
        self.taken = np.zeros(FILLED, np.int64)
        self.rewards = np.zeros(FILLED, np.float32)
        self.ended = np.zeros(FILLED, np.float32)
        self.random = np.random.default_rng(0)
        self.step_count, self.learning = 0, False
        self.observation, _ = self.env.reset(seed=0)

    def network(self) -> nn.Module:
        return nn.Sequential(
            nn.Conv2d(4, 32, 8, stride=4),
            nn.ReLU(),
            nn.Conv2d(32, 64, 4, stride=2),
            nn.ReLU(),
            nn.Conv2d(64, 64, 3, stride=1),
            nn.ReLU(),
            nn.Flatten(),
            nn.Linear(3136, 512),
            nn.ReLU(),
            nn.Linear(512, self.actions),
        )

    def run(self, steps: int) -> None:
        for _ in range(steps):
            if not self.learning or self.random.random() < 0.01:
                action = int(self.random.integers(self.actions))
            else:
                with torch.no_grad():
                    state = self.tensor(np.asarray(self.observation)[None]).float() / 255
                    action = int(self.q(state).argmax(1))
            following, reward, terminated, truncated, _ = self.env.step(action)
            i = self.step_count % FILLED
            self.states[i], self.next_states[i] = self.observation, following
            self.taken[i], self.rewards[i], self.ended[i] = action, np.sign(reward), terminated
            self.observation = following
            if terminated or truncated:
                self.observation, _ = self.env.reset()
            self.step_count += 1
            if self.learning and self.step_count % 4 == 0:
                self.learn()

    def tensor(self, array: np.ndarray) -> torch.Tensor:
        return torch.from_numpy(array).to(self.device)

    def learn(self) -> None:
        rows = self.random.integers(0, min(self.step_count, FILLED), 32)
        states = self.tensor(self.states[rows]).float() / 255
        next_states = self.tensor(self.next_states[rows]).float() / 255
        taken = self.tensor(self.taken[rows])
        with torch.no_grad():
            best = self.target(next_states).max(1).values
            continues = 1 - self.tensor(self.ended[rows])
            goal = self.tensor(self.rewards[rows]) + 0.99 * best * continues
        value = self.q(states).gather(1, taken[:, None]).squeeze(1)
        loss = F.smooth_l1_loss(value, goal)
        self.adam.zero_grad()
        loss.backward()
        self.adam.step()


def ours(
    precision: str,
    members: int = 1,
    device: str = "cpu",
    filled: int = FILLED,
    graphs: GraphMode = "auto",
    padding: Padding = "valid",
) -> Population:
    recipe = Recipe(
        game="Pong",
        padding=padding,
        precision=precision,
        warm_up=filled,
        replay_capacity=FILLED,
        epsilon_steps=1,
        log_every=25_000,
    )
    each = [Member("none", 0.0, seed) for seed in range(members)]
    population = Population(recipe, each, torch.device(device), graphs)
    population.run(filled)
    return population


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--members", type=int, nargs="+", default=[1, 16])
    parser.add_argument("--precision", nargs="+", default=["float32", "bf16"])
    parser.add_argument("--filled", type=int, default=FILLED, help="transitions at the beginning")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    if arguments.device == "cuda":
        on_gpu(arguments.members, arguments.precision, arguments.filled)
    else:
        on_cpu()


def on_gpu(
    sizes: list[int], precisions: list[str], filled: int, rounds: int = 5, ticks: int = 200
) -> None:
    """The sides one after the other: a GPU's clock and memory do not drift as shared cores do."""
    # as training has it: float32 is float32, and the same run twice the same numbers
    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cudnn.deterministic = True
    print(f"{torch.cuda.get_device_name()}, torch {torch.__version__}; agent steps per second")
    print("| | agent steps per second | of the emulators alone | an update of a block, ms |")
    print("|---|---|---|---|")
    plain = PlainLoop("Pong", "cuda")
    plain.run(filled)
    plain.learning = True
    alone = {members: emulation(members, rounds, ticks) for members in sizes}
    row("plain loop, float32", ticks / gpu_seconds(lambda: plain.run(ticks), rounds), alone.get(1))
    for members, speed in alone.items():
        row(f"emulators of {members}, nothing else", speed, speed)
    anatomies = []
    for precision in precisions:
        for members in sizes:
            for graphs in ("auto", "off"):
                population = ours(precision, members, "cuda", filled, graphs)
                population.run(40)
                times = rounds if graphs == "auto" else 2
                speed = members * ticks / gpu_seconds(lambda p=population: p.run(ticks), times)
                used = population.blocks[0].replays_graphs
                name = f"{members} members, {precision}, {'graphs' if used else 'no graphs'}"
                row(name, speed, alone[members], update_milliseconds(population))
                if used:
                    anatomies.append(f"\nAn update of {name}, of its first block:\n")
                    anatomies.append(of_an_update(population))
                population.close()
    print("\n".join(anatomies))


def row(name: str, speed: float, alone: float | None, update: str = "") -> None:
    share = f"{speed / alone:.2f}" if alone else ""
    print(f"| {name} | {speed:,.0f} | {share} | {update} |", flush=True)


def emulation(members: int, rounds: int, ticks: int) -> float:
    environments = AtariEnvironments(Recipe(game="Pong"), members)
    environments.reset(list(range(members)))
    actions = itertools.cycle(np.full((6, members), np.arange(6)[:, None]))

    def run() -> None:
        for _ in range(ticks):
            environments.step(next(actions))

    seconds = gpu_seconds(run, rounds)
    environments.close()
    return members * ticks / seconds


def update_milliseconds(population: Population) -> str:
    """Of the first block, by the GPU's own clock, where it is a graph."""
    block = population.blocks[0]
    if not block.replays_graphs:
        return ""
    begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    with block.on_device():
        begin.record()
        for _ in range(20):
            block._learn()
        end.record()
    end.synchronize()
    return f"{begin.elapsed_time(end) / 20:.3f} for {block.size}"


def of_an_update(population: Population) -> str:
    with population.blocks[0].on_device():
        return kernels(population.blocks[0]._learn)


def on_cpu() -> None:
    plain = PlainLoop("Pong")
    plain.run(FILLED)
    plain.learning = True
    rows = []
    for precision, bar in (("float32", 1.25), ("bf16", 1.8)):
        population = ours(precision)
        rows.append(
            compare(
                f"{STEPS} agent steps, {precision}, over a plain float32 loop",
                lambda population=population: population.run(STEPS),
                lambda: plain.run(STEPS),
                at_least=bar,
                rounds=15,
            )
        )
    print(hardware())
    print(table(rows))


if __name__ == "__main__":
    main()
