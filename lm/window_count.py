"""How many windows a text has, and whether they suffice. Imports no torch."""

from lm.config import Recipe
from lm.data.prepared import Prepared
from workload.errors import ConfigError


def windows_in(tokens: int, context: int) -> int:
    """Of a text of so many tokens: each is `context` tokens and the one after them, which is the
    next window's first, so that every token is predicted at most once."""
    return max(tokens - 1, 0) // context


def require_windows(recipe: Recipe, prepared: Prepared) -> None:
    """Raise ConfigError where a pass over the text is shorter than the training, or validation has
    no window."""
    have = windows_in(prepared.train, recipe.context)
    per_round = recipe.updates_per_round * recipe.windows
    if have < recipe.rounds * per_round:
        raise ConfigError(
            f"rounds: {recipe.rounds} rounds take {recipe.rounds * per_round:,} windows of "
            f"{recipe.context} tokens, and {prepared.folder} has {have:,}, each of which is seen "
            f"once; at most {have // per_round} rounds, or choose a longer text"
        )
    if not windows_in(prepared.val, recipe.context):
        raise ConfigError(
            f"context: {recipe.context} tokens are more than the {prepared.val:,} for validation"
        )
