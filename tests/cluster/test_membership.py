"""Nodes without a vote come and go while everything runs, and changes that voters must agree on are refused."""

from dataclasses import replace

from tests.cluster.bench import TIMINGS, Bench

from vedette.cluster.config import CoreConfig, CoreGroup, CoreNode
from vedette.cluster.events import Listed, Reconfigure
from vedette.cluster.messages import Nack, Prepare, Promise
from vedette.kit.units import MILLISECOND, SECOND
from vedette.spec.resolved import SplitBrainPolicy

VOTERS = ("a", "b", "c")


def document(*names: str, prefers: str = "a") -> CoreConfig:
    """Directors, of which a, b and c vote."""
    return CoreConfig(
        cluster="web",
        nodes=tuple(CoreNode(name) for name in names),
        policy=SplitBrainPolicy.MAJORITY,
        timings=TIMINGS,
        groups=(CoreGroup("g", names, (prefers,)),),
        voters=VOTERS,
    )


SMALL, LARGE = document(*VOTERS), document(*VOTERS, "d", prefers="d")


def edit(core: CoreConfig) -> Reconfigure:
    return Reconfigure(groups=core.groups, nodes=core.nodes, timings=core.timings)


def running(core: CoreConfig, *names: str) -> Bench:
    bench = Bench(core)
    bench.start(*names)
    bench.run(5 * SECOND)
    return bench


def without_a_gap(bench: Bench, duration: int) -> None:
    end = bench.now + duration
    while bench.now < end:
        bench.run(5 * MILLISECOND)
        assert len(bench.holders()) == 1


def test_a_new_node_is_heard_and_takes_what_prefers_it() -> None:
    bench = running(LARGE, "a", "b", "c")
    for name in VOTERS:
        bench.handle(name, edit(SMALL))
    bench.run(12 * SECOND)
    (holder,) = bench.holders()
    assert holder in VOTERS
    bench.start("d")
    bench.run(SECOND)
    assert bench.holders() == [holder]  # the others do not know it
    for name in VOTERS:
        bench.handle(name, edit(LARGE))
    without_a_gap(bench, 2 * SECOND)
    assert bench.holders() == ["d"]


def test_a_holder_that_only_the_others_documents_have_dropped_goes_on_until_it_has_handed_over() -> None:
    bench = running(LARGE)
    assert bench.holders() == ["d"]
    for name in VOTERS:
        bench.handle(name, edit(SMALL))
    without_a_gap(bench, 10 * SECOND)
    assert bench.holders() == ["d"]
    assert [node.name for node in bench.machine("a").view(bench.now).nodes] == ["a", "b", "c", "d"]
    bench.handle("d", Listed(False))
    without_a_gap(bench, 5 * SECOND)
    assert bench.holders() == ["a"]
    assert [node.name for node in bench.machine("a").view(bench.now).nodes] == ["a", "b", "c"]
    assert not bench.machine("d").view(bench.now).leases[0].mine


def test_a_node_that_its_own_document_has_dropped_hands_over_and_takes_nothing_more() -> None:
    bench = running(LARGE)
    bench.handle("d", Listed(False))
    without_a_gap(bench, 10 * SECOND)
    assert bench.holders() != ["d"]
    bench.kill(*bench.holders())
    bench.run(10 * SECOND)
    assert bench.owners() != ["d"]
    bench.handle("d", Listed(True))
    bench.run(2 * SECOND)
    assert bench.owners() == ["d"]


def test_a_node_that_is_not_in_the_document_gets_no_votes_for_what_it_does_not_hold() -> None:
    core = replace(LARGE, groups=(*LARGE.groups, CoreGroup("h", ("a", "d"), ("a",))))
    bench = running(core)
    assert (bench.holders(), bench.holders("h")) == (["d"], ["a"])
    for name in VOTERS:
        bench.handle(name, edit(SMALL))
    asked = False
    end = bench.now + 5 * SECOND
    while bench.now < end:
        bench.run_until_something_is_said()
        while bench.post:
            asked = asked or any(letter.source == "d" for letter in bench.items(Prepare))
            assert not [letter for letter in bench.items((Promise, Nack)) if letter.target == "d"]
            bench.deliver(rounds=1)
    assert asked
    assert bench.owners("h") == []
    assert bench.owners() == ["d"]


def test_a_removed_node_that_falls_silent_loses_what_it_held() -> None:
    bench = running(LARGE)
    for name in VOTERS:
        bench.handle(name, edit(SMALL))
    bench.kill("d")
    bench.run(4 * SECOND)
    assert bench.owners() == ["a"]


def test_a_node_may_be_dropped_and_listed_again() -> None:
    bench = running(LARGE)
    for core in (SMALL, LARGE, SMALL, LARGE):
        for name in VOTERS:
            bench.handle(name, edit(core))
        bench.handle("d", Listed(core is LARGE))
        without_a_gap(bench, 3 * SECOND)
    assert bench.holders() == ["d"]


def test_warn_after_and_startup_grace_change_while_running() -> None:
    bench = running(SMALL)
    timings = replace(TIMINGS, warn_after=SECOND, startup_grace=SECOND)
    bench.handle("a", edit(replace(SMALL, timings=timings)))
    assert bench.machine("a").config.timings == timings
