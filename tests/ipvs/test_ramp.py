"""Slow start: whole weights that only rise, in few steps."""

import itertools

from hypothesis import given
from hypothesis import strategies as st

from vedette.ipvs.ramp import STEPS, next_step, ramp
from vedette.kit.units import SECOND

weights = st.integers(0, 65535)
durations = st.integers(1, 3600 * SECOND)


def course(weight: int, duration: int) -> list[tuple[int, int]]:
    """Every instant at which the weight is set, with the weight."""
    found, elapsed = [], 0
    while True:
        found.append((elapsed, ramp(weight, elapsed, duration)))
        following = next_step(weight, elapsed, duration)
        if following is None:
            return found
        assert following > elapsed
        elapsed = following


@given(weights, durations)
def test_it_rises_to_the_documents_weight_in_at_most_ten_steps(weight: int, duration: int) -> None:
    found = [value for _, value in course(weight, duration)]
    assert found == sorted(found)
    assert found[-1] == weight
    assert min(found) >= min(1, weight)
    assert len(found) <= STEPS


@given(weights, durations, st.integers(0, 7200 * SECOND), st.integers(0, 7200 * SECOND))
def test_it_never_sinks(weight: int, duration: int, one: int, other: int) -> None:
    first, second = sorted((one, other))
    assert ramp(weight, first, duration) <= ramp(weight, second, duration)


@given(weights, durations)
def test_nothing_changes_between_two_steps(weight: int, duration: int) -> None:
    steps = course(weight, duration)
    for (_, value), (then, _) in itertools.pairwise(steps):
        assert ramp(weight, then - 1, duration) == value


def test_the_first_step_is_a_tenth_and_the_last_comes_when_the_time_is_over() -> None:
    assert [(at // SECOND, weight) for at, weight in course(100, 9 * SECOND)] == [
        (second, 10 * (second + 1)) for second in range(10)
    ]


def test_a_weight_of_1_has_no_steps() -> None:
    assert course(1, SECOND) == [(0, 1)]
