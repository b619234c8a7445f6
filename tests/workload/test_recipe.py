"""The keys that every recipe and machine share."""

import dataclasses
import math

import pytest

from suite.registry import load, names
from workload.errors import ConfigError
from workload.recipe import MachineBase, OptimizerRecipe, descriptions


@pytest.mark.parametrize(
    ("key", "value", "problem"),
    [
        ("learning_rate", 0.0, "is not above 0"),
        ("learning_rate", math.nan, "is not above 0"),
        ("beta1", 1.0, "is not from 0 to below 1"),
        ("beta2", -0.1, "is not from 0 to below 1"),
        ("adam_eps", math.inf, "is not a finite number >= 0"),
        ("decay_schedule", "sometimes", "is none of always, early:T"),
    ],
)
def test_a_value_that_no_optimizer_takes_is_refused_by_every_recipe(key, value, problem):
    for kind in (OptimizerRecipe, *(load(name).Recipe for name in names())):
        with pytest.raises(ConfigError) as refused:
            kind(**{key: value})
        assert str(refused.value).startswith(f"{key}: ")
        assert problem in str(refused.value)


@pytest.mark.parametrize(
    ("key", "value"), [("threads", -1), ("threads", 0), ("checkpoint_every", 0)]
)
def test_a_value_that_no_machine_has_is_refused_by_every_machine(key, value):
    for kind in (MachineBase, *(load(name).Machine for name in names())):
        with pytest.raises(ConfigError, match=f"{key}: {value} is"):
            kind(**{key: value})


def test_every_key_has_a_sentence_its_own_where_a_workload_says_more():
    for name in names():
        for kind in (load(name).Recipe, load(name).Machine):
            texts = descriptions(kind)
            assert all(texts[field.name] for field in dataclasses.fields(kind))
    assert descriptions(load("nlp").Recipe)["learning_rate"].endswith("the end of the warm-up.")
    assert descriptions(load("rl").Recipe)["learning_rate"] == "alpha of Adam."


def test_inherited_keys_stand_where_a_recipe_wants_them():
    @dataclasses.dataclass(frozen=True)
    class Recipe(OptimizerRecipe):
        first: int = 1
        learning_rate: float = 0.5
        last: int = 2
        KEYS_AFTER = {"first": ("learning_rate", "beta1"), "last": ("beta2",)}  # noqa: RUF012

    recipe = Recipe(last=7, beta1=0.25)
    not_placed = ["adam_eps", "eps_placement", "rounding", "decay_schedule", "decay_biases"]
    placed = ["first", "learning_rate", "beta1", "last", "beta2"]
    assert list(recipe.values()) == [*not_placed, "precision", *placed]
    assert recipe.values() == dataclasses.asdict(recipe)
    assert dataclasses.replace(recipe, beta2=0.5) == Recipe(last=7, beta1=0.25, beta2=0.5)


@pytest.mark.parametrize("name", names())
def test_every_key_of_a_recipe_is_shown_once(name):
    kind = load(name).Recipe
    assert sorted(kind.keys()) == sorted(field.name for field in dataclasses.fields(kind))
