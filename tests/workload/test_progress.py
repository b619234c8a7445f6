"""How fast training goes, by a clock of the test's own."""

import time

import pytest

from workload.progress import Pace


@pytest.fixture
def clock(monkeypatch):
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    return now


def walk(pace, clock, *places):
    """Measure at (seconds later, phase, step)."""
    for seconds, phase, step in places:
        clock[0] += seconds
        pace.measure(phase, step)


def test_the_first_measurement_is_taken_as_it_is_and_later_ones_by_their_weight(clock):
    pace = Pace(0.25)
    walk(pace, clock, (0, "training", 0), (2, "training", 4))
    assert pace.seconds_per_step("training") == 0.5
    walk(pace, clock, (3, "training", 6))  # 1.5 each
    assert pace.seconds_per_step("training") == 0.5 + 0.25 * (1.5 - 0.5)


def test_each_phase_has_its_own_and_the_time_between_two_counts_for_neither(clock):
    pace = Pace(0.5)
    walk(pace, clock, (0, "a", 0), (1, "a", 1), (50, "b", 10), (3, "b", 11), (70, "a", 2))
    assert pace.seconds_per_step("a") == 1
    assert pace.seconds_per_step("b") == 3
    assert pace.seconds_per_step("c") is None


def test_a_step_that_starts_again_and_a_pause_are_not_measured(clock):
    pace = Pace(0.5)
    walk(pace, clock, (0, "a", 0), (1, "a", 1), (90, "a", 0), (1, "a", 1))
    pace.pause()
    walk(pace, clock, (90, "a", 2), (1, "a", 3))
    assert pace.seconds_per_step("a") == 1
