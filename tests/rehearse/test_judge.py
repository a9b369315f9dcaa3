"""What was seen against what was promised."""

from collections.abc import Callable
from dataclasses import replace
from ipaddress import ip_address

import pytest

from vedette.kit.units import MILLISECOND, SECOND
from vedette.lab.attempts import Kind, Outcome
from vedette.lab.drills.expectations import Expectation, nothing_lost
from vedette.lab.drills.judge import Sums, Watch, milliseconds, sums, violations
from vedette.lab.outage import Experience, Gap
from vedette.lab.probes import SLOW, Probe, plan
from vedette.lab.sightings import Double
from vedette.spec.resolved import ClusterSpec

TAKEOVER = Expectation(reason="gap", gap=1300 * MILLISECOND, settled=1300 * MILLISECOND)
CALM = Experience(attempts=100, answered=100, gap=Gap(0, 12 * MILLISECOND, 0))
DOUBLE = Double(ip_address("203.0.113.80"), "r1", "r2", 0, 20 * MILLISECOND, 3)


@pytest.fixture
def probe(make_cluster: Callable[..., ClusterSpec]) -> Probe:
    return plan(make_cluster())[0]


def outage(length: int, *, last: int | None = None) -> Experience:
    """Times in milliseconds."""
    missed = length // 10
    last_failure = (length if last is None else last) * MILLISECOND
    return Experience(
        attempts=missed + 100,
        answered=100,
        gap=Gap(0, length * MILLISECOND, missed),
        failures={Outcome.TIMED_OUT: missed},
        last_failure=last_failure,
    )


def watch(seen: Experience, expected: Expectation | None = TAKEOVER, *, double: bool = False) -> Watch:
    return Watch("fault", 0, [expected], [seen], [DOUBLE] if double else [], exclusive=expected is not None)


def test_what_was_promised_and_seen_is_no_violation(probe: Probe) -> None:
    assert violations(watch(outage(1300)), [probe]) == []
    assert violations(watch(CALM, nothing_lost("")), [probe]) == []


def test_a_gap_longer_than_promised_is_named(probe: Probe) -> None:
    found = violations(watch(outage(1310)), [probe])
    assert found[0] == "fault: 203.0.113.80:80: no answer for 1310 ms (1300 ms allowed)"


def test_a_pause_of_the_client_breaks_no_promise(probe: Probe) -> None:
    paused = replace(CALM, gap=Gap(0, 2 * SECOND, 0))
    assert violations(watch(paused), [probe]) == []
    assert sums([watch(paused)], [probe]).gap == 0


def test_a_slow_probe_is_given_its_own_resolution(probe: Probe) -> None:
    slow = replace(probe, period=SLOW)
    one_missed = Experience(100, 99, Gap(0, 200 * MILLISECOND, 1), {Outcome.TIMED_OUT: 1}, 0)
    move = Expectation(reason="", gap=50 * MILLISECOND, settled=50 * MILLISECOND, failed=3)
    assert violations(watch(one_missed, move), [slow]) == []
    assert sums([watch(one_missed, move)], [slow]).gap == 20 * MILLISECOND
    assert violations(watch(one_missed, move), [probe]) != []


def test_one_lost_request_is_too_many_where_nothing_may_be_lost(probe: Probe) -> None:
    lost = replace(CALM, answered=99, failures={Outcome.RESET: 1}, last_failure=5)
    (found,) = violations(watch(lost, nothing_lost("")), [probe])
    assert found == "fault: 203.0.113.80:80: 1 of 100 attempts failed (0 allowed): 1 reset"


def test_datagrams_that_fall_into_the_gap_of_a_move_are_lost_and_connections_are_not(probe: Probe) -> None:
    lost = replace(CALM, gap=Gap(0, 50 * MILLISECOND, 4), failures={Outcome.TIMED_OUT: 4}, last_failure=5)
    move = Expectation(reason="", gap=50 * MILLISECOND, settled=50 * MILLISECOND, failed=3, retried=True)
    assert violations(watch(lost, move), [replace(probe, kind=Kind.DATAGRAM)]) == []
    assert violations(watch(lost, move), [probe]) != []
    calm = [replace(probe, kind=Kind.DATAGRAM)]
    assert violations(watch(lost, nothing_lost("")), calm) != []


def test_a_service_that_stays_unbroken_may_lose_no_connection_where_others_may(probe: Probe) -> None:
    lost = replace(CALM, answered=99, failures={Outcome.RESET: 1}, last_failure=5)
    move = Expectation(reason="", gap=50 * MILLISECOND, settled=50 * MILLISECOND, failed=3, retried=True)
    assert violations(watch(lost, move), [probe]) == []
    assert violations(watch(lost, replace(move, unbroken=frozenset({probe.service}))), [probe]) != []


def test_a_failure_long_after_the_fault_is_named(probe: Probe) -> None:
    (found,) = violations(watch(outage(1000, last=1500)), [probe])
    assert "an attempt 1500 ms after the fault still failed" in found


def test_a_broken_long_lived_connection_counts_where_it_was_to_survive(probe: Probe) -> None:
    broken = replace(CALM, broken=1)
    assert violations(watch(broken, TAKEOVER), [probe]) == []
    assert len(violations(watch(broken, replace(TAKEOVER, held=True)), [probe])) == 1
    assert len(violations(watch(broken, replace(TAKEOVER, unbroken=frozenset({probe.service}))), [probe])) == 1


def test_a_client_that_tried_nothing_proves_nothing(probe: Probe) -> None:
    assert violations(watch(Experience(0, 0, Gap(0, 0, 0))), [probe]) != []


def test_two_machines_that_answer_for_one_address_break_the_promise(probe: Probe) -> None:
    assert violations(watch(CALM, double=True), [probe]) == [
        "fault: r1 and r2 both answered for 203.0.113.80: 20 ms, 3 frames"
    ]


def test_a_double_that_the_document_tolerates_is_reported_and_no_violation(probe: Probe) -> None:
    tolerated = replace(watch(CALM, double=True), exclusive=False)
    assert violations(tolerated, [probe]) == []
    assert sums([tolerated], [probe]).double == 20 * MILLISECOND


def test_a_probe_that_was_promised_nothing_is_neither_judged_nor_summed(probe: Probe) -> None:
    exempt = watch(outage(9000), None)
    assert violations(exempt, [probe]) == []
    assert sums([exempt], [probe]) == Sums(gap=0, lost=0, broken=0, double=0, double_frames=0)


def test_figures_are_summed_over_the_watches_of_a_drill(probe: Probe) -> None:
    both = sums([watch(outage(1000)), watch(outage(20))], [probe])
    assert (both.gap, both.lost) == (SECOND, 102)


@pytest.mark.parametrize(("duration", "text"), [(0, "0"), (800_000, "0.8"), (1_234_000_000, "1234")])
def test_milliseconds_are_as_precise_as_is_useful(duration: int, text: str) -> None:
    assert milliseconds(duration) == text
