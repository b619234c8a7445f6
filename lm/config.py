"""Everything that decides what a run of a language model computes. Imports no torch."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

from lm.data.spec import TextSpec, Tokens, check_vocabulary
from shared_optim.learning_rates import LearningRate, Steps
from shared_optim.schedules import Schedule, parse_schedule
from workload.errors import ConfigError
from workload.network_recipe import NetworkRecipe
from workload.recipe import MachineBase, require_finite, require_positive


@dataclass(frozen=True)
class Recipe(NetworkRecipe):
    """The training recipe of one language model: one pass over a text, in which no window of tokens
    is seen twice. An update is one step of the optimizer.

    Args:
        data: text: `grammar`, the file or folder that `wdbench prepare text` was given, or its
            name; with tokens `bin` a folder with nanoGPT's train.bin and val.bin.
        tokens: `characters`, `bytes`, `bpe` (byte-level, trained on the text), or `bin`: as they
            are in train.bin and val.bin, uint16.
        vocabulary: how many different tokens; 0 takes those of the text. `bpe` and `bin` need it,
            e.g. 50304 for GPT-2's.
        rounds: stretches of training, each with an evaluation at its end.
        updates_per_round: updates of each.
        layers: blocks of the transformer.
        heads: attention heads.
        width: size of embeddings and layers.
        context: tokens of a window.
        optimizer: `adam` or `sgd`.
        learning_rate_schedule: `constant`, `cosine[:FINAL]`, `wsd:DECAY[:FINAL]` or
            `steps:FACTOR@T,...`; T and DECAY in updates, FINAL as a share of the peak.
        decay_schedule: `always`, `early:T`, `late:T`, `stuttered:K` or `skipped:K`; T and K count
            updates.
        decay_biases: whether the gains of LayerNorm decay too; False decays matrices only. There
            are no biases.
        branch: `RUN@UPDATE` goes on from the state of another run after so many updates, which it
            has kept at the end of a round: its folder, or `SCHEME-LAMBDA,KEY=VALUE,...` for the run
            beside this one with that decay, these keys and else this recipe, as
            `decoupled-1e-1,learning_rate=6e-4@24000`. Rounds and schedules count from that run's
            beginning.
        batch_size: windows per forward pass.
        accumulate: forward passes per update.
        clip_norm: largest 2-norm of the whole gradient, clipped before decay is added; 0 does not
            clip.
        precision: arithmetic: `float32`, or `bf16`, which is autocast where the weights are
            float32.
        weights: `float32`, or `bf16`: weights, gradients and the optimizer's buffers are bfloat16
            themselves, without a float32 copy.
        divergence: a run ends as diverged where a loss is not finite, or above the lowest one so
            far by this many nats; 0 looks for losses that are not finite alone.
        evaluation_windows: of the validation text, and as many of the training text: always the
            same.
        log_every: updates between rows of metrics.jsonl and looks inside the optimizer.
    """

    data: str = "openwebtext"
    tokens: Tokens = "bin"
    vocabulary: int = 50_304
    rounds: int = 50
    updates_per_round: int = 534
    layers: int = 12
    heads: int = 12
    width: int = 768
    context: int = 256
    optimizer: Literal["sgd", "adam"] = "adam"
    learning_rate: float = 6e-4
    warm_up: int = 400
    beta2: float = 0.95
    decay_biases: bool = False
    batch_size: int = 48
    accumulate: int = 10
    clip_norm: float = 1.0
    weights: Literal["float32", "bf16"] = "float32"
    divergence: float = 0.5
    evaluation_windows: int = 2_000
    log_every: int = 100

    KEYS_AFTER: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "context": ("optimizer", "learning_rate", "learning_rate_schedule", "warm_up", "momentum"),
        "momentum": ("nesterov", "beta1", "beta2", "adam_eps", "eps_placement", "rounding"),
        "rounding": ("decay_schedule", "decay_biases", "branch", "average_weights"),
        "clip_norm": ("precision",),
    }

    def __post_init__(self) -> None:
        super().__post_init__()
        require_positive(self, *_POSITIVE)
        require_finite(self, "vocabulary", "clip_norm", "divergence")
        if not self.data or not self.text.name:
            raise ConfigError(f"data: {self.data!r} names no text; allowed are names and paths")
        check_vocabulary(self.tokens, self.vocabulary)
        if self.width % self.heads:
            raise ConfigError(f"width: {self.width} is not a multiple of the {self.heads} heads")
        if self.weights == "bf16" and self.precision != "bf16":
            raise ConfigError("weights: bf16 goes with precision bf16, which their arithmetic has")
        self._check_schedules()
        self._check_branch()

    def _check_schedules(self) -> None:
        for key in ("learning_rate_schedule", "decay_schedule"):
            text = getattr(self, key)
            if "epochs" in text or text.startswith("exponential"):
                raise ConfigError(f"{key}: {text} counts epochs; in one pass there are updates")
        late = f"is not within the {self.updates:,} updates of the training; choose more --rounds,"
        if self.warm_up >= self.updates:
            raise ConfigError(f"warm_up: {self.warm_up} {late} or a shorter one")
        try:
            rates = self.learning_rates
        except ValueError as error:
            raise ConfigError(f"learning_rate_schedule: {error}") from error
        if isinstance(rates, Steps) and rates.at[-1] >= self.updates:
            raise ConfigError(
                f"learning_rate_schedule: {self.learning_rate_schedule} {late} or an earlier one"
            )
        if self.decay.steps >= self.updates:
            raise ConfigError(f"decay_schedule: {self.decay_schedule} {late} or an earlier one")

    def _check_branch(self) -> None:
        self.check_branch("UPDATE", "decoupled-1e-1,learning_rate=6e-4@24000")
        if not self.branch:
            return
        if self.branch_number % self.updates_per_round:
            raise ConfigError(
                f"branch: update {self.branch_number} is not the end of a round of "
                f"{self.updates_per_round} updates, where states are kept"
            )
        if self.branch_round >= self.rounds:
            raise ConfigError(
                f"branch: after update {self.branch_number} nothing is left of the "
                f"{self.updates:,}, which count from the other run's beginning; choose more "
                "--rounds"
            )

    @property
    def text(self) -> TextSpec:
        """The text that it asks for."""
        return TextSpec.of(self.data, self.tokens, self.vocabulary)

    @property
    def updates(self) -> int:
        """Of the whole training."""
        return self.rounds * self.updates_per_round

    @property
    def windows(self) -> int:
        """Per update."""
        return self.batch_size * self.accumulate

    @property
    def branch_round(self) -> int:
        """After which of the other run's rounds a branch begins."""
        return self.branch_number // self.updates_per_round

    @property
    def learning_rates(self) -> LearningRate:
        """alpha as a function of the updates done before."""
        return self.learning_rates_over(self.updates, self.updates_per_round)

    @property
    def decay(self) -> Schedule:
        """s_t, in updates."""
        return parse_schedule(self.decay_schedule)


_POSITIVE = (
    *("rounds", "updates_per_round", "layers", "heads", "width", "context"),
    *("batch_size", "accumulate", "evaluation_windows", "log_every"),
)


@dataclass(frozen=True)
class Machine(MachineBase):
    """Where and how a run is trained; no part of its identity.

    Args:
        graphs: `auto` or `off`: updates are not replayed as CUDA graphs.
        checkpoint_every: updates between checkpoints within a round.
        keep_every: rounds between states that are kept for good, for branches; 0 keeps the newest
            alone.
        data_dir: folder of the prepared texts.
    """

    checkpoint_every: int = 1_000
    keep_every: int = 0
    data_dir: str = "data"

    def __post_init__(self) -> None:
        super().__post_init__()
        require_finite(self, "keep_every")
        if self.graphs == "on":
            raise ConfigError("graphs: on, but language models have none; choose auto or off")

    @property
    def data_folder(self) -> Path:
        return Path(self.data_dir)
