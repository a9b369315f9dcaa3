"""What the client saw, from its attempts."""

from hypothesis import given
from hypothesis import strategies as st

from vedette.kit.units import MILLISECOND
from vedette.lab.attempts import Attempt, Kind, Outcome
from vedette.lab.outage import PROMPT, experience, longest_gap

PERIOD = 10


def attempt(
    start: int, outcome: Outcome = Outcome.ANSWERED, *, took: int = 1, status: int = 200, kind: Kind = Kind.REQUEST
) -> Attempt:
    """Times in milliseconds."""
    begun = start * MILLISECOND
    return Attempt(0, kind, begun, begun + took * MILLISECOND, outcome, status if outcome is Outcome.ANSWERED else 0)


def steady(since: int, until: int, outcome: Outcome = Outcome.ANSWERED) -> list[Attempt]:
    return [attempt(at, outcome) for at in range(since, until, PERIOD)]


def gap_of(attempts: list[Attempt], since: int, until: int) -> tuple[int, int, int]:
    gap = longest_gap(attempts, since=since * MILLISECOND, until=until * MILLISECOND)
    return gap.start // MILLISECOND, gap.length // MILLISECOND, gap.missed


def test_a_gap_runs_from_answered_start_to_answered_start() -> None:
    attempts = steady(0, 100) + steady(100, 400, Outcome.TIMED_OUT) + steady(400, 600)
    assert gap_of(attempts, 95, 590) == (90, 310, 30)


def test_an_outage_that_does_not_end_counts_to_the_end_of_the_watch() -> None:
    attempts = steady(0, 100) + steady(100, 4000, Outcome.TIMED_OUT)
    assert gap_of(attempts, 95, 3990)[:2] == (90, 3900)


def test_silence_at_the_end_counts_even_if_nothing_was_tried() -> None:
    assert gap_of(steady(0, 100), 50, 1000)[1] == 910


def test_an_outage_before_the_first_answer_counts_from_the_start_of_the_watch() -> None:
    attempts = steady(0, 500, Outcome.REFUSED) + steady(500, 600)
    assert gap_of(attempts, 0, 590) == (0, 500, 50)


def test_an_answer_to_a_retransmitted_handshake_does_not_cut_an_outage_in_two() -> None:
    late = attempt(600, took=1005)
    attempts = [*steady(0, 100), *steady(100, 600, Outcome.TIMED_OUT), late, *steady(610, 1300, Outcome.TIMED_OUT)]
    attempts += steady(1300, 1500)
    assert gap_of(attempts, 95, 1490) == (90, 1210, 50 + 1 + 69)


def test_a_pause_of_the_client_is_no_outage_when_another_gap_lost_attempts() -> None:
    attempts = steady(0, 100) + steady(300, 400) + steady(400, 450, Outcome.RESET) + steady(450, 600)
    assert gap_of(attempts, 0, 590) == (390, 60, 5)


def test_a_pause_of_the_client_alone_is_reported_with_nothing_missed() -> None:
    attempts = steady(0, 100) + steady(300, 400)
    assert gap_of(attempts, 0, 390) == (90, 210, 0)


def test_an_answer_about_the_servers_own_failure_is_not_an_acceptable_one() -> None:
    attempts = [*steady(0, 100), attempt(100, status=500), *steady(110, 200)]
    seen = experience(attempts, since=0, until=195 * MILLISECOND)
    assert seen.failures == {Outcome.ANSWERED: 1}
    assert seen.statuses == {200: 19, 500: 1}
    assert seen.last_failure == 100 * MILLISECOND


def test_attempts_before_and_after_the_watch_are_not_counted() -> None:
    attempts = steady(0, 100, Outcome.REFUSED) + steady(100, 200) + steady(200, 300, Outcome.REFUSED)
    seen = experience(attempts, since=100 * MILLISECOND, until=195 * MILLISECOND)
    assert (seen.attempts, seen.answered, seen.failed) == (10, 10, 0)


def test_a_broken_long_lived_connection_is_counted_apart_from_requests() -> None:
    attempts = steady(0, 100)
    attempts += [attempt(50, kind=Kind.HELD), attempt(60, Outcome.RESET, kind=Kind.HELD)]
    seen = experience(sorted(attempts, key=lambda one: one.start), since=0, until=95 * MILLISECOND)
    assert (seen.broken, seen.failed) == (1, 0)


@given(st.lists(st.tuples(st.sampled_from(Outcome), st.integers(1, 2000)), max_size=60), st.integers(0, 300))
def test_no_watch_shows_a_gap_shorter_than_the_time_without_any_answer(
    results: list[tuple[Outcome, int]], since: int
) -> None:
    """Property: between the gap's bounds lies every stretch without a prompt, acceptable answer."""
    attempts = [attempt(at * PERIOD, outcome, took=took) for at, (outcome, took) in enumerate(results)]
    until = max(since, len(results) * PERIOD)
    gap = longest_gap(attempts, since=since * MILLISECOND, until=until * MILLISECOND)
    good = [
        one.start
        for one in attempts
        if one.answered and one.end - one.start <= PROMPT and since * MILLISECOND <= one.start <= until * MILLISECOND
    ]
    bad = [one for one in attempts if one.start not in good and since * MILLISECOND <= one.start < until * MILLISECOND]
    for one in bad:
        before = max((at for at in good if at < one.start), default=since * MILLISECOND)
        after = min((at for at in good if at > one.start), default=until * MILLISECOND)
        assert gap.length >= after - before
