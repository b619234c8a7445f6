"""The run whose norms are taken, which has to be trained before. Imports no torch."""

from dataclasses import replace

from vision.config import Recipe
from workload.member import Member
from workload.reference import is_run, member_of


def norms_reference(recipe: Recipe, member: Member) -> tuple[Recipe, Member] | None:
    """The run whose norms are taken: `SCHEME-LAMBDA@SCHEDULE` has this decay, the same seed and all
    else of the recipe. None where the recipe takes none, or names a folder.

    Raises:
        ConfigError: it is neither.
    """
    text = recipe.match_norms
    if not text or is_run(text):
        return None
    name, _, schedule = text.partition("@")
    theirs = replace(recipe, match_norms="", match="whole", decay_schedule=schedule or "always")
    return theirs, member_of("match_norms", text, name, member.seed)
