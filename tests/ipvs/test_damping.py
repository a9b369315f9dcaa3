"""Flap damping: who falls often stays out, for a bounded time."""

from hypothesis import given
from hypothesis import strategies as st

from vedette.ipvs.damping import Penalty, fall, review
from vedette.kit.units import MINUTE, SECOND
from vedette.spec.resolved import Damping

RULES = Damping(failures=3, half_life=MINUTE, longest=10 * MINUTE)


def after(*instants: int) -> Penalty:
    """The penalty after a fall at each of these instants."""
    found = None
    for instant in instants:
        if found is not None:
            found = review(found, RULES, instant)
        found = fall(found, RULES, instant)
    assert found is not None
    return found


def test_as_many_failures_close_together_as_the_document_says_hold_a_server_out() -> None:
    assert not after(0, 10 * SECOND).held
    assert after(0, 10 * SECOND, 20 * SECOND).held


def test_failures_that_are_far_apart_hold_nobody_out() -> None:
    assert not after(*range(0, 100 * MINUTE, 2 * MINUTE)).held


def test_whoever_goes_on_falling_stays_out_longer() -> None:
    few, many = after(0, 1, 2), after(0, 1, 2, 3, 4)
    assert few.release(RULES) < many.release(RULES)


def test_it_is_let_in_when_its_penalty_is_low_enough_and_forgotten_at_last() -> None:
    held = after(0, 1, 2)
    release = held.release(RULES)
    before, then = review(held, RULES, release - SECOND), review(held, RULES, release)
    assert before is not None
    assert before.held
    assert then is not None
    assert not then.held
    assert review(then, RULES, release + 10 * MINUTE) is None


@given(
    st.lists(st.integers(0, 60 * SECOND), min_size=1, max_size=200),
    st.integers(1, 20),
    st.integers(1, 600),
    st.integers(1, 6000),
)
def test_nobody_is_held_out_longer_than_the_document_says(
    gaps: list[int], failures: int, half_life: int, longest: int
) -> None:
    rules = Damping(failures, half_life * SECOND, longest * SECOND)
    now, penalty = 0, None
    for gap in gaps:
        now += gap
        penalty = fall(review(penalty, rules, now) if penalty is not None else None, rules, now)
        if penalty.held:
            assert now <= penalty.release(rules) <= now + rules.longest + 1
