import pytest

from rl.config import Machine, Recipe
from workload.errors import ConfigError
from workload.member import Member


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"learning_rate": 0.0}, "learning_rate: 0.0 is not above 0"),
        ({"learning_rate": float("nan")}, "learning_rate: nan is not above 0"),
        ({"gamma": 1.5}, "gamma: 1.5 is not between 0 and 1"),
        ({"evaluation_steps": -1}, "evaluation_steps: -1"),
        ({"warm_up": 20_001}, "warm_up: 20001 is not a multiple of update_every, 4"),
        ({"warm_up": 4, "n_step": 4}, "warm_up: 4 is not above n_step"),
        ({"replay_capacity": 19_999}, "replay_capacity: 19,999 is below warm_up, 20,000"),
        ({"training_steps": 3}, "training_steps: 3 is below update_every"),
        ({"truncation": "bootstrap", "n_step": 3}, "truncation: bootstrap needs n_step 1, not 3"),
        ({"no_ops": -1}, "no_ops: -1 is not a finite number >= 0"),
        ({"decay_schedule": "early"}, "decay_schedule: 'early' is none of always, early:T"),
        ({"decay_schedule": "early:0"}, "decay_schedule: 'early:0'"),
    ],
)
def test_a_bad_setting_is_named_with_its_value_and_what_is_allowed(settings, named):
    with pytest.raises(ConfigError) as caught:
        Recipe(**settings)
    assert named in str(caught.value)


@pytest.mark.parametrize(
    ("scheme", "weight_decay", "seed"),
    [
        ("l2", -1e-4, 0),
        ("l2", float("nan"), 0),
        ("l2", float("inf"), 0),
        ("l2", 0.0, 0),
        ("none", 1e-4, 0),
        ("none", 0.0, -1),
    ],
)
def test_a_member_that_makes_no_sense_is_refused(scheme, weight_decay, seed):
    with pytest.raises(ConfigError):
        Member(scheme, weight_decay, seed)


@pytest.mark.parametrize(
    ("member", "name"),
    [
        (Member("none", 0.0, 0), "none"),
        (Member("separated", 1e-4, 0), "separated-1e-4"),
        (Member("l2", 2.5e-7, 0), "l2-2.5e-7"),
        (Member("decoupled", 10.0, 0), "decoupled-1e1"),
    ],
)
def test_a_member_is_named_after_scheme_and_lambda(member, name):
    assert member.name == name


def test_machine_knobs_are_checked():
    with pytest.raises(ConfigError, match="threads"):
        Machine(threads=-1)
    with pytest.raises(ConfigError, match="checkpoint_every"):
        Machine(checkpoint_every=0)


@pytest.mark.parametrize("text", ["-1", "all", "2.5", ""])
def test_how_many_weights_are_kept_is_checked(text):
    with pytest.raises(ConfigError, match=r"keep_checkpoints: .* is neither a number .* nor best"):
        Machine(keep_checkpoints=text)


def test_the_defaults_are_the_papers_recipe():
    recipe = Recipe()
    # DESIGN, from Bjorck et al., Tables 2 and 3, and Dopamine's settings
    assert (recipe.learning_rate, recipe.adam_eps, recipe.loss) == (2.5e-4, 1e-8, "huber")
    assert (recipe.warm_up, recipe.update_every, recipe.target_every) == (20_000, 4, 8_000)
    assert (recipe.max_episode_steps, recipe.gamma, recipe.sticky_actions) == (27_000, 0.99, 0.25)
    assert (recipe.truncation, recipe.action_set, recipe.no_ops) == ("terminal", "minimal", 0)
    assert (recipe.fire_reset, recipe.episodic_life) == (False, False)
