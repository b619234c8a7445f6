"""What tells apart runs that are shown together."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from workload.member import Member

RecipeValues = Mapping[str, Any]


def differing(recipes: Sequence[RecipeValues], without: Collection[str]) -> list[str]:
    """Keys in which the recipes differ, but those of `without`."""
    keys = dict.fromkeys(key for recipe in recipes for key in recipe if key not in without)
    return [key for key in keys if len({_text(recipe.get(key)) for recipe in recipes}) > 1]


def values(recipe: RecipeValues, keys: Sequence[str]) -> list[str]:
    """The recipe's values of these keys as text."""
    return [_text(recipe.get(key)) for key in keys]


def settings(
    members: Sequence[Member], recipes: Sequence[RecipeValues], without: Collection[str]
) -> list[str]:
    """Scheme and lambda of each run, and what else its recipe differs in: `l2-1e-3 gamma=0.9`."""
    keys = differing(recipes, without)
    return [
        " ".join([member.name, *map("=".join, zip(keys, values(recipe, keys), strict=True))])
        for member, recipe in zip(members, recipes, strict=True)
    ]


def printable(text: str) -> str:
    """Text from a run's files, `?` for what neither a font nor a file can show."""
    return "".join(letter if letter.isprintable() else "?" for letter in text)


def _text(value: Any) -> str:
    match value:
        case None:
            return "-"
        case float():
            short = f"{value:g}"
            return short if float(short) == value else repr(value)
        case _:
            return str(value)
