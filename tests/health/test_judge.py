"""Rise and fall."""

from itertools import groupby

from hypothesis import given
from hypothesis import strategies as st

from vedette.health.judge import Judge, Outcome
from vedette.state.health import Advice, Health, Verdict

P, F, U = Outcome.PASSED, Outcome.FAILED, Outcome.UNABLE


def healths(judge: Judge, outcomes: list[Outcome]) -> list[Health]:
    found = []
    for now, outcome in enumerate(outcomes, 1):
        judge.hear(outcome, outcome.value, now)
        found.append(judge.verdict.health)
    return found


def test_the_first_success_decides_at_once() -> None:
    assert healths(Judge(rise=5, fall=5), [P]) == [Health.UP]


def test_the_first_failure_decides_at_once() -> None:
    assert healths(Judge(rise=5, fall=5), [F]) == [Health.DOWN]


def test_a_server_falls_after_as_many_failures_in_a_row_as_fall_says() -> None:
    assert healths(Judge(rise=2, fall=3), [P, F, F, P, F, F, F])[-2:] == [Health.UP, Health.DOWN]


def test_a_server_rises_after_as_many_successes_in_a_row_as_rise_says() -> None:
    assert healths(Judge(rise=2, fall=3), [F, P, F, P, P])[-2:] == [Health.DOWN, Health.UP]


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
            enough = before is Health.UNKNOWN or length >= (rise if outcome is P else fall)
            expected.append(heard if enough else before)
    assert healths(Judge(rise=rise, fall=fall), outcomes) == expected


def test_what_a_check_says_of_the_weight_holds_at_once_and_as_long_as_it_is_said() -> None:
    judge = Judge(rise=3, fall=2)
    assert judge.hear(P, "exit 52", 10, Advice(50))
    assert not judge.hear(P, "exit 52", 20, Advice(50))
    assert judge.hear(P, "exit 20", 30, Advice(18))
    assert judge.verdict == Verdict(Health.UP, 10, "exit 20", Advice(18))
    judge.hear(F, "no answer in 1s", 40)
    assert judge.verdict.advice == Advice(18)
    assert judge.hear(P, "exit 0", 50)
    assert judge.verdict.advice is None


def test_the_weight_that_a_check_gives_is_a_share_of_the_documents_or_stands_in_its_place() -> None:
    assert [Advice(share).weigh(10) for share in (0, 1, 50, 100, 250, -3)] == [0, 1, 5, 10, 10, 0]
    assert [Advice(weight, absolute=True).weigh(10) for weight in (0, 7, 70000)] == [0, 7, 65535]
