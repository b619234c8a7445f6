"""Recipes: what is refused, and the budget of decay against sums by hand."""

from dataclasses import replace

import pytest

from vision.config import Machine, Recipe
from vision.workload import WORKLOAD
from workload.errors import ConfigError


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"epochs": 0}, "epochs: 0 is not above 0"),
        ({"data": ""}, "data: is empty"),
        ({"momentum": 1.0}, "momentum: 1.0 is not from 0 to below 1"),
        ({"nesterov": True, "momentum": 0.0}, "nesterov: needs a momentum"),
        ({"nesterov": True, "optimizer": "adam"}, "nesterov: is for the optimizer sgd alone"),
        ({"optimizer": "adam", "momentum": 0.5}, "momentum: is for the optimizer sgd alone"),
        ({"match": "layers"}, "match: layers goes with match_norms"),
        ({"learning_rate_schedule": "linear"}, "learning_rate_schedule: .* none of constant"),
        ({"decay_schedule": "early:200epochs"}, "not within the 200 epochs"),
        ({"decay_schedule": "late:soon"}, "decay_schedule: 'late:soon' is none of"),
        (
            {"learning_rate_schedule": "wsd:3epochs", "epochs": 2},
            "wsd:3epochs falls over more than the 2",
        ),
        ({"data": "/"}, "data: / has no name"),
        ({"subset": -1}, "subset: -1 is negative"),
        ({"pool": 0}, "pool: 0 is no number of pixels"),
    ],
)
def test_mistakes(changes, message):
    with pytest.raises(ConfigError, match=message):
        Recipe(**changes)


@pytest.mark.parametrize(
    ("key", "longest"),
    [
        ("warm_up", 7),
        ("decay_schedule", "late:7"),
        ("decay_schedule", "skipped:7"),
        ("learning_rate_schedule", "steps:0.1@7"),
        ("learning_rate_schedule", "steps:0.1@3,7"),
    ],
)
def test_schedules_in_updates_end_before_the_training(key, longest):
    """2 epochs of 4 updates are 8: what happens from update 8 on never happens."""
    assert Recipe(epochs=2, **{key: longest}).check_updates(4) is None
    too_long = 8 if key == "warm_up" else longest.replace("7", "8")
    with pytest.raises(ConfigError, match=f"{key}: .*8 is not within the 8 updates"):
        Recipe(epochs=2, **{key: too_long}).check_updates(4)


@pytest.mark.parametrize("schedule", ["steps:0.1@50epochs", "steps:0.1@1,2epochs"])
def test_steps_in_epochs_are_checked_before_images_are_known(schedule, tmp_path):
    own = Recipe(epochs=2, learning_rate_schedule=schedule)
    with pytest.raises(ConfigError, match=f"{schedule} is not within the 2 epochs"):
        WORKLOAD.validate(own, Machine(data_dir=str(tmp_path)))
    WORKLOAD.validate(replace(own, epochs=51), Machine(data_dir=str(tmp_path)))


def test_shapes_of_the_rate_that_do_not_fit_the_updates():
    recipe = Recipe(epochs=2, learning_rate_schedule="wsd:8", warm_up=1)
    assert recipe.check_updates(5) is None
    with pytest.raises(ConfigError, match="learning_rate_schedule: decay: 8"):
        recipe.check_updates(4)
    with pytest.raises(ConfigError, match="warm_up: 100 is not within the 2 updates"):
        Recipe(epochs=2, learning_rate_schedule="cosine", warm_up=100).check_updates(1)


def test_budget_of_the_paper():
    """sum(alpha * lambda) / (1 - momentum) of its 200 epochs of 391 updates: 6.5 with .0005."""
    recipe = Recipe()
    by_hand = sum(0.1 * 0.97**epoch * 391 for epoch in range(200))
    assert recipe.budget(391) == pytest.approx(by_hand, rel=1e-12)
    assert 5e-4 * recipe.budget(391) / 0.1 == pytest.approx(6.5, abs=0.02)


def test_late_decay_holds_a_fifth_of_the_budget_and_can_be_given_all():
    """.140 of .649, so lambda has to be 4.6 times as large."""
    recipe = Recipe(decay_schedule="late:50epochs")
    late = sum(0.1 * 0.97**epoch * 391 for epoch in range(50, 200))
    assert recipe.budget(391) == pytest.approx(late, rel=1e-12)
    assert recipe.decay_factor(391) == 1
    matched = Recipe(decay_schedule="late:50epochs", match_budget=True)
    assert matched.decay_factor(391) == pytest.approx(matched.budget(391, always=True) / late)
    assert matched.decay_factor(391) == pytest.approx(4.6, abs=0.05)


@pytest.mark.parametrize("schedule", ["skipped:128", "stuttered:128", "early:50epochs", "always"])
def test_matched_budgets_are_equal(schedule):
    recipe = Recipe(decay_schedule=schedule, match_budget=True)
    total = recipe.budget(391) * recipe.decay_factor(391)
    assert total == pytest.approx(recipe.budget(391, always=True), rel=1e-12)


def test_schedule_that_never_decays_cannot_be_matched():
    recipe = Recipe(decay_schedule="late:1000000", match_budget=True)
    with pytest.raises(ConfigError, match="never decays within 200 epochs"):
        recipe.decay_factor(391)
