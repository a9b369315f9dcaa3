"""The engine, on virtual time."""

import asyncio
from dataclasses import replace
from ipaddress import ip_address
from itertools import pairwise
from typing import cast

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.health.targets import target
from tests.health.virtual import Behaviour, Lab
from vedette.health.engine import TICK, Engine
from vedette.health.judge import Outcome
from vedette.health.schedule import JITTER, RETRY
from vedette.kit.units import MILLISECOND, MINUTE, SECOND
from vedette.spec.resolved import HttpProbe
from vedette.state.health import Behind, Health, Target, Verdict, Verdicts

REFUSED = Behaviour(Outcome.FAILED, "connection refused", 0)
HUNG = Behaviour(delay=None)


def farm(
    count: int, *, interval: int = SECOND, timeout: int = SECOND // 2, rise: int = 2, fall: int = 3
) -> list[Target]:
    return [
        target(f"10.0.{number >> 8}.{number & 255}", interval=interval, timeout=timeout, rise=rise, fall=fall)
        for number in range(count)
    ]


def test_every_server_is_judged_within_one_round() -> None:
    lab = Lab()
    lab.engine.apply(farm(200, interval=10 * SECOND))
    lab.loop.run(SECOND)
    assert {verdict.health for verdict in lab.engine.verdicts().values()} == {Health.UP}


def test_a_server_dead_from_the_start_is_down_after_failures_in_quick_succession() -> None:
    for behaviour, lasts in ((REFUSED, 0), (HUNG, SECOND // 2)):
        lab = Lab()
        (server,) = servers = farm(1, interval=10 * SECOND, timeout=SECOND // 2, fall=3)
        lab.behaviours[server] = behaviour
        lab.engine.apply(servers)
        lab.loop.run(3 * SECOND)
        ((reported, verdict),) = lab.history(server)
        assert verdict.health is Health.DOWN
        assert reported - lab.starts[server][0] <= 3 * lasts + 2 * RETRY + 50 * MILLISECOND
        assert len(lab.starts[server]) == 3, "then the interval is kept"


def test_a_director_that_comes_up_before_its_network_does_not_take_servers_for_dead() -> None:
    lab = Lab()
    servers = farm(50, interval=10 * SECOND, fall=3)
    for server in servers:
        lab.behaviours[server] = Behaviour(Outcome.FAILED, "no route to the server", 0)
    lab.engine.apply(servers)
    lab.loop.run(SECOND // 4)
    lab.behaviours.clear()
    lab.loop.run(SECOND // 2)
    assert {lab.health(server) for server in servers} == {Health.UP}
    assert all(verdict.health is Health.UP for _, verdicts in lab.reports for verdict in verdicts.values())


def test_a_jitter_of_the_document_spreads_the_checks_of_a_server() -> None:
    check = replace(target(interval=10 * SECOND).check, jitter=4 * SECOND)
    server = Target(ip_address("10.0.0.1"), 80, check)
    lab = Lab()
    lab.engine.apply([server])
    lab.loop.run(30 * MINUTE)
    gaps = [after - before for before, after in pairwise(lab.starts[server][1:])]
    assert 6 * SECOND <= min(gaps) < 8 * SECOND
    assert 12 * SECOND < max(gaps) <= 14 * SECOND + 10 * TICK


def test_a_dead_server_is_reported_in_fall_intervals_and_one_time_out() -> None:
    """performance.md: interval x fall + time-out + 50 ms, whether it refuses or hangs."""
    for behaviour in (REFUSED, HUNG):
        lab = Lab()
        (server,) = servers = farm(1, interval=SECOND, timeout=SECOND // 2, fall=3)
        lab.engine.apply(servers)
        lab.loop.run(5 * SECOND)
        died = lab.loop.now
        lab.behaviours[server] = behaviour
        lab.loop.run(10 * SECOND)
        reported, verdict = lab.history(server)[-1]
        assert verdict.health is Health.DOWN
        assert reported - died <= 3 * SECOND + SECOND // 2 + 50 * MILLISECOND


def test_a_returned_server_is_reported_in_rise_intervals() -> None:
    lab = Lab()
    (server,) = servers = farm(1, interval=SECOND, rise=2)
    lab.behaviours[server] = REFUSED
    lab.engine.apply(servers)
    lab.loop.run(5 * SECOND)
    returned = lab.loop.now
    del lab.behaviours[server]
    lab.loop.run(10 * SECOND)
    reported, verdict = lab.history(server)[-1]
    assert verdict.health is Health.UP
    assert reported - returned <= 2 * SECOND + 50 * MILLISECOND


def test_a_hundred_hung_servers_delay_nobody() -> None:
    lab = Lab()
    servers = farm(1000, interval=SECOND, timeout=5 * SECOND)
    for server in servers[:100]:
        lab.behaviours[server] = HUNG
    lab.engine.apply(servers)
    lab.loop.run(10 * SECOND)
    lab.starts.clear()
    lab.loop.run(30 * SECOND)
    for server in servers[100:]:
        gaps = [after - before for before, after in pairwise(lab.starts[server])]
        assert max(gaps) <= SECOND + SECOND // JITTER + 10 * TICK
    assert all(len(lab.starts[server]) >= 5 for server in servers[:100]), "the hung ones are still asked"


def test_changes_of_one_turn_are_reported_together() -> None:
    lab = Lab()
    servers = farm(20, fall=1)
    for server in servers:
        lab.behaviours[server] = REFUSED
    lab.engine.apply(servers)
    lab.loop.run(MILLISECOND)
    assert [len(verdicts) for _, verdicts in lab.reports] == [20]


def test_a_server_that_stays_as_it_is_is_not_reported_again() -> None:
    lab = Lab()
    lab.engine.apply(farm(20))
    lab.loop.run(MINUTE)
    assert sum(len(verdicts) for _, verdicts in lab.reports) == 20


def test_an_edit_leaves_the_kept_targets_alone() -> None:
    lab = Lab()
    servers = farm(10)
    lab.engine.apply(servers)
    lab.loop.run(3 * SECOND + SECOND // 3)
    before = lab.engine.verdicts()
    kept, added = servers[:5], target("10.9.9.9")
    lab.starts.clear()
    lab.engine.apply([*kept, added])
    assert lab.engine.verdicts() == {server: before[server] for server in kept} | {
        added: Verdict(Health.UNKNOWN, 0, "not checked yet")
    }
    lab.loop.run(3 * SECOND)
    assert set(lab.starts) == {*kept, added}
    assert all(3 <= len(lab.starts[server]) <= 4 for server in kept)


def test_a_removed_target_is_not_heard_of_again_even_if_its_check_was_under_way() -> None:
    lab = Lab()
    (server,) = servers = farm(1)
    lab.behaviours[server] = Behaviour(delay=SECOND // 4)
    lab.engine.apply(servers)
    lab.loop.run(SECOND // 8)
    assert lab.under_way
    lab.engine.apply([])
    assert not lab.under_way
    lab.loop.run(MINUTE)
    assert not lab.reports
    assert not lab.engine.verdicts()


def test_a_change_that_is_not_yet_reported_is_forgotten_with_its_target() -> None:
    lab = Lab()
    (server,) = servers = farm(1)
    lab.behaviours[server] = Behaviour(Outcome.FAILED, "connection refused", SECOND // 4)
    lab.engine.apply(servers)
    lab.loop.at(lab.loop.now + SECOND // 4, lab.engine.apply, ())
    lab.loop.run(SECOND)
    assert not lab.reports


def test_a_target_goes_on_from_what_is_known() -> None:
    lab = Lab()
    (server,) = servers = farm(1, fall=3)
    known = Verdict(Health.UP, 7, "connection accepted")
    lab.behaviours[server] = REFUSED
    lab.engine.apply(servers, {server: known})
    lab.loop.run(SECOND)
    assert lab.engine.verdicts() == {server: known}
    lab.loop.run(3 * SECOND)
    assert lab.health(server) is Health.DOWN


def test_a_target_that_cannot_be_checked_as_written_is_down_and_says_why() -> None:
    lab = Lab()
    reports: list[Verdicts] = []
    engine = Engine(report=reports.append, now=lambda: lab.loop.now, loop=cast(asyncio.AbstractEventLoop, lab.loop))
    bad = target(probe=HttpProbe(body="(unclosed"))
    engine.apply([bad], {bad: Verdict(Health.UP, 7, "status 200")})
    lab.loop.run(SECOND)
    assert reports[0][bad].health is Health.DOWN
    assert reports[0][bad].reason.startswith("cannot be checked: '(unclosed' is not a regular expression")
    engine.apply([])
    engine.close()


def test_a_machine_that_runs_out_of_descriptors_changes_no_verdict_and_recovers() -> None:
    lab = Lab()
    servers = farm(50, fall=1)
    lab.engine.apply(servers)
    lab.loop.run(2 * SECOND)
    for server in servers:
        lab.behaviours[server] = Behaviour(Outcome.UNABLE, "too many open files", 0)
    lab.starts.clear()
    lab.loop.run(MINUTE)
    tried = sum(len(starts) for starts in lab.starts.values())
    assert 60 <= tried <= 60 * 10, "it goes on trying, without haste"
    lab.behaviours.clear()
    lab.starts.clear()
    lab.loop.run(2 * SECOND)
    assert all(lab.starts[server] for server in servers)
    for server in servers:
        assert {(verdict.health, verdict.since) for _, verdict in lab.history(server)} == {
            (Health.UP, lab.history(server)[0][1].since)
        }


def test_targets_for_which_this_machine_always_lacks_something_hold_nobody_up() -> None:
    """Somebody else has all the local ports to these servers, say."""
    lab = Lab()
    servers = farm(200, interval=SECOND, timeout=SECOND // 2, fall=3)
    lacking, others = servers[:5], servers[5:]
    for server in lacking:
        lab.behaviours[server] = Behaviour(Outcome.UNABLE, "cannot assign requested address", 0)
    lab.engine.apply(servers)
    lab.loop.run(5 * SECOND)
    assert {lab.health(server) for server in others} == {Health.UP}
    for server in others:
        lab.behaviours[server] = REFUSED
    lab.loop.run(3 * SECOND + SECOND // 2)
    assert {lab.health(server) for server in others} == {Health.DOWN}
    assert {lab.health(server) for server in lacking} == {Health.UNKNOWN}


def test_one_for_which_it_lacks_something_for_long_has_a_notice_until_it_is_checked() -> None:
    lab = Lab()
    lacking, other = farm(2)
    known = {lacking: Verdict(Health.UP, 7, "connection accepted")}
    lab.behaviours[lacking] = Behaviour(Outcome.UNABLE, "cannot assign requested address", 0)
    lab.engine.apply([lacking, other], known)
    lab.loop.run(2 * SECOND)
    assert lab.engine.verdicts()[lacking] == known[lacking]
    lab.loop.run(6 * SECOND)
    verdict = lab.engine.verdicts()[lacking]
    assert (verdict.health, verdict.since) == (Health.UP, 7)
    assert verdict.notice == "is not checked: cannot assign requested address"
    del lab.behaviours[lacking]
    lab.loop.run(2 * SECOND)
    assert lab.engine.verdicts()[lacking] == known[lacking]


def test_a_process_that_was_frozen_takes_no_server_for_dead() -> None:
    """The answers of the checks under way came while nobody could read them."""
    lab = Lab()
    servers = farm(100, interval=SECOND, timeout=SECOND // 2, fall=1)
    for server in servers:
        lab.behaviours[server] = Behaviour(delay=SECOND // 4)
    lab.engine.apply(servers)
    lab.loop.run(3 * SECOND)
    for duration in (SECOND, 10 * SECOND, 3600 * SECOND):
        assert lab.under_way
        lab.loop.freeze(duration)
        lab.loop.run(3 * SECOND)
    assert {verdict.health for verdict in lab.engine.verdicts().values()} == {Health.UP}


def test_a_server_that_keeps_the_checker_busy_keeps_no_hung_one_in() -> None:
    """A slow pattern on a body that a server has chosen: the time is up for others all the same."""
    lab = Lab()
    hung, *others = farm(50, interval=SECOND, timeout=SECOND // 2, fall=3)
    known = {hung: Verdict(Health.UP, 7, "connection accepted")}
    lab.behaviours[hung] = HUNG
    lab.engine.apply([hung, *others], known)
    ended = lab.loop.now + 6 * SECOND
    while lab.loop.now < ended:
        lab.loop.run(100 * MILLISECOND)
        lab.loop.work(400 * MILLISECOND)
    assert lab.health(hung) is Health.DOWN


def test_an_answer_that_came_while_the_checker_was_busy_counts() -> None:
    lab = Lab()
    (server,) = servers = farm(1, interval=SECOND, timeout=SECOND // 2, fall=1)
    lab.behaviours[server] = Behaviour(delay=SECOND // 4)
    lab.engine.apply(servers, {server: Verdict(Health.UP, 7, "connection accepted")})
    lab.loop.run(SECOND // 8)
    assert lab.under_way
    lab.loop.work(SECOND)
    lab.loop.run(SECOND)
    assert lab.health(server) is Health.UP


def test_after_the_end_nothing_is_left() -> None:
    lab = Lab()
    lab.engine.apply(farm(10))
    lab.loop.run(SECOND)
    lab.engine.close()
    lab.starts.clear()
    lab.loop.run(MINUTE)
    assert not lab.starts
    assert not lab.under_way


behaviours = st.builds(
    Behaviour,
    outcome=st.sampled_from([Outcome.PASSED, Outcome.FAILED, Outcome.UNABLE]),
    reason=st.sampled_from(["a", "b"]),
    delay=st.one_of(st.none(), st.integers(0, 2 * SECOND)),
)
steps = st.one_of(
    st.tuples(st.just("apply"), st.sets(st.integers(0, 5))),
    st.tuples(st.just("behave"), st.tuples(st.integers(0, 5), behaviours)),
    st.tuples(st.just("run"), st.integers(0, 3 * SECOND)),
    st.tuples(st.just("freeze"), st.integers(0, 3 * SECOND)),
)


@settings(max_examples=60, deadline=None)
@given(st.lists(steps, max_size=30))
def test_whatever_happens_each_target_is_checked_and_reports_add_up(script: list[tuple[str, object]]) -> None:
    """The lab asserts that no two checks of one target overlap; here that reports and verdicts agree at the end."""
    lab = Lab()
    servers = farm(6)
    wanted: set[Target] = set()
    told: dict[Target, Verdict] = {}
    for step in script:
        match step:
            case "apply", set() as numbers:
                wanted = {servers[number] for number in numbers}
                lab.engine.apply(wanted)
                told = {server: verdict for server, verdict in told.items() if server in wanted}
                lab.reports.clear()
            case "behave", (int() as number, Behaviour() as behaviour):
                lab.behaviours[servers[number]] = behaviour
            case "run", int() as duration:
                lab.loop.run(duration)
            case "freeze", int() as duration:
                lab.loop.freeze(duration)
        for _, verdicts in lab.reports:
            assert verdicts.keys() <= wanted
            told |= verdicts
        lab.reports.clear()
    lab.loop.run(0)
    for _, verdicts in lab.reports:
        told |= verdicts
    assert {server: verdict for server, verdict in lab.engine.verdicts().items() if verdict.since} == told
    lab.behaviours.clear()
    lab.starts.clear()
    lab.loop.run(6 * SECOND)
    assert lab.starts.keys() == wanted
    assert all(lab.health(server) is Health.UP for server in wanted)


def through(servers: int) -> list[Target]:
    """Checks of servers behind one virtual address."""
    plain = target("203.0.113.80", interval=SECOND)
    addresses = (ip_address(f"10.0.0.{number}") for number in range(servers))
    return [replace(plain, behind=Behind(address, 7, near=True)) for address in addresses]


def test_a_reason_says_that_the_check_went_through_the_service() -> None:
    lab = Lab()
    up, down = servers = through(2)
    lab.behaviours[down] = HUNG
    lab.engine.apply(servers)
    lab.loop.run(10 * SECOND)
    found = lab.engine.verdicts()
    assert all(found[item].reason.endswith(", through the service at 203.0.113.80:80") for item in servers)
    assert found[down].reason.startswith("no answer in 500ms,")
    assert found[up].health is Health.UP


def test_checks_through_one_service_are_spread_over_the_interval() -> None:
    lab = Lab()
    servers = through(100)
    lab.engine.apply(servers)
    lab.loop.run(10 * SECOND)
    instants = {lab.starts[server][5] % SECOND // TICK for server in servers}
    assert len(instants) > 10
