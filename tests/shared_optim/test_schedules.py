"""Decay schedules against tables worked out by hand."""

import pytest

from shared_optim import Schedule, WeightDecayAdam, parse_schedule, resolve
from tests.shared_optim.reference import parameters


@pytest.mark.parametrize(
    ("text", "first_six"),
    [
        ("always", [1, 1, 1, 1, 1, 1]),
        ("early:2", [1, 1, 0, 0, 0, 0]),
        ("late:2", [0, 0, 1, 1, 1, 1]),
        ("stuttered:3", [0, 0, 3, 0, 0, 3]),
        ("stuttered:1", [1, 1, 1, 1, 1, 1]),
        ("skipped:3", [0, 0, 1, 0, 0, 1]),
    ],
)
def test_multipliers_are_as_defined(text, first_six):
    schedule = parse_schedule(text)
    assert [schedule.multiplier(t) for t in range(1, 7)] == first_six
    assert str(schedule) == text


def test_early_and_late_complement_each_other():
    early, late = Schedule("early", 5), Schedule("late", 5)
    assert all(early.multiplier(t) + late.multiplier(t) == 1 for t in range(1, 12))


def test_stuttered_decays_as_much_as_always_over_whole_periods():
    assert sum(parse_schedule("stuttered:7").multiplier(t) for t in range(1, 71)) == 70


@pytest.mark.parametrize("text", ["", "early", "early:0", "late:-1", "stuttered:1.5", "always:3",
                                  "early:5epoch", "early:0epochs", "early:epochs", "always:3epochs",
                                  "early:5\n"])  # fmt: skip
def test_anything_else_is_refused_with_what_is_allowed(text):
    with pytest.raises(ValueError, match="none of always, early:T, late:T, stuttered:K"):
        parse_schedule(text)


@pytest.mark.parametrize(
    ("text", "resolved"),
    [
        ("early:50epochs", "early:5000"),
        ("late:1epochs", "late:100"),
        ("stuttered:2epochs", "stuttered:200"),
        ("early:50", "early:50"),
        ("always", "always"),
    ],
)
def test_epochs_become_updates_where_their_length_is_known(text, resolved):
    schedule = parse_schedule(text)
    assert str(schedule) == text
    assert str(resolve(text, 100)) == str(resolve(schedule, 100)) == resolved


def test_an_epoch_has_an_update():
    with pytest.raises(ValueError, match="updates_per_epoch: 0 is not above 0"):
        resolve("early:5epochs", 0)


@pytest.mark.parametrize("schedule", ["early:5epochs", Schedule("early", 5, "epochs")])
def test_optimizers_refuse_epochs_and_say_what_to_do(schedule):
    said = (
        r"schedule: early:5epochs counts epochs, .* make it resolve\('early:5epochs', updates_per"
    )
    with pytest.raises(ValueError, match=said):
        WeightDecayAdam(parameters((3,)), l2=0.1, schedule=schedule)
    optimizer = WeightDecayAdam(parameters((3,)), l2=0.1)
    optimizer.param_groups[0]["schedule"] = schedule
    with pytest.raises(ValueError, match=said):
        optimizer.param_groups[0].settings()
