"""Other voters and timings while everything runs: one step after the other, agreed on, and never by a file alone."""

from dataclasses import replace

import pytest
from tests.cluster.bench import LINK, TIMINGS, Bench, Seat

from vedette.cluster import charter as charters
from vedette.cluster.ballot import Ballot
from vedette.cluster.config import CoreConfig, CoreGroup, CoreNode, tag
from vedette.cluster.council import UNHEARD
from vedette.cluster.events import Datagram, ForceConfig, Listed, Reconfigure, SpecRunning
from vedette.cluster.messages import Flag, Motion, Stage
from vedette.kit.units import MILLISECOND, SECOND
from vedette.spec.resolved import SplitBrainPolicy

D = TIMINGS.dead_after
ALL = ("a", "b", "c", "d", "e", "f")


def document(*voters: str, nodes: tuple[str, ...] = ALL, dead_after: int = D) -> CoreConfig:
    """Directors, of which some vote; a is preferred."""
    return CoreConfig(
        cluster="web",
        nodes=tuple(CoreNode(name) for name in nodes),
        policy=SplitBrainPolicy.MAJORITY,
        timings=replace(TIMINGS, dead_after=dead_after),
        groups=(CoreGroup("g", nodes, nodes),),
        voters=voters,
    )


THREE = document("a", "b", "c")


def running(core: CoreConfig = THREE) -> Bench:
    bench = Bench(core)
    bench.start()
    bench.run(5 * SECOND)
    assert bench.holders() == ["a"]
    return bench


def edit(bench: Bench, core: CoreConfig, *names: str) -> None:
    """Give these nodes, or all, another document."""
    bench.config = core
    text = "".join(core.voters) + core.policy.value[0] + str(core.timings.dead_after)
    for name in names or [name for name, seat in bench.seats.items() if seat.machine is not None]:
        bench.handle(name, SpecRunning(2, text.encode().hex().ljust(16, "0")))
        rule = charters.wanted(core).rule
        bench.handle(name, Reconfigure(core.groups, core.nodes, core.timings, core.voters, rule))


def without_a_gap(bench: Bench, duration: int) -> None:
    end = bench.now + duration
    while bench.now < end:
        bench.run(5 * MILLISECOND)
        assert len(bench.holders()) == 1


def voters(bench: Bench) -> set[tuple[str, ...]]:
    """What the nodes run."""
    return {seat.machine.config.voters for seat in bench.seats.values() if seat.machine is not None}


def pending(bench: Bench, name: str) -> tuple[str, str]:
    config = bench.machine(name).view(bench.now).config
    return config.pending, config.waits


def test_a_voter_is_added_without_a_gap() -> None:
    bench = running()
    edit(bench, document("a", "b", "c", "d"))
    without_a_gap(bench, SECOND)
    assert voters(bench) == {("a", "b", "c", "d")}
    assert len({bench.machine(name).config.id for name in ALL}) == 1
    without_a_gap(bench, 3 * D)
    assert bench.holders() == ["a"]


def test_after_a_change_the_new_voters_decide() -> None:
    bench = running(document("a", "b", "c", "d", "e"))
    edit(bench, document("a", "b", "c", "d"))
    bench.run(SECOND)
    bench.kill("e")
    without_a_gap(bench, 3 * D)
    bench.kill("c")
    without_a_gap(bench, 3 * D)  # three of four
    bench.kill("d")
    bench.run(3 * D)
    assert bench.holders() == []


def test_two_voters_more_are_two_steps_with_time_for_the_leases_between_them() -> None:
    bench = running()
    edit(bench, document("a", "b", "c", "d", "e"))
    bench.run(SECOND)
    assert voters(bench) == {("a", "b", "c", "d")}
    assert pending(bench, "a")[0] == "e votes"
    without_a_gap(bench, 2 * D - 2 * SECOND)
    assert voters(bench) == {("a", "b", "c", "d")}
    without_a_gap(bench, 3 * SECOND)
    assert voters(bench) == {("a", "b", "c", "d", "e")}


def test_voters_that_know_of_different_steps_never_hold_a_group_twice() -> None:
    """The first to learn of the step and all new nodes are on one side of a cut, the other voters on the other."""
    bench = running()
    edit(bench, document("b", "d", "e"))
    while {bench.machine(name).config.voters for name in ALL} == {("a", "b", "c")}:
        bench.step()
    learned = [name for name in ALL if bench.machine(name).config.epoch]
    far, near = {*learned, "d", "e", "f"}, set(ALL) - {*learned, "d", "e", "f"}
    bench.cut |= {(one, other) for one in far for other in near} | {(one, other) for one in near for other in far}
    bench.deliver()
    end = bench.now + 4 * D
    while bench.now < end:
        bench.run(5 * MILLISECOND)
        assert len(bench.holders()) <= 1


def test_a_dead_voter_is_replaced_by_adding_one_and_then_removing_it() -> None:
    bench = running()
    bench.kill("c")
    edit(bench, document("a", "b", "d", nodes=("a", "b", "d", "e", "f")))
    without_a_gap(bench, SECOND)
    assert voters(bench) == {("a", "b", "c", "d")}
    without_a_gap(bench, 3 * D)
    assert voters(bench) == {("a", "b", "d")}
    assert "c" not in [node.name for node in bench.machine("a").view(bench.now).nodes]


@pytest.mark.parametrize("dead_after", [2 * SECOND, 8 * SECOND])
def test_dead_after_changes_without_a_gap(dead_after: int) -> None:
    bench = running()
    edit(bench, document("a", "b", "c", dead_after=dead_after))
    without_a_gap(bench, 4 * dead_after)
    assert {bench.machine(name).config.timings.dead_after for name in ALL} == {dead_after}
    lease = bench.machine("a").view(bench.now).leases[0]
    assert dead_after // 2 < lease.until - bench.now < dead_after


def records_cover_the_lease(dead_after: int) -> None:
    """At every step of a change of deadAfter most voters' records live at least as long as the lease."""
    bench = running()
    bench.run(TIMINGS.interval)
    edit(bench, document("a", "b", "c", dead_after=dead_after))
    for _ in range(3000):
        bench.step()
        end = bench.machine("a").view(bench.now).leases[0].until
        records = [bench.machine(name)._voter.votes[tag("g")].record for name in "abc"]
        assert sum(record is not None and record.deadline >= end for record in records) >= 2
    assert {bench.machine(name).config.timings.dead_after for name in "abc"} == {dead_after}


def test_hole_36_a_shorter_dead_after_shortens_no_record_that_is_counted_on() -> None:
    records_cover_the_lease(2 * SECOND)


def test_hole_36_an_ack_extends_a_lease_by_what_its_voter_has_recorded() -> None:
    records_cover_the_lease(8 * SECOND)


def test_hole_36_a_voter_that_forgot_its_records_is_silent_for_the_longer_dead_after() -> None:
    bench = running()
    edit(bench, document("a", "b", "c", dead_after=2 * SECOND))
    bench.run(SECOND)
    bench.kill("b")
    bench.reboot("b")
    bench.start("b")
    assert bench.machine("b").config.timings.dead_after == 2 * SECOND
    assert bench.machine("b")._site.silent_until == D


def test_hole_35_a_document_that_only_some_have_changes_no_voter() -> None:
    bench = running()
    edit(bench, document("a", "b", "c", "d"), "a", "d")
    bench.run(5 * D)
    assert voters(bench) == {("a", "b", "c")}
    assert pending(bench, "a") == ("d votes", "waits for b, c, e, f to have the same document")
    edit(bench, document("a", "b", "c", "d"))
    bench.run(SECOND)
    assert voters(bench) == {("a", "b", "c", "d")}


def test_hole_35_a_restart_with_another_document_changes_no_voter() -> None:
    """Three become five by file: the two that had the old document, and the three with the new one."""
    bench = running()
    bench.isolate("a")
    bench.isolate("b")
    bench.cut -= {("a", "b"), ("b", "a")}
    bench.kill("c", "d", "e")
    bench.config = document("a", "b", "c", "d", "e")
    bench.start("c", "d", "e")
    bench.run(10 * D)
    assert bench.holders() == ["a"]
    assert bench.machine("c").config.voters == ("a", "b", "c")


def test_hole_35_a_charter_that_was_agreed_on_outlives_everybodys_reboot() -> None:
    bench = running()
    edit(bench, document("a", "b", "c", "d"))
    bench.run(SECOND)
    for name in ALL:
        bench.kill(name)
        bench.reboot(name)
    bench.config = THREE
    bench.start()
    assert voters(bench) == {("a", "b", "c", "d")}


def test_who_runs_the_next_charter_answers_nobody_under_the_former() -> None:
    bench = running()
    while not any(letter.source == "a" and Flag.PERIODIC in bench.read(letter).flags for letter in bench.post):
        bench.deliver()
        bench.run_until_something_is_said()
    renewals = [letter for letter in bench.post if letter.source == "a" and letter.target == "c"]
    (step, *_) = charters.steps(THREE, charters.wanted(document("a", "b", "c", "d")))
    bench.machine("c")._council.adopt(step, bench.now, source="c")
    before = bench.machine("c")._voter.votes[tag("g")].record
    bench.now += MILLISECOND
    for letter in renewals:
        bench.handle("c", Datagram(LINK, letter.data))
    assert bench.machine("c")._voter.votes[tag("g")].record == before


def test_who_runs_the_next_charter_runs_it_after_a_restart_whatever_its_document_says() -> None:
    bench = running()
    edit(bench, document("a", "b", "c", "d"))
    bench.run(SECOND)
    bench.isolate("c")
    bench.kill("c")
    bench.config = THREE
    bench.start("c")
    assert bench.machine("c").config.voters == ("a", "b", "c", "d")


def test_a_new_node_learns_who_votes_and_then_may() -> None:
    bench = running()
    bench.kill("d")
    bench.run(D)
    bench.seats["d"].durable = bench.seats["d"].volatile = None
    edit(bench, document("a", "b", "c", "d"))
    bench.run(SECOND)
    assert voters(bench) == {("a", "b", "c")}  # what is not there is not added
    bench.start("d")
    edit(bench, document("a", "b", "c", "d"), "d")
    without_a_gap(bench, SECOND)
    assert voters(bench) == {("a", "b", "c", "d")}


def test_a_voter_that_its_document_has_dropped_hands_over_and_is_voted_out() -> None:
    bench = running(document("a", "b", "c", "d"))
    bench.handle("a", Listed(False))
    edit(bench, document("b", "c", "d", nodes=ALL[1:]), *ALL[1:])
    without_a_gap(bench, 2 * D)
    assert bench.holders() == ["b"]
    assert {bench.machine(name).config.voters for name in "bcdef"} == {("b", "c", "d")}


def test_without_a_majority_nothing_changes_but_by_force() -> None:
    bench = running()
    bench.kill("b", "c")
    edit(bench, document("a", "d", "e"))
    bench.run(5 * D)
    assert voters(bench) == {("a", "b", "c")}
    assert pending(bench, "a") == ("d votes, e votes, b does not vote any more, c does not vote any more", UNHEARD)
    assert bench.holders() == []
    bench.handle("a", ForceConfig("alice"))
    bench.run(SECOND)
    assert voters(bench) == {("a", "d", "e")}
    assert bench.holders() == ["a"]


def test_what_a_voter_has_accepted_is_what_everybody_proposes_from_then_on() -> None:
    """Two documents, one after the other: the first was accepted by a majority, and nobody knows it yet."""
    bench = running()
    edit(bench, document("a", "b", "c", "d"))
    for _ in range(20_000):
        bench.drop(
            letter
            for letter in bench.items(Motion)
            if any(isinstance(item, Motion) and item.stage is Stage.ACCEPTED for item in bench.read(letter).items)
        )
        if all(bench.machine(name)._council.choice.accepted for name in "abc"):
            break
        bench.step()
    bench.post.clear()
    bench.kill("a")
    edit(bench, document("a", "b", "c", "e"))
    bench.run(D + SECOND)
    assert voters(bench) == {("a", "b", "c", "d")}
    bench.run(6 * D)
    assert voters(bench) == {("a", "b", "c", "e")}


def test_a_voter_accepts_one_step_and_nothing_more() -> None:
    bench = running()
    council = bench.machine("b")._council
    far = charters.of(document("a", "d", "e"))
    leap = replace(far, epoch=1, parent=THREE.id, elders=charters.tags("abc"), before=D)
    step = replace(leap, voters=charters.tags("abcd"))
    later = replace(step, epoch=2)
    other = replace(step, parent=document("b", "c", "d").id)
    ballot = Ballot(1000, 1, tag("a"))
    assert council._answer(Motion(Stage.ASK, ballot), bench.now).stage is Stage.PROMISE
    for bad in (leap, later, other):
        assert council._answer(Motion(Stage.PROPOSE, ballot, charter=bad), bench.now).stage is Stage.REFUSED
    assert council._answer(Motion(Stage.PROPOSE, Ballot(999, 9, 9), charter=step), bench.now).stage is Stage.REFUSED
    assert council._answer(Motion(Stage.PROPOSE, ballot, charter=step), bench.now).stage is Stage.ACCEPTED


def test_an_acceptance_is_on_disk_before_it_is_said() -> None:
    bench = running()
    edit(bench, document("a", "b", "c", "d"))
    bench.deliver()
    said = [ready for seat in bench.seats.values() for ready in seat.said]
    speaking = [ready for ready in said if ready.binding and ready.send]
    assert speaking
    assert all(ready.durable is not None for ready in said if ready.binding)


def test_new_nodes_found_nothing_beside_those_who_hold_what_they_would_take() -> None:
    """Four of seven start before the three that run have got the document, and so are not answered."""
    bench = Bench(document("a", "b", "c", nodes=("a", "b", "c")))
    bench.start()
    bench.run(5 * SECOND)
    seven = ("a", "b", "c", "d", "e", "f", "g")
    bench.config = document(*seven, nodes=seven)
    for name in seven[3:]:
        bench.seats[name] = Seat(name, f"boot-{name}")
        bench.start(name)
    without_a_gap(bench, 4 * D)
    assert bench.holders() == ["a"]
    (lease,) = bench.machine("d").view(bench.now).leases
    assert lease.reason == "a voter that does not have this document yet holds something"
    edit(bench, bench.config)
    without_a_gap(bench, 16 * D)
    assert voters(bench) == {seven}
