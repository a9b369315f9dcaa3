"""When frames are sent."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from vedette.addresses.announce import DEFEND_INTERVAL, PERIOD, STEPS, Kind, Schedule
from vedette.kit.units import HOUR, MILLISECOND, SECOND

instants = st.integers(DEFEND_INTERVAL, 1000 * HOUR)


def frames_until(schedule: Schedule, end: int) -> list[tuple[int, Kind]]:
    """Run a punctual sender until ``end``."""
    sent = []
    while schedule.at <= end:
        sent.append((schedule.at, schedule.kind))
        schedule = schedule.advance(schedule.at)
    return sent


def test_the_first_announcement_goes_out_at_once() -> None:
    assert frames_until(Schedule(SECOND), SECOND) == [(SECOND, Kind.ANNOUNCEMENT)]


def test_announcements_repeat_soon_and_then_every_minute() -> None:
    sent = [at for at, kind in frames_until(Schedule(0), 5 * SECOND + 2 * PERIOD) if kind is Kind.ANNOUNCEMENT]
    soon = [0, 20, 100, 500, 1500, 5000]
    assert sent == [at * MILLISECOND for at in soon] + [5 * SECOND + PERIOD, 5 * SECOND + 2 * PERIOD]


def test_probes_come_after_the_first_announcement() -> None:
    sent = frames_until(Schedule(0), HOUR)
    assert [kind for _, kind in sent].count(Kind.PROBE) == 3
    assert sent[0][1] is Kind.ANNOUNCEMENT


@given(start=instants, delay=st.integers(0, 1000 * HOUR))
def test_after_a_sleep_at_most_one_round_is_made_up_for(start: int, delay: int) -> None:
    schedule, now, sent = Schedule(start), start + delay, 0
    while schedule.at <= now:
        schedule, sent = schedule.advance(now), sent + 1
    assert sent <= len(STEPS) + 1
    assert now < schedule.at <= max(now, start + STEPS[-1][0]) + PERIOD


@given(start=instants, claims=st.lists(st.integers(0, 3 * SECOND), min_size=1, max_size=30))
def test_claims_are_answered_at_once_but_never_more_often_than_the_interval(start: int, claims: list[int]) -> None:
    schedule, now, rounds = Schedule(start), start, []
    for delay in claims:
        now += delay
        before = schedule
        schedule = schedule.defend(now)
        if schedule is not before:
            rounds.append(schedule.start)
    assert rounds[0] == start + claims[0]
    assert all(later - earlier >= DEFEND_INTERVAL for earlier, later in pairwise(rounds))
