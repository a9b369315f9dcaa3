"""The schedule of checks."""

from ipaddress import ip_address
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vedette.health.schedule import JITTER, Lateness, Schedule, phase
from vedette.kit.units import MILLISECOND, SECOND


def test_a_new_target_is_due_at_once() -> None:
    schedule: Schedule[str] = Schedule()
    schedule.add("a", interval=SECOND, phase=123, now=5)
    assert schedule.next_due() == 5
    assert [slot.item for slot in schedule.take(5, 10)] == ["a"]


def test_nothing_is_due_while_a_check_is_under_way() -> None:
    schedule: Schedule[str] = Schedule()
    schedule.add("a", interval=SECOND, phase=0, now=0)
    schedule.take(0, 10)
    assert schedule.next_due() is None
    assert schedule.take(100 * SECOND, 10) == []


def test_at_most_the_limit_is_taken_and_the_rest_stays_due() -> None:
    schedule: Schedule[int] = Schedule()
    for number in range(10):
        schedule.add(number, interval=SECOND, phase=0, now=0)
    assert [slot.item for slot in schedule.take(0, 4)] == [0, 1, 2, 3]
    assert [slot.item for slot in schedule.take(0, 40)] == [4, 5, 6, 7, 8, 9]


def test_a_check_that_lasts_past_its_next_instant_is_followed_at_once() -> None:
    schedule: Schedule[str] = Schedule()
    slot = schedule.add("hung", interval=SECOND, phase=0, now=0)
    schedule.take(0, 1)
    schedule.ended(slot, 1500 * MILLISECOND)
    assert slot.due == 1500 * MILLISECOND


def test_after_a_late_start_the_grid_goes_on_and_nothing_is_made_up_for() -> None:
    schedule: Schedule[str] = Schedule()
    slot = schedule.add("a", interval=SECOND, phase=0, now=0)
    (taken,) = schedule.take(60 * SECOND + 1, 10)
    schedule.ended(taken, 60 * SECOND + 2)
    assert slot.due > 60 * SECOND + SECOND // 2


def test_a_removed_target_never_comes_again() -> None:
    schedule: Schedule[str] = Schedule()
    gone, stays = (schedule.add(name, interval=SECOND, phase=0, now=0) for name in ("gone", "stays"))
    schedule.remove(gone)
    assert [slot.item for slot in schedule.take(0, 10)] == ["stays"]
    schedule.ended(gone, 1)
    schedule.postpone(gone, 1)
    schedule.ended(stays, 1)
    assert [slot.item for slot in schedule.take(10 * SECOND, 10)] == ["stays"]


def test_removed_targets_do_not_pile_up() -> None:
    schedule: Schedule[int] = Schedule()
    for number in range(1000):
        schedule.remove(schedule.add(number, interval=3600 * SECOND, phase=0, now=number))
    assert schedule.next_due() is None


def test_a_thousand_targets_are_spread_evenly_over_the_interval() -> None:
    schedule: Schedule[int] = Schedule()
    for number in range(1000):
        schedule.add(number, interval=SECOND, phase=number * SECOND // 1000, now=0)
    for slot in schedule.take(0, 1000):
        schedule.ended(slot, 0)
    for slot in schedule.take(SECOND // 2, 1000):  # the round in which everyone finds its place
        schedule.ended(slot, SECOND // 2)
    starts = [0] * 10
    for tenth in range(10, 20):
        for slot in schedule.take(tenth * SECOND // 10, 1000):
            schedule.ended(slot, tenth * SECOND // 10)
            starts[tenth - 10] += 1
    assert all(80 <= count <= 120 for count in starts[1:])


@pytest.mark.parametrize("count", [2, 3, 5, 16, 100, 1000])
@pytest.mark.parametrize(
    ("first", "step"),
    [("10.0.0.1", 1), ("10.1.255.254", 2), ("10.0.0.1", 256), ("2001:db8::1", 1), ("2001:db8::1", 2**64)],
)
def test_servers_with_addresses_in_a_row_are_spread_over_the_whole_interval(first: str, count: int, step: int) -> None:
    start = ip_address(first)
    places = sorted(phase(b"\0\x50" + (start + step * number).packed, SECOND) for number in range(count))
    gaps = [after - before for before, after in zip(places, [*places[1:], places[0] + SECOND], strict=True)]
    assert max(gaps) <= 5 * SECOND // count


@given(
    interval=st.integers(MILLISECOND, 100 * SECOND),
    phase=st.integers(0, 2**32),
    begin=st.integers(0, 10**15),
    lasts=st.lists(st.floats(0, 0.99), min_size=2, max_size=20),
)
def test_quick_checks_start_once_an_interval(interval: int, phase: int, begin: int, lasts: list[float]) -> None:
    """No two starts are further apart than the interval and its jitter, and they do not drift."""
    schedule: Schedule[str] = Schedule()
    slot = schedule.add("a", interval=interval, phase=phase, now=begin)
    starts = []
    for share in lasts:
        due = schedule.next_due()
        assert due is not None
        starts.append(due)
        schedule.take(due, 1)
        schedule.ended(slot, due + int(share * interval / 2))
    gaps = [after - before for before, after in pairwise(starts)]
    jitter = interval // JITTER
    assert all(gap <= interval + jitter for gap in gaps)
    assert all(gap >= interval - jitter for gap in gaps[2:]), "in step once it has found its place"
    assert starts[-1] - starts[0] <= len(gaps) * interval


@given(st.lists(st.integers(0, 10 * SECOND), min_size=1))
def test_a_quantile_of_lateness_is_never_understated_and_at_most_doubled(samples: list[int]) -> None:
    lateness = Lateness()
    for sample in samples:
        lateness.add(sample)
    exact = sorted(samples)[max(0, -(-len(samples) * 9 // 10) - 1)]
    assert exact <= lateness.quantile(0.9) <= max(2 * exact, 100_000)
    assert lateness.starts == len(samples)
    assert lateness.most == max(samples)
