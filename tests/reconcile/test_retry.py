"""When failed things are tried again."""

from vedette.kit.units import MILLISECOND, SECOND
from vedette.reconcile.outcome import RetryAfter, Stalled
from vedette.reconcile.retry import STALLED_DELAY, Retries


def retries() -> Retries[str]:
    return Retries(lambda delay: delay)


def test_what_has_not_failed_is_due() -> None:
    assert retries().due("a", 0)


def test_delays_grow_and_have_an_end() -> None:
    failed, now, delays = retries(), 0, []
    for _ in range(12):
        failed.failed("a", RetryAfter(0, "busy"), now)
        due = failed.failures["a"].due
        delays.append(due - now)
        now = due
    assert delays[:3] == [100 * MILLISECOND, 200 * MILLISECOND, 400 * MILLISECOND]
    assert delays[-1] == 30 * SECOND


def test_a_wish_for_a_longer_delay_is_granted() -> None:
    failed = retries()
    failed.failed("a", RetryAfter(7 * SECOND, "busy"), 0)
    assert not failed.due("a", 7 * SECOND - 1)
    assert failed.due("a", 7 * SECOND)


def test_a_stalled_thing_waits_long_and_is_tried_all_the_same() -> None:
    failed = retries()
    failed.failed("a", Stalled("load the module"), 0)
    assert failed.next() == STALLED_DELAY
    assert failed.failures["a"].stalled


def test_the_jitter_is_the_callers() -> None:
    failed: Retries[str] = Retries(lambda delay: delay * 2)
    failed.failed("a", RetryAfter(SECOND, "busy"), 0)
    assert failed.next() == 2 * SECOND


def test_only_a_new_reason_is_news() -> None:
    failed = retries()
    assert failed.failed("a", RetryAfter(0, "busy"), 0)
    assert not failed.failed("a", RetryAfter(0, "busy"), 0)
    assert failed.failed("a", RetryAfter(0, "full"), 0)


def test_success_and_disappearance_are_forgotten() -> None:
    failed = retries()
    for key in "abc":
        failed.failed(key, RetryAfter(0, "busy"), 0)
    assert failed.succeeded("a")
    assert not failed.succeeded("a")
    failed.keep({"c"})
    assert set(failed.failures) == {"c"}


def test_hurry_makes_everything_due_and_forgets_nothing() -> None:
    failed = retries()
    failed.failed("a", Stalled("load the module"), SECOND)
    failed.hurry()
    assert failed.due("a", SECOND)
    assert failed.failures["a"].failures == 1
