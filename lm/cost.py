"""What a run of a language model takes: memory, disk and time, before anything is loaded. Imports
no torch."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lm.config import Recipe

PROCESS_MEMORY = 700_000_000  # torch, 300 MB on a CPU, with room for that with CUDA
IN_MEMORY = 7  # weights, gradient, at most four moments, and a copy while looking
IN_CHECKPOINT = 5  # weights and at most four moments
CORE_SPEED = 35e9  # operations a second on a shared core
SLOWER_IN_BF16 = 8  # on a processor without products of bfloat16
ABOUT_CHARACTERS = 96  # of an English text
GELU_AND_NORMS = 34  # bytes of activations per token, layer and width beside the products' own


def parameters(recipe: Recipe, vocabulary: int | None = None) -> int:
    """Numbers that are trained, positions included.

    Args:
        vocabulary: of the prepared text; a guess where nothing is prepared.
    """
    tokens = vocabulary or recipe.vocabulary or _guess(recipe)
    width = recipe.width
    block = 12 * width * width + 2 * width
    return (tokens + recipe.context) * width + recipe.layers * block + width


def _guess(recipe: Recipe) -> int:
    return 256 if recipe.tokens == "bytes" else ABOUT_CHARACTERS


def training_memory(recipe: Recipe, vocabulary: int | None = None) -> float:
    """Bytes of the model with all that is kept of its weights, of a forward pass, and of the
    process around them."""
    width = 2 if recipe.weights == "bf16" else 4
    copies = IN_MEMORY + (recipe.average_weights > 0)
    logits = 3 * 4 * (vocabulary or recipe.vocabulary or _guess(recipe))
    per_token = logits + recipe.layers * recipe.width * GELU_AND_NORMS * 2
    batch = recipe.batch_size * recipe.context * per_token
    return copies * width * parameters(recipe, vocabulary) + batch + PROCESS_MEMORY


def run_disk(recipe: Recipe, keep_every: int = 0) -> int:
    """Bytes of a run: two generations of its state, and those that are kept."""
    states = 2 + (recipe.rounds // keep_every if keep_every else 0)
    width = 2 if recipe.weights == "bf16" else 4
    copies = IN_CHECKPOINT + (recipe.average_weights > 0)
    return int(states * copies * width * parameters(recipe))


def tokens_trained(recipe: Recipe) -> int:
    """How many tokens training predicts; of a branch those after its trunk."""
    first = recipe.branch_number if recipe.branch else 0
    return (recipe.updates - first) * recipe.windows * recipe.context


def training_seconds(recipe: Recipe) -> float:
    """Seconds on a core: three passes of two operations per product for each token that is trained
    on, one for those of the evaluations."""
    matrices = parameters(recipe) - recipe.context * recipe.width
    attention = 2 * recipe.layers * recipe.width * recipe.context
    products = matrices + attention
    rounds = recipe.rounds - (recipe.branch_round if recipe.branch else 0)
    looks = 1 + (recipe.average_weights > 0)
    evaluated = 2 * looks * rounds * recipe.evaluation_windows * recipe.context
    slower = SLOWER_IN_BF16 if recipe.precision == "bf16" else 1
    return slower * products * (6 * tokens_trained(recipe) + 2 * evaluated) / CORE_SPEED
