"""The keys that every workload's recipe and machine have, once. Imports no torch."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from typing import Any, ClassVar, Literal

from workload.errors import ConfigError
from workload.member import check_schedule

OPTIMIZER_KEYS = (
    "beta1",
    "beta2",
    "adam_eps",
    "eps_placement",
    "rounding",
    "decay_schedule",
    "decay_biases",
)
"""Those that every recipe shows behind its learning rate, in this order."""


@dataclass(frozen=True)
class OptimizerRecipe:
    """The optimizer's part of a training recipe. A workload's Recipe adds what else it needs, and
    may change defaults and describe a key again.

    Args:
        learning_rate: alpha of Adam.
        beta1: decay rate of the first moment.
        beta2: decay rate of the second moment.
        adam_eps: epsilon of Adam.
        eps_placement: `outside` adds eps to the bias-corrected denominator (torch, optax), `hat`
            to the uncorrected one (TF1, fairseq).
        rounding: `once` rounds theta one time per step, `torch` rounds after the decay as well.
        decay_schedule: `always`, `early:T`, `late:T`, `stuttered:K` or `skipped:K`; T and K count
            updates, or epochs as in `early:50epochs`.
        decay_biases: whether biases decay too; False decays kernels only.
        precision: `float32`, or `bf16`: arithmetic in bfloat16 with float32 weights.
    """

    learning_rate: float = 1e-3
    beta1: float = 0.9
    beta2: float = 0.999
    adam_eps: float = 1e-8
    eps_placement: Literal["outside", "hat"] = "outside"
    rounding: Literal["once", "torch"] = "once"
    decay_schedule: str = "always"
    decay_biases: bool = True
    precision: Literal["float32", "bf16"] = "float32"

    KEYS_AFTER: ClassVar[Mapping[str, tuple[str, ...]]] = {}
    """Which keys follow one of a recipe's own where it is shown. A dataclass puts those that it
    inherits first."""

    @classmethod
    def keys(cls) -> tuple[str, ...]:
        """All keys in the order in which configurations, tables and reports show them."""
        keys = [field.name for field in fields(cls)]
        for key, followers in cls.KEYS_AFTER.items():
            keys = [other for other in keys if other not in followers]
            behind = keys.index(key) + 1
            keys[behind:behind] = followers
        return tuple(keys)

    def values(self) -> dict[str, Any]:
        """The value of every key, in the order of `keys`."""
        return {key: getattr(self, key) for key in self.keys()}

    def __post_init__(self) -> None:
        require_positive(self, "learning_rate")
        require_below_one(self, "beta1", "beta2")
        require_finite(self, "adam_eps")
        check_schedule(self.decay_schedule)


THREAD_LIMIT = 1024
"""Of CPU threads. Thousands end the process where their stacks find no memory."""

GraphMode = Literal["auto", "on", "off"]
LoggerName = Literal["none", "csv", "mlflow", "wandb"]


@dataclass(frozen=True)
class MachineBase:
    """Where and how a run is trained; no part of its identity. A workload's Machine adds its own.

    Args:
        device: `auto` (cuda when there is one), `cpu` or `cuda`.
        threads: CPU threads for arithmetic. More are faster where cores are idle; sums are taken in
            another order, so that the last bits are others.
        graphs: whether a GPU replays what it does in every step as CUDA graphs. `auto` tries them
            against the plain path at the start of a run and keeps them where the numbers agree,
            `on` insists, `off` never does.
        checkpoint_every: steps between checkpoints.
        tensorboard: `network` shows some thirty figures of the whole network, `all` every number of
            a row, those of each layer too.
        logger: what else gets the rows: `csv`, `mlflow` or `wandb`, which stay on this machine
            unless MLFLOW_TRACKING_URI or WANDB_MODE=online say otherwise.
    """

    device: Literal["auto", "cpu", "cuda"] = "auto"
    threads: int = 1
    graphs: GraphMode = "auto"
    checkpoint_every: int = 1_000
    tensorboard: Literal["network", "all"] = "network"
    logger: LoggerName = "none"

    def __post_init__(self) -> None:
        require_positive(self, "threads", "checkpoint_every")
        if self.threads > THREAD_LIMIT:
            raise ConfigError(
                f"threads: {self.threads} is above {THREAD_LIMIT:,}; as many as the machine has "
                "cores are the most that help"
            )

    @property
    def processes(self) -> int:
        """How many processes train one run, each with a GPU or core of its own."""
        return 1


def require_positive(values: Any, *keys: str) -> None:
    """Raise ConfigError unless the values of these keys are above 0."""
    for key in keys:
        if not getattr(values, key) > 0:
            raise ConfigError(f"{key}: {getattr(values, key)} is not above 0")


def require_below_one(values: Any, *keys: str) -> None:
    """Raise ConfigError unless the values of these keys are from 0 to below 1."""
    for key in keys:
        if not 0 <= getattr(values, key) < 1:
            raise ConfigError(f"{key}: {getattr(values, key)} is not from 0 to below 1")


def require_finite(values: Any, *keys: str) -> None:
    """Raise ConfigError unless the values of these keys are finite and at least 0."""
    for key in keys:
        value = getattr(values, key)
        if not (math.isfinite(value) and value >= 0):
            raise ConfigError(f"{key}: {value} is not a finite number >= 0")


def descriptions(kind: type[Any]) -> dict[str, str]:
    """A sentence per key of a recipe or machine, from its docstring and those that it inherits."""
    import docstring_parser

    texts: dict[str, str] = {}
    for ancestor in reversed(kind.__mro__):
        entries: Iterable[Any] = docstring_parser.parse(ancestor.__doc__ or "").params
        texts |= {entry.arg_name: entry.description or "" for entry in entries}
    return texts
