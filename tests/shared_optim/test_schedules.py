"""Decay schedules against tables worked out by hand."""

import pytest

from shared_optim import Schedule, parse_schedule


@pytest.mark.parametrize(
    ("text", "first_six"),
    [
        ("always", [1, 1, 1, 1, 1, 1]),
        ("early:2", [1, 1, 0, 0, 0, 0]),
        ("late:2", [0, 0, 1, 1, 1, 1]),
        ("stuttered:3", [0, 0, 3, 0, 0, 3]),
        ("stuttered:1", [1, 1, 1, 1, 1, 1]),
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


@pytest.mark.parametrize("text", ["", "early", "early:0", "late:-1", "stuttered:1.5", "always:3"])
def test_anything_else_is_refused_with_what_is_allowed(text):
    with pytest.raises(ValueError, match="none of always, early:T, late:T, stuttered:K"):
        parse_schedule(text)
