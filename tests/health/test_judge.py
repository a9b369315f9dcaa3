"""Rise and fall."""

from itertools import groupby

from hypothesis import given
from hypothesis import strategies as st

from vedette.health.judge import Judge, Outcome
from vedette.state.health import Advice, Health, Verdict

P, F, U, B = Outcome.PASSED, Outcome.FAILED, Outcome.UNABLE, Outcome.BLOCKED


def healths(judge: Judge, outcomes: list[Outcome]) -> list[Health]:
    found = []
    for now, outcome in enumerate(outcomes, 1):
        judge.hear(outcome, outcome.value, now)
        found.append(judge.verdict.health)
    return found


def test_the_first_success_decides_at_once() -> None:
    assert healths(Judge(rise=5, fall=5), [P]) == [Health.UP]


def test_a_first_failure_is_in_doubt_until_as_many_as_fall_say_the_same() -> None:
    judge = Judge(rise=5, fall=3)
    assert not judge.doubts
    assert healths(judge, [F, F]) == [Health.UNKNOWN, Health.UNKNOWN]
    assert judge.doubts
    assert healths(judge, [F]) == [Health.DOWN]
    assert not judge.doubts


def test_a_success_among_first_failures_decides_at_once() -> None:
    judge = Judge(rise=5, fall=3)
    assert healths(judge, [F, F, P]) == [Health.UNKNOWN, Health.UNKNOWN, Health.UP]
    assert not judge.doubts


def test_a_check_that_is_blocked_changes_no_health_and_says_why() -> None:
    judge = Judge(rise=1, fall=1)
    assert judge.hear(B, "no such address here", 1)
    assert judge.verdict == Verdict(
        health=Health.UNKNOWN, since=0, reason="no such address here", notice="is not checked: no such address here"
    )
    assert not judge.hear(B, "no such address here", 2)
    assert judge.hear(P, "accepted", 3)
    assert judge.verdict == Verdict(health=Health.UP, since=3, reason="accepted")
    assert judge.hear(B, "no such address here", 4)
    assert (judge.verdict.health, judge.verdict.reason) == (Health.UP, "accepted")
    assert judge.hear(P, "accepted", 5)
    assert judge.verdict == Verdict(health=Health.UP, since=3, reason="accepted")


def test_a_notice_comes_and_goes_without_a_change_of_health() -> None:
    judge = Judge(rise=1, fall=1)
    assert judge.hear(P, "status 200", 1, notice="expires soon")
    assert judge.verdict.notice == "expires soon"
    assert not judge.hear(P, "status 204", 2, notice="expires soon")
    assert judge.hear(P, "status 200", 3)
    assert judge.verdict == Verdict(health=Health.UP, since=1, reason="status 200")


def test_a_server_falls_after_as_many_failures_in_a_row_as_fall_says() -> None:
    assert healths(Judge(rise=2, fall=3), [P, F, F, P, F, F, F])[-2:] == [Health.UP, Health.DOWN]


def test_a_server_rises_after_as_many_successes_in_a_row_as_rise_says() -> None:
    assert healths(Judge(rise=2, fall=3), [F, F, F, P, F, P, P])[-2:] == [Health.DOWN, Health.UP]


def test_a_check_that_could_not_be_made_counts_for_nothing() -> None:
    judge = Judge(rise=2, fall=2)
    assert healths(judge, [U, P, F, U]) == [Health.UNKNOWN, Health.UP, Health.UP, Health.UP]
    assert healths(judge, [F]) == [Health.DOWN]


def test_a_verdict_says_since_when_and_why() -> None:
    judge = Judge(rise=1, fall=2)
    judge.hear(P, "status 200", 10)
    judge.hear(F, "connection refused", 20)
    judge.hear(F, "no answer in 1s", 30)
    assert judge.verdict == Verdict(health=Health.DOWN, since=30, reason="no answer in 1s")


def test_a_new_reason_for_being_down_is_told_and_the_instant_stays() -> None:
    judge = Judge(rise=1, fall=1)
    judge.hear(F, "connection refused", 10)
    assert judge.hear(F, "status 500, expected 200-299", 20)
    assert judge.verdict == Verdict(health=Health.DOWN, since=10, reason="status 500, expected 200-299")
    assert not judge.hear(F, "status 500, expected 200-299", 30)


def test_what_a_passed_check_advises_holds_at_once_and_no_other_result_changes_it() -> None:
    judge = Judge(rise=3, fall=3)
    judge.hear(P, "exit status 0", 10)
    assert judge.hear(P, "exit status 12: weight 10", 20, advice=Advice(10, absolute=True))
    advised = Verdict(Health.UP, since=10, reason="exit status 12: weight 10", advice=Advice(10, absolute=True))
    assert judge.verdict == advised
    assert not judge.hear(P, "exit status 12: weight 10", 30, advice=Advice(10, absolute=True))
    assert not judge.hear(F, "no answer in 1s", 40)
    assert judge.verdict == advised
    judge.hear(Outcome.BLOCKED, "256 programs are running already", 50)
    assert judge.verdict.advice == Advice(10, absolute=True)
    assert judge.hear(P, "exit status 0", 60)
    assert judge.verdict == Verdict(Health.UP, since=10, reason="exit status 0")


def test_a_successor_goes_on_from_the_last_verdict() -> None:
    known = Verdict(health=Health.UP, since=7, reason="connection accepted")
    judge = Judge(rise=2, fall=3, verdict=known)
    assert healths(judge, [F, F]) == [Health.UP, Health.UP]
    assert judge.verdict == known


@given(st.lists(st.sampled_from([P, F]), min_size=1), st.integers(1, 5), st.integers(1, 5))
def test_a_verdict_only_turns_after_a_long_enough_run_to_the_contrary(
    outcomes: list[Outcome], rise: int, fall: int
) -> None:
    """Compared with the definition: look at the runs of equal results."""
    expected: list[Health] = []
    for outcome, run in groupby(outcomes):
        for length, _ in enumerate(run, 1):
            before = expected[-1] if expected else Health.UNKNOWN
            heard = Health.UP if outcome is P else Health.DOWN
            needed = fall if outcome is F else 1 if before is Health.UNKNOWN else rise
            enough = length >= needed
            expected.append(heard if enough else before)
    assert healths(Judge(rise=rise, fall=fall), outcomes) == expected
