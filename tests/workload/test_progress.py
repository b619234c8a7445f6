"""How fast training goes, by a clock of the test's own."""

import time

import pytest

from workload.progress import SAMPLES, Pace, Progress


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


def test_it_is_the_median_of_the_newest_measurements(clock):
    pace = Pace()
    walk(pace, clock, (0, "training", 0), (2, "training", 4))
    assert pace.seconds_per_step("training") == 0.5
    walk(pace, clock, (3, "training", 6), (1, "training", 7))  # 1.5 and 1 each
    assert pace.seconds_per_step("training") == 1
    walk(pace, clock, *((0.25, "training", 8 + n) for n in range(SAMPLES)))
    assert pace.seconds_per_step("training") == 0.25


def test_a_process_that_was_suspended_for_hours_goes_as_fast_as_before(clock):
    pace = Pace()
    walk(pace, clock, (0, "training", 0), (2, "training", 1), (2, "training", 2))
    walk(pace, clock, (3 * 3600, "training", 3))
    assert pace.seconds_per_step("training") == 2


@pytest.mark.parametrize(
    ("step", "place"),
    [
        (120, "training 120/1,000"),
        (1000, "training 1,000/1,000"),
        (2648, "training 1,000/1,000 and 1,648 more"),
    ],
)
def test_a_place_is_never_above_all_steps(step, place):
    assert Progress("training", step, 1000).place == place


def test_each_phase_has_its_own_and_the_time_between_two_counts_for_neither(clock):
    pace = Pace()
    walk(pace, clock, (0, "a", 0), (1, "a", 1), (50, "b", 10), (3, "b", 11), (70, "a", 2))
    assert pace.seconds_per_step("a") == 1
    assert pace.seconds_per_step("b") == 3
    assert pace.seconds_per_step("c") is None


def test_a_step_that_starts_again_and_a_pause_are_not_measured(clock):
    pace = Pace()
    walk(pace, clock, (0, "a", 0), (1, "a", 1), (90, "a", 0), (1, "a", 1))
    pace.pause()
    walk(pace, clock, (90, "a", 2), (1, "a", 3))
    assert pace.seconds_per_step("a") == 1
