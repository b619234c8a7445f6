"""Everything that decides what a translation run computes, as typed values. Imports no torch."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from nlp.data.spec import Preparation
from nlp.data.tokenisation import Tokenisation
from shared_optim.learning_rates import InverseSquareRoot
from workload.errors import ConfigError
from workload.recipe import (
    OPTIMIZER_KEYS,
    MachineBase,
    OptimizerRecipe,
    require_below_one,
    require_finite,
    require_positive,
)


@dataclass(frozen=True)
class Recipe(OptimizerRecipe):
    """The training recipe of one model. An update is one step of the optimizer.

    Args:
        data: corpus: `iwslt14`, `multi30k`, `grammar`, or the folder that `wdbench prepare` was
            given.
        bpe: merge operations of the joint byte-pair encoding, or pieces of sentencepiece.
        joined: whether both languages share one dictionary and all embeddings; otherwise the
            decoder's input and output embeddings are shared, as in the paper.
        source: language translated from.
        target: language translated into.
        tokenisation: `moses` lower-cases and splits by Moses' rules, `sentencepiece` takes the text
            of any language as it is, `characters` too, `none` is for text that is tokenised
            already; as `wdbench prepare` was told, like all keys of the text.
        subwords: `bpe`, or `unigram` of sentencepiece.
        ratio: of the longer to the shorter side, above which a training pair is dropped; 0 takes
            1.5 in tokens, 9 in characters where nothing separates words.
        longest: tokens, or characters, above which a training pair is dropped; 0 takes 175 tokens,
            1,000 characters.
        vocabulary: that of a run, for `init_from`, as `wdbench prepare --vocabulary-of RUN` tells
            it; without it the text has its own.
        init_from: a run, or a file in its `weights/`, whose weights training begins with; it has
            the same dictionaries and sizes. Without it they are random.
        epochs: passes over the training pairs.
        width: size of embeddings and layers.
        feed_forward: hidden size of the feed-forward blocks.
        heads: attention heads.
        layers: layers of the encoder, and as many of the decoder.
        dropout: probability of dropping an activation.
        learning_rate: alpha of Adam at the end of the warm-up.
        warm_up: updates over which alpha rises linearly from 0; then it falls as 1/sqrt(update).
        decay_biases: whether biases and norms decay too, as in fairseq; False decays matrices only.
        label_smoothing: probability mass spread evenly over the words that are not the reference.
        clip_norm: largest 2-norm of the whole gradient; 0 does not clip.
        max_tokens: tokens per batch with padding, of the longer side.
        accumulate: batches per update; several GPUs share them.
        precision: `float32`, or `bf16`: matrix products in bfloat16, as under autocast; weights
            and optimizer stay float32.
        beam: hypotheses kept per sentence while decoding.
        validation_sentences: sentences of the validation BLEU after each epoch; 0 takes all.
        average_last: newest epochs whose weights are averaged for a second test BLEU.
        log_every: updates between rows of metrics.jsonl and looks inside the optimizer.
    """

    data: str = "iwslt14"
    bpe: int = 10_000
    joined: bool = False
    source: str = "de"
    target: str = "en"
    tokenisation: Tokenisation = "moses"
    subwords: Literal["bpe", "unigram"] = "bpe"
    ratio: float = 0.0
    longest: int = 0
    vocabulary: str = ""
    init_from: str = ""
    epochs: int = 50
    width: int = 512
    feed_forward: int = 1024
    heads: int = 4
    layers: int = 6
    dropout: float = 0.3
    learning_rate: float = 5e-4
    warm_up: int = 4_000
    beta2: float = 0.98
    eps_placement: Literal["outside", "hat"] = "hat"
    label_smoothing: float = 0.1
    clip_norm: float = 0.0
    max_tokens: int = 4_096
    accumulate: int = 1
    beam: int = 5
    validation_sentences: int = 0
    average_last: int = 5
    log_every: int = 500

    KEYS_AFTER = {  # noqa: RUF012
        "dropout": ("learning_rate",),
        "warm_up": OPTIMIZER_KEYS,
        "accumulate": ("precision",),
    }

    def __post_init__(self) -> None:
        super().__post_init__()
        require_positive(self, *_POSITIVE)
        require_below_one(self, "dropout", "label_smoothing")
        require_finite(self, "warm_up", "clip_norm", "validation_sentences")
        if self.width % (2 * self.heads):
            raise ConfigError(
                f"width: {self.width} is not a multiple of twice the heads, 2 x {self.heads}"
            )
        if not self.data:
            raise ConfigError("data: is empty; allowed are iwslt14, multi30k, grammar or a folder")
        if self.source == self.target:
            raise ConfigError(f"target: {self.target} is also the source language")
        Preparation.of(self)

    @property
    def preparation(self) -> Preparation:
        """What is made of the text that is trained on."""
        return Preparation.of(self)


_POSITIVE = (
    "bpe",
    "epochs",
    "width",
    "feed_forward",
    "heads",
    "layers",
    "max_tokens",
    "accumulate",
    "beam",
    "average_last",
    "log_every",
)


@dataclass(frozen=True)
class Machine(MachineBase):
    """Where and how a run is trained; no part of its identity.

    Args:
        checkpoint_every: updates between checkpoints within an epoch.
        devices: processes that share the batches of an update, each with a GPU of its own.
        data_dir: folder of the prepared corpora.
    """

    checkpoint_every: int = 500
    devices: int = 1
    data_dir: str = "data"

    def __post_init__(self) -> None:
        super().__post_init__()
        require_positive(self, "devices")

    @property
    def processes(self) -> int:
        return self.devices

    @property
    def data_folder(self) -> Path:
        return Path(self.data_dir)


def check_devices(recipe: Recipe, machine: Machine) -> None:
    """Raise ConfigError where the devices cannot share the batches of an update evenly."""
    if recipe.accumulate % machine.devices:
        raise ConfigError(
            f"devices: {machine.devices} cannot share the {recipe.accumulate} batches of an "
            f"update evenly; choose an --accumulate that is a multiple of {machine.devices}"
        )


def learning_rate(recipe: Recipe) -> InverseSquareRoot:
    """alpha of the update that follows u others: fairseq's, whose first update has alpha 0."""
    return InverseSquareRoot(warm_up=recipe.warm_up, peak=recipe.learning_rate)
