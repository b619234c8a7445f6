"""Dopamine's JAX agent in a process of its own, whose Python holds Dopamine and nothing of ours.

    PYTHON tests/benchmarks/dopamine_jax.py STEPS FILLED

waits for a line before each round of STEPS agent steps, and prints the round's CPU seconds after
it. Pong, sticky actions, dqn.gin's settings but for a replay of FILLED transitions, which is full
before the first round, and an epsilon that is .01 from then on.

`pip install dopamine-rl` asks for versions that exclude each other. What goes (2026-11-28, Python
3.11): jax, flax, optax, gin-config, tensorflow-cpu, `gym<=0.25.2`, gymnasium, ale-py,
opencv-python-headless, python-snappy, pandas, absl-py, and dopamine-rl itself with --no-deps.
OpenAI's `baselines` and tensorflow_probability, which DQN does not use, are empty modules here.
"""

import os
import sys
import time
import types
from unittest import mock

os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
os.environ["JAX_PLATFORMS"] = "cpu"
EMPTY = ("baselines", "baselines.common", "tensorflow_probability")
EMPTY_PARTS = {"baselines.common": "atari_wrappers", "tensorflow_probability": "substrates"}


def without_what_dqn_does_not_use() -> None:
    for name in EMPTY:
        sys.modules[name] = types.ModuleType(name)
    for name, part in EMPTY_PARTS.items():
        module = types.ModuleType(f"{name}.{part}")
        module.jax = mock.MagicMock()  # type: ignore[attr-defined]
        sys.modules[module.__name__] = module
        setattr(sys.modules[name], part, module)


def main() -> None:
    steps, filled = map(int, sys.argv[1:])
    own = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # whatever the packages print
    without_what_dqn_does_not_use()
    import gin
    from dopamine.discrete_domains import atari_lib
    from dopamine.jax.agents.dqn import dqn_agent

    gin.parse_config(
        f"""
        ReplayBuffer.max_capacity = {filled}
        ReplayBuffer.batch_size = 32
        create_optimizer.learning_rate = 6.25e-5
        create_optimizer.eps = 1.5e-4
        """,
        skip_unknown=True,
    )
    environment = atari_lib.create_atari_environment(game_name="Pong", sticky_actions=True)
    agent = dqn_agent.JaxDQNAgent(
        num_actions=environment.action_space.n,
        min_replay_history=filled,
        epsilon_decay_period=1,
        seed=0,
    )
    action, playing = 0, False

    def run(count: int) -> None:
        nonlocal action, playing
        for _ in range(count):
            if not playing:
                action, playing = agent.begin_episode(environment.reset()), True
            observation, reward, terminal, *_ = environment.step(action)
            if terminal or environment.game_over:
                agent.end_episode(reward, terminal)
                playing = False
            else:
                action = agent.step(max(-1.0, min(1.0, reward)), observation)

    run(filled + 100)
    print("ready", file=own, flush=True)
    for _ in sys.stdin:
        start = time.process_time()
        run(steps)
        print(time.process_time() - start, file=own, flush=True)


if __name__ == "__main__":
    main()
