"""Back-off grows, and is bounded."""

from hypothesis import given
from hypothesis import strategies as st

from vedette.kit.units import MILLISECOND, SECOND
from vedette.reconcile.outcome import backoff


def test_the_first_retry_is_soon_and_each_further_one_waits_twice_as_long() -> None:
    assert [backoff(failures) for failures in range(3)] == [100 * MILLISECOND, 200 * MILLISECOND, 400 * MILLISECOND]


@given(st.integers(0, 10_000))
def test_no_delay_is_longer_than_the_most(failures: int) -> None:
    assert 100 * MILLISECOND <= backoff(failures) <= 30 * SECOND
