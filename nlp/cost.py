"""What a translation run takes: memory, disk and time. Imports no torch."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nlp.config import Recipe

# The rest of a training process: torch, fairseq, the activations of a batch.
PROCESS_MEMORY = 1_500_000_000
FLOAT = 4
IN_MEMORY = 6  # weights, gradient and at most four moments
IN_CHECKPOINT = 5  # weights and at most four moments, in two generations
TARGET_TOKENS = {"iwslt14": 3_949_114, "multi30k": 453_447}  # of the training pairs, for a guess
# On one shared core: results/evidence, multi30k (330 microseconds per target token with its
# validations and 3.5M weights) and iwslt14 (1.94 ms with 39.5M).
TOKEN_SECONDS, WEIGHT_SECONDS = 1.7e-4, 4.5e-11  # per target token, and per weight beside


def parameters(recipe: Recipe, types: int) -> int:
    """Weights of the model whose dictionaries hold `types` words together.

    Attention has four matrices with biases, a feed-forward block two; each block ends in a norm.
    """
    width, hidden = recipe.width, recipe.feed_forward
    attention = 4 * width * (width + 1)
    feed_forward = 2 * width * hidden + hidden + width
    encoder = attention + feed_forward + 2 * 2 * width
    decoder = 2 * attention + feed_forward + 3 * 2 * width
    return recipe.layers * (encoder + decoder) + types * width


def about_parameters(recipe: Recipe) -> int:
    """Parameters before the corpus is known: a dictionary has about as many types as merges."""
    return parameters(recipe, recipe.bpe if recipe.joined else 2 * recipe.bpe)


def run_disk(recipe: Recipe) -> int:
    """Bytes of a run: two generations of state, the last epochs' weights and the best one's."""
    return about_parameters(recipe) * FLOAT * (2 * IN_CHECKPOINT + recipe.average_last + 1)


def training_memory(recipe: Recipe) -> int:
    """Bytes of the model in training: weights, gradient and Adam's buffers."""
    return IN_MEMORY * FLOAT * about_parameters(recipe)


def training_seconds(recipe: Recipe, target_tokens: int) -> float:
    """Seconds of one core for all epochs over a corpus of so many target tokens."""
    per_token = TOKEN_SECONDS + WEIGHT_SECONDS * about_parameters(recipe)
    return recipe.epochs * target_tokens * per_token
