"""Policy ``fence``: what it takes to take a silent peer's groups, and what ends what is known of its being off."""

from dataclasses import replace

from tests.cluster.bench import KEY, LINK, OTHER_KEY, Bench, config

from vedette.cluster import storage, wire
from vedette.cluster.config import CoreConfig, CoreNode, tag
from vedette.cluster.events import (
    Datagram,
    FenceRequest,
    FenceResult,
    ForceConfig,
    Move,
    Standby,
    Stop,
    Tick,
    WatchdogArmed,
    What,
)
from vedette.cluster.fencing import wait
from vedette.kit.units import MILLISECOND, SECOND
from vedette.spec.resolved import SplitBrainPolicy

D = 3 * SECOND


def two(**delays: int) -> CoreConfig:
    made = config(nodes=("a", "b"), witnesses=(), policy=SplitBrainPolicy.FENCE)
    return replace(made, nodes=tuple(CoreNode(name, fence_delay=delays.get(name, 0)) for name in "ab"))


def settled() -> Bench:
    """Node a holds g."""
    bench = Bench(two())
    bench.start()
    bench.run(4 * SECOND)
    assert bench.holders() == ["a"]
    return bench


def wanted(bench: Bench, name: str) -> tuple[FenceRequest, ...]:
    return bench.handle(name, Tick()).fence


def off(bench: Bench, name: str, who: str, *, incarnation: int = 1) -> None:
    bench.handle(name, FenceResult(who, incarnation, True, "pdu: on, then off"))


def noted(bench: Bench, name: str, what: What) -> bool:
    return any(event.what is what for ready in bench.seats[name].said for event in ready.events)


def facts(bench: Bench, name: str) -> dict[int, int]:
    volatile = bench.seats[name].volatile
    assert volatile is not None
    state = storage.load_volatile(volatile)
    assert state is not None
    return state.dead


def test_a_silent_holder_is_taken_over_only_when_it_is_confirmed_off() -> None:
    bench = settled()
    bench.reboot("a")
    bench.run(10 * SECOND)
    assert bench.holders() == []
    assert [request.node for request in wanted(bench, "b")] == ["a"]
    off(bench, "b", "a")
    bench.run(100 * MILLISECOND)
    assert bench.holders() == ["b"]
    assert wanted(bench, "b") == ()


def test_a_device_that_fails_takes_nothing_over() -> None:
    bench = settled()
    bench.reboot("a")
    bench.run(10 * SECOND)
    bench.handle("b", FenceResult("a", 1, False, "wrong password"))
    bench.run(10 * SECOND)
    assert bench.holders() == []
    assert noted(bench, "b", What.FENCE_FAILED)


def test_a_silent_standby_costs_the_holder_nothing_and_is_shot() -> None:
    bench = settled()
    bench.reboot("b")
    bench.run(60 * SECOND)
    assert bench.holders() == ["a"]
    assert [request.node for request in wanted(bench, "a")] == ["b"]


def test_nobody_is_shot_before_it_was_seen_once() -> None:
    """Else each boot shoots the other for as long as the cut lasts (hole 19)."""
    bench = settled()
    for name in "ab":
        bench.reboot(name)
    bench.start("a")
    bench.run(60 * SECOND)
    assert wanted(bench, "a") == ()
    assert bench.holders() == []
    off(bench, "a", "b", incarnation=bench.machine("a").last_life("b"))
    bench.run(SECOND)
    assert bench.holders() == ["a"]


def test_of_two_that_have_not_met_none_shoots_the_other_or_takes_anything_alone() -> None:
    """The other may run another charter, under which its own vote is enough, or one with a third node."""
    bench = Bench(two())
    bench.start("a")
    bench.run(60 * SECOND)
    off(bench, "a", "b", incarnation=bench.machine("a").last_life("b"))
    bench.run(60 * SECOND)
    assert bench.holders() == []
    assert wanted(bench, "a") == ()
    (lease,) = bench.machine("a").view(bench.now).leases
    assert lease.reason == "no quorum"
    bench.handle("a", ForceConfig("alice"))
    bench.run(10 * SECOND)
    assert bench.holders() == ["a"]


def test_a_restarted_daemon_waits_before_it_shoots() -> None:
    bench = settled()
    bench.isolate("b")
    bench.kill("a")
    bench.run(10 * SECOND)
    bench.start("a")
    assert wanted(bench, "a") == ()
    bench.run(D + 100 * MILLISECOND)
    assert [request.node for request in wanted(bench, "a")] == ["b"]


def test_a_word_about_an_earlier_life_is_void() -> None:
    """Hole 16: asked for incarnation 1, which has started again since."""
    bench = settled()
    bench.reboot("b")
    bench.run(5 * SECOND)
    bench.start("b")
    bench.run(SECOND)
    bench.isolate("b")
    bench.run(5 * SECOND)
    off(bench, "a", "b", incarnation=1)
    assert noted(bench, "a", What.FENCE_VOID)
    assert facts(bench, "a") == {}


def test_a_vote_for_the_returned_node_ends_what_was_known_before_it_is_given() -> None:
    """Hole 14."""
    bench = settled()
    bench.reboot("b")
    bench.run(5 * SECOND)
    off(bench, "a", "b")
    assert facts(bench, "a") == {tag("b"): 1}
    bench.start("b")
    bench.run(SECOND)
    bench.handle("a", Move("g", "b", "alice", "test"))
    bench.run(SECOND)
    assert bench.holders() == ["b"]
    assert facts(bench, "a") == {}


def test_what_is_known_does_not_survive_the_own_reboot() -> None:
    """Hole 12: the other may have shot this one meanwhile, and run."""
    bench = settled()
    bench.reboot("b")
    bench.run(5 * SECOND)
    off(bench, "a", "b")
    bench.reboot("a")
    bench.start("a")
    bench.run(60 * SECOND)
    assert bench.holders() == []


def test_a_goodbye_ends_what_was_known_before_it_is_said() -> None:
    """Hole 13."""
    bench = settled()
    bench.handle("a", Standby("a", True, "alice", "test"))
    bench.run(SECOND)
    assert bench.holders() == ["b"]
    bench.reboot("b")
    bench.run(5 * SECOND)
    off(bench, "a", "b")
    assert facts(bench, "a") == {tag("b"): 1}
    bench.handle("a", Stop())
    assert facts(bench, "a") == {}


def test_a_clean_stop_needs_no_shot() -> None:
    """Hole 39: a goodbye says that this life is over."""
    bench = settled()
    bench.handle("a", Stop())
    bench.run(20 * SECOND)
    assert bench.holders() == ["b"]
    assert wanted(bench, "b") == ()
    bench.handle("b", Move("g", "a", "alice", "nobody there"))
    bench.run(20 * SECOND)
    assert bench.holders() == ["b"]


def test_who_is_said_to_be_off_and_answers_is_not_off() -> None:
    bench = settled()
    bench.isolate("b")
    bench.run(5 * SECOND)
    off(bench, "a", "b")
    assert facts(bench, "a") == {tag("b"): 1}
    bench.heal()
    bench.run(SECOND)
    assert facts(bench, "a") == {}
    assert noted(bench, "a", What.NODE_NOT_OFF)


def test_a_word_about_a_node_that_is_heard_is_void() -> None:
    bench = settled()
    off(bench, "a", "b")
    assert facts(bench, "a") == {}
    assert noted(bench, "a", What.FENCE_VOID)


def test_a_node_that_signs_with_an_unknown_key_is_not_shot() -> None:
    """Hole 37: a mistake with keys must not kill."""
    bench = settled()
    bench.isolate("b")
    sent = []
    for _ in range(20):
        bench.now = max(bench.now + SECOND // 4, bench.now)
        bench.handle("b", Tick())
        sent = [letter for letter in bench.post if letter.source == "b"]
        bench.post.clear()
        for letter in sent:
            message = bench.read(letter)
            strange = wire.encode(message, cluster=bench.config.cluster_id, secret=OTHER_KEY.secret)
            bench.handle("a", Datagram(LINK, strange))
        assert wanted(bench, "a") == ()
    assert KEY.secret != OTHER_KEY.secret
    bench.now += D
    assert [request.node for request in wanted(bench, "a")] == ["b"]


def test_of_two_the_holder_shoots_first() -> None:
    bench = settled()
    machine = bench.machine
    core = bench.config
    assert wait(core, "a", machine("a")._peers["b"], {tag("g")}) == 0
    assert wait(core, "b", machine("b")._peers["a"], set()) == core.duel > core.timings.interval


def test_a_written_delay_decides_instead() -> None:
    bench = settled()
    core = two(b=3 * SECOND)
    assert wait(core, "a", bench.machine("a")._peers["b"], {tag("g")}) == 3 * SECOND
    assert wait(core, "b", bench.machine("b")._peers["a"], set()) == 0


def test_an_armed_watchdog_stands_for_a_device_only_where_the_document_says_so() -> None:
    for allowed in (False, True):
        bench = Bench(replace(two(), assume_watchdog=allowed))
        bench.start()
        bench.run(4 * SECOND)
        bench.handle("a", WatchdogArmed(5 * SECOND))
        bench.run(SECOND)
        bench.reboot("a")
        bench.run(D + 9 * SECOND)
        assert bench.holders() == []
        bench.run(2 * SECOND)
        assert bench.holders() == (["b"] if allowed else [])
        (other,) = [node for node in bench.machine("b").view(bench.now).nodes if node.name == "a"]
        assert other.off.startswith("assumed") == allowed


def test_a_holder_that_restarts_beside_a_silent_peer_keeps_what_it_has() -> None:
    """Nobody can have taken it but over its dead body."""
    bench = settled()
    bench.isolate("b")
    bench.run(SECOND)
    bench.kill("a")
    bench.run(2 * D)
    assert bench.holders() == []
    bench.start("a")
    bench.run(100 * MILLISECOND)
    assert bench.holders() == ["a"]
