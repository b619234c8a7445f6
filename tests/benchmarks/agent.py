"""Agent steps per second: members of a population against a plain single-file loop.

    python -m tests.benchmarks.agent [--device cuda]

On a CPU one member, per second of CPU time; on a GPU populations, per second. The other flags are
for a GPU.
The plain loop is what a researcher writes in the style of CleanRL: gymnasium's wrappers, torch's
Adam, a numpy replay that keeps whole states. Both train the VALID network on Pong, batch 32, an
update every 4 agent steps, epsilon .01, from a replay filled with 5,000 transitions.
"""

import argparse

import ale_py
import gymnasium
import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from rl.config import Recipe
from rl.population import Population
from tests.benchmarks.timing import compare, gpu_seconds, hardware, table
from workload.member import Member

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


def ours(precision: str, members: int = 1, device: str = "cpu", filled: int = FILLED) -> Population:
    recipe = Recipe(
        game="Pong",
        padding="valid",
        precision=precision,
        warm_up=filled,
        replay_capacity=FILLED,
        epsilon_steps=1,
        log_every=25_000,
    )
    each = [Member("none", 0.0, seed) for seed in range(members)]
    population = Population(recipe, each, torch.device(device))
    population.run(filled)
    return population


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--members", type=int, nargs="+", default=[1, 4, 12, 24])
    parser.add_argument("--precision", nargs="+", default=["float32", "bf16"])
    parser.add_argument("--filled", type=int, default=FILLED, help="transitions at the beginning")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    if arguments.device == "cuda":
        on_gpu(arguments.members, arguments.precision, arguments.filled)
    else:
        on_cpu()


def on_gpu(
    sizes: list[int], precisions: list[str], filled: int, rounds: int = 5, ticks: int = 100
) -> None:
    """The sides one after the other: a GPU's clock and memory do not drift as shared cores do."""
    plain = PlainLoop("Pong", "cuda")
    plain.run(filled)
    plain.learning = True
    print(f"{torch.cuda.get_device_name()}, torch {torch.__version__}; agent steps per second")
    reference = ticks / gpu_seconds(lambda: plain.run(ticks), rounds)
    print(f"plain loop, float32{reference:>22,.0f}")
    for precision in precisions:
        for members in sizes:
            population = ours(precision, members, "cuda", filled)
            speed = members * ticks / gpu_seconds(lambda p=population: p.run(ticks), rounds)
            population.environments.close()
            print(
                f"{members:>3} members, {precision:<8}{speed:>19,.0f}{speed / reference:>8.1f}x",
                flush=True,
            )


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
