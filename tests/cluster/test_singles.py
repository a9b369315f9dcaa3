"""One node becomes several while it runs, and several one: by the same steps, and never by a file alone."""

from dataclasses import replace

import pytest
from tests.cluster.bench import TIMINGS, Bench, Seat
from tests.cluster.test_council import edit, pending, without_a_gap
from tests.cluster.test_policies import FENCE, MAJORITY, TOLERATE, change, document, off, runs, three, two

from vedette.cluster.council import UNHEARD
from vedette.cluster.events import FOREVER, ForceConfig, Listed, Move
from vedette.kit.units import MILLISECOND, SECOND
from vedette.spec.resolved import SplitBrainPolicy

D = TIMINGS.dead_after
ONE = document(MAJORITY, "a")


def alone() -> Bench:
    """Node a by itself, and two seats that are empty yet."""
    bench = Bench(ONE)
    bench.start()
    for name in ("b", "w"):
        bench.seats[name] = Seat(name, f"boot-{name}")
    bench.run(SECOND)
    assert bench.holders() == ["a"]
    return bench


def shrunk(policy: SplitBrainPolicy) -> Bench:
    """Two that came to be one."""
    bench = Bench(two(policy))
    bench.seats.setdefault("w", Seat("w", "boot-w"))
    bench.start("a", "b")
    bench.run(15 * SECOND)
    change(bench, ONE)
    without_a_gap(bench, 3 * D)
    return bench


@pytest.mark.parametrize("policy", [FENCE, TOLERATE])
def test_one_becomes_two_without_a_gap(policy: SplitBrainPolicy) -> None:
    bench = alone()
    change(bench, two(policy))
    without_a_gap(bench, 3 * SECOND)
    assert runs(bench, "a", "b") == {(policy, ("a", "b"), False)}
    without_a_gap(bench, 3 * D)
    (lease,) = bench.machine("a").view(bench.now).leases
    assert lease.reason == "the only voter"
    off(bench, "a", told="b")
    bench.run(2 * D)
    assert bench.holders() == ["b"]


def test_one_becomes_three_without_a_gap_and_then_a_majority_decides() -> None:
    bench = alone()
    change(bench, three())
    without_a_gap(bench, 4 * D)
    assert runs(bench, "a", "b", "w") == {(MAJORITY, ("a", "b", "w"), False)}
    bench.isolate("a")
    bench.run(2 * D)
    assert bench.holders() == ["b"]


def test_on_the_way_from_one_to_three_each_of_two_needs_the_other() -> None:
    bench = alone()
    change(bench, three())
    bench.run(D + SECOND)
    assert runs(bench, "a") == {(MAJORITY, ("a", "b"), False)}
    bench.isolate("a")
    bench.run(3 * D)
    assert bench.holders() == []


def test_one_stays_alone_until_it_hears_most_of_the_three_that_are_to_vote() -> None:
    bench = alone()
    bench.config = three()
    bench.start("b")
    edit(bench, three(), "a", "b")
    bench.kill("b")
    without_a_gap(bench, 3 * D)
    assert runs(bench, "a") == {(MAJORITY, ("a",), False)}
    assert pending(bench, "a")[0] == "b votes, w votes"


@pytest.mark.parametrize("policy", [FENCE, TOLERATE])
def test_two_become_one_without_a_gap_and_then_it_needs_nobody(policy: SplitBrainPolicy) -> None:
    bench = shrunk(policy)
    assert runs(bench, "a", "b") == {(MAJORITY, ("a",), False)}
    bench.kill("b")
    without_a_gap(bench, 5 * D)
    assert bench.seats["a"].kernel == {"g": FOREVER}


def test_what_the_one_that_leaves_holds_is_handed_over_first() -> None:
    bench = Bench(two(TOLERATE))
    bench.start("a", "b")
    bench.run(15 * SECOND)
    change(bench, document(MAJORITY, "b"))
    without_a_gap(bench, 3 * D)
    assert bench.holders() == ["b"]
    assert runs(bench, "b") == {(MAJORITY, ("b",), False)}


def test_three_become_one_without_a_gap() -> None:
    bench = Bench(three())
    bench.start()
    bench.run(15 * SECOND)
    change(bench, ONE)
    without_a_gap(bench, 5 * D)
    assert runs(bench, "a") == {(MAJORITY, ("a",), False)}
    bench.kill("b", "w")
    without_a_gap(bench, 3 * D)


@pytest.mark.parametrize("core", [two(FENCE), two(TOLERATE), three()], ids=["fence", "tolerate", "majority"])
def test_a_document_with_one_node_does_not_make_one_of_several_decide_alone(core) -> None:  # type: ignore[no-untyped-def]
    """It was started with it while the others, which have another document, hold everything."""
    bench = Bench(core)
    bench.start()
    bench.run(15 * SECOND)
    bench.kill("a")
    bench.reboot("a")
    bench.isolate("a")
    if core.fencing:
        off(bench, "a", told="b")
    bench.run(2 * D)
    assert bench.holders() == ["b"]
    bench.config = ONE
    bench.start("a")
    bench.run(2 * SECOND)
    assert bench.holders() == ["b"]
    if not core.tolerant:
        bench.run(5 * D)
        assert bench.holders() == ["b"]
    assert pending(bench, "a")[1] == UNHEARD


def test_by_force_one_of_two_goes_on_alone_and_starts_alone_from_then_on() -> None:
    bench = Bench(two(FENCE))
    bench.start()
    bench.run(15 * SECOND)
    bench.kill("b")
    bench.reboot("a")
    bench.config = ONE
    bench.start("a")
    bench.run(2 * D)
    assert bench.holders() == []
    bench.handle("a", ForceConfig("alice"))
    bench.run(2 * D)
    assert bench.holders() == ["a"]
    bench.reboot("a")
    bench.start("a")
    bench.run(2 * D)
    assert bench.holders() == ["a"]


def test_two_that_were_founded_apart_become_one_cluster() -> None:
    """One of them lets go of what both hold."""
    bench = alone()
    bench.isolate("b")
    bench.config = document(MAJORITY, "b")
    bench.start("b")
    bench.run(SECOND)
    assert bench.holders() == ["a", "b"]
    bench.heal()
    edit(bench, two(FENCE), "a", "b")
    bench.run(SECOND)
    assert len(bench.holders()) == 1
    without_a_gap(bench, 3 * D)
    assert runs(bench, "a", "b") == {(FENCE, ("a", "b"), False)}


def test_who_was_alone_lets_go_at_once_when_a_cluster_that_knows_nothing_of_it_counts() -> None:
    """Its own vote covers nothing there: two of the three voters have no record of what it holds."""
    bench = alone()
    bench.config = three()
    bench.isolate("a")
    bench.start("b", "w")
    bench.run(5 * D)
    assert bench.holders() == ["a", "b"]
    bench.reboot("a")
    bench.config = ONE
    bench.start("a")  # it has taken the group a moment ago
    assert bench.holders() == ["b", "a"] or bench.holders() == ["a", "b"]
    bench.heal()
    edit(bench, three(), "a")
    bench.run(100 * MILLISECOND)
    bench.isolate("a")
    bench.run(100 * MILLISECOND)
    assert len(bench.holders()) <= 1
    bench.heal()
    bench.run(3 * D)
    assert len(bench.holders()) == 1
    assert runs(bench, "a", "b", "w") == {(MAJORITY, ("a", "b", "w"), False)}


def test_a_node_that_was_alone_long_ago_does_not_end_a_cluster_that_works() -> None:
    """It has even changed its timings then, so its charter is the newer one."""
    bench = alone()
    edit(bench, document(MAJORITY, "a", dead_after=2 * D), "a")
    bench.run(SECOND)
    assert bench.machine("a").config.epoch == 1
    bench.reboot("a")
    bench.config = three()
    bench.start("b", "w")
    bench.run(15 * SECOND)
    assert bench.holders() == ["b"]
    bench.start("a")
    edit(bench, three(), "a", "b", "w")
    for _ in range(100):
        bench.run(100 * MILLISECOND)
        assert runs(bench, "b", "w") == {(MAJORITY, ("a", "b", "w"), False)}
    assert runs(bench, "a") == {(MAJORITY, ("a", "b", "w"), False)}
    assert len(bench.holders()) == 1


def test_one_that_was_never_anything_but_alone_holds_at_once_after_a_boot_whatever_it_changed() -> None:
    bench = alone()
    edit(bench, document(MAJORITY, "a", dead_after=2 * D), "a")
    bench.run(SECOND)
    bench.reboot("a")
    bench.seats["a"].boot = "boot-a"  # as if /run was lost, of which the clock says nothing
    bench.start("a")
    assert bench.holders() == ["a"]


@pytest.mark.parametrize("core", [two(TOLERATE), two(FENCE), three()], ids=["tolerate", "fence", "majority"])
def test_who_was_taken_for_lost_is_told_when_it_comes_back(core) -> None:  # type: ignore[no-untyped-def]
    """By force a goes on alone; the others are repaired, and have the old document yet."""
    bench = Bench(core)
    bench.start()
    bench.run(15 * SECOND)
    others = [name for name in bench.seats if name != "a"]
    for name in others:
        bench.reboot(name)
    bench.run(2 * D)
    edit(bench, ONE, "a")
    bench.handle("a", ForceConfig("alice"))
    bench.run(5 * D)
    edit(bench, document(MAJORITY, "a", dead_after=2 * D), "a")
    bench.run(5 * D)
    assert bench.machine("a").config.timings.dead_after == 2 * D
    bench.config = core
    bench.start(*others)
    bench.run(3 * D)
    assert bench.holders() == ["a"]
    assert runs(bench, "a", *others) == {(MAJORITY, ("a",), False)}


def test_one_of_two_that_the_other_has_never_joined_takes_another_document() -> None:
    """Of two that fence it waits, since they have never met; so nothing binds it."""
    bench = Bench(two(FENCE))
    bench.start("a")
    bench.run(15 * SECOND)
    assert bench.holders() == []
    edit(bench, ONE, "a")
    bench.run(D)
    assert bench.holders() == ["a"]


@pytest.mark.parametrize("policy", [FENCE, TOLERATE])
def test_the_second_of_two_joins_with_a_document_that_the_first_has_got_meanwhile(policy: SplitBrainPolicy) -> None:
    bench = Bench(two(policy))
    bench.start("a")
    bench.run(15 * SECOND)
    edit(bench, two(policy, dead_after=2 * D), "a")
    bench.start("b")
    edit(bench, two(policy, dead_after=2 * D), "b")
    bench.run(20 * D)
    assert len(bench.holders()) == 1
    assert {bench.machine(name).config.timings.dead_after for name in "ab"} == {2 * D}


def test_a_third_joins_two_of_which_the_second_was_never_there() -> None:
    bench = Bench(two(TOLERATE))
    bench.seats["w"] = Seat("w", "boot-w")
    bench.start("a")
    bench.run(15 * SECOND)
    assert bench.holders() == ["a"]
    bench.config = three()
    bench.start("b", "w")
    edit(bench, three(), "a", "b", "w")
    bench.run(20 * D)
    assert bench.holders() == ["a"]
    assert runs(bench, "a", "b", "w") == {(MAJORITY, ("a", "b", "w"), False)}


@pytest.mark.parametrize("edits", [(0, 0), (1, 0), (0, 1), (1, 1), (2, 1)])
def test_of_two_lone_ones_one_gives_way_whatever_they_have_been_before(edits: tuple[int, int]) -> None:
    """Only one of them was always alone; the other was once one of two."""
    bench = shrunk(FENCE)
    bench.kill("b")
    bench.seats["b"] = Seat("b", "another boot")
    bench.isolate("b")
    bench.config = document(MAJORITY, "b")
    bench.start("b")
    for name, count in zip("ab", edits, strict=True):
        for number in range(count):
            edit(bench, document(MAJORITY, name, dead_after=(number + 2) * D), name)
            bench.run(20 * D)
    assert bench.holders() == ["a", "b"]
    bench.heal()
    edit(bench, two(FENCE), "a", "b")
    bench.run(30 * D)
    assert len(bench.holders()) == 1
    assert runs(bench, "a", "b") == {(FENCE, ("a", "b"), False)}


def test_a_lone_voter_gives_its_vote_to_nobody() -> None:
    """The other one has the same document, is preferred, and waits until it has a vote itself."""
    bench = alone()
    later = two(TOLERATE)
    later = replace(later, groups=tuple(replace(group, preferred_nodes=("b", "a")) for group in later.groups))
    bench.config = later
    bench.start("b")
    edit(bench, later, "a")
    bench.handle("b", Listed(False))
    for _ in range(100):
        bench.run(10 * MILLISECOND)
        assert bench.holders() == ["a"]


def test_of_two_the_one_that_leaves_is_told_also_after_a_restart_of_the_other() -> None:
    """Its document says yet that both may hold what they cannot hear of the other."""
    bench = Bench(two(TOLERATE))
    bench.start()
    bench.run(15 * SECOND)
    edit(bench, ONE, "a")
    while not bench.machine("a").config.lone:
        bench.step()
    bench.post.clear()
    bench.kill("a")
    bench.run(2 * D)
    assert bench.holders() == ["a", "b"]
    bench.start("a")
    bench.run(SECOND)
    assert bench.holders() == ["a"]
    assert runs(bench, "a", "b") == {(MAJORITY, ("a",), False)}


def test_what_one_held_alone_is_voted_for_by_those_who_had_promised_more_before() -> None:
    """It came back without its files in /run, and so with the first rounds."""
    bench = shrunk(FENCE)
    for _ in range(3):
        bench.handle("b", Listed(True))
        edit(bench, two(FENCE), "a", "b")
        without_a_gap(bench, 3 * D)
        bench.handle("a", Move("g", "b", "alice", "test"))
        bench.run(SECOND)
        bench.handle("a", Move("g", None, "alice", "test"))
        bench.run(SECOND)
        change(bench, ONE)
        without_a_gap(bench, 3 * D)
    bench.kill("a")
    bench.reboot("a")
    bench.start("a")
    bench.run(2 * D)
    bench.handle("b", Listed(True))
    edit(bench, two(FENCE), "a", "b")
    without_a_gap(bench, 3 * D)
    change(bench, three())
    without_a_gap(bench, 5 * D)
    assert runs(bench, "a", "b", "w") == {(MAJORITY, ("a", "b", "w"), False)}


@pytest.mark.parametrize("policy", [FENCE, TOLERATE])
def test_a_restart_on_the_way_changes_nothing(policy: SplitBrainPolicy) -> None:
    bench = alone()
    bench.config = two(policy)
    bench.start("a")
    without_a_gap(bench, 2 * D)
    assert runs(bench, "a") == {(MAJORITY, ("a",), False)}
    bench.start("b")
    without_a_gap(bench, 3 * D)
    assert runs(bench, "a", "b") == {(policy, ("a", "b"), False)}


def test_one_that_was_two_adopts_after_a_restart_what_it_holds() -> None:
    bench = shrunk(FENCE)
    bench.kill("a", "b")
    bench.start("a")
    without_a_gap(bench, 3 * D)
    assert bench.seats["a"].kernel == {"g": FOREVER}
