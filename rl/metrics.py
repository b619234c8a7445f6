"""The figures of a DQN run that tables and plots show. Imports no torch."""

from shared_optim.metric import Metric

UNIT = "return per episode"
TRAINING_RETURN = Metric("train/return", "training return", UNIT, 1, "higher")
RETURN = Metric("eval/return", "score", UNIT, 1, "higher", fallback=TRAINING_RETURN.key)
TRAINING_EPISODES = Metric("train/episodes", "training episodes", "", 0)
EPISODE_COUNT = Metric("eval/episodes", "episodes", "", 0, fallback=TRAINING_EPISODES.key)
TRAINING_MEDIAN = Metric("train/return_median", "median training return", UNIT, 1, "higher")
MEDIAN = Metric(
    "eval/return_median", "median return", UNIT, 1, "higher", fallback=TRAINING_MEDIAN.key
)
LAST_100 = Metric("train/return_last100", "last 100", UNIT, 1, "higher")
"""Mean return of the newest 100 training episodes."""
AGENT_STEPS = Metric("agent_steps", "agent steps", "", 0)
FRAMES = Metric("frames", "frames", "", 0)
"""Of the emulator, frame_skip per agent step; elsewhere one per agent step."""
