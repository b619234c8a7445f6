"""The figures of a DQN run that tables and plots show. Imports no torch."""

from shared_optim.metric import Metric

UNIT = "return per episode"
TRAINING_RETURN = Metric("train/return", "training return", UNIT, 1, "higher")
RETURN = Metric("eval/return", "score", UNIT, 1, "higher", fallback=TRAINING_RETURN.key)
