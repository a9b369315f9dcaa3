"""Another policy while everything runs: two nodes become three, three become two, and two decide in another way."""

from dataclasses import replace

import pytest
from tests.cluster.bench import TIMINGS, Bench, Seat
from tests.cluster.test_council import edit, pending, without_a_gap

from vedette.cluster import charter as charters
from vedette.cluster.ballot import Ballot
from vedette.cluster.charter import Rule
from vedette.cluster.config import CoreConfig, CoreGroup, CoreNode, tag
from vedette.cluster.council import UNHEARD
from vedette.cluster.events import FOREVER, FenceResult, ForceConfig, Listed, Move, Reconfigure
from vedette.cluster.messages import Motion, Stage, Teach
from vedette.kit.units import MILLISECOND, SECOND
from vedette.spec.resolved import Role, SplitBrainPolicy

D = TIMINGS.dead_after
FENCE, TOLERATE, MAJORITY = SplitBrainPolicy.FENCE, SplitBrainPolicy.TOLERATE, SplitBrainPolicy.MAJORITY


def document(policy: SplitBrainPolicy, *names: str, dead_after: int = D, director: bool = False) -> CoreConfig:
    """Two directors of which a is preferred, and of three the last a witness unless it is a director too."""
    nodes = tuple(CoreNode(name, Role.WITNESS if name == "w" and not director else Role.DIRECTOR) for name in names)
    holders = tuple(node.name for node in nodes if node.role is Role.DIRECTOR)
    return CoreConfig(
        cluster="web",
        nodes=nodes,
        policy=policy,
        timings=replace(TIMINGS, dead_after=dead_after),
        groups=(CoreGroup("g", holders, holders),),
    )


def three(**others: bool) -> CoreConfig:
    return document(MAJORITY, "a", "b", "w", **others)


def two(policy: SplitBrainPolicy, *, dead_after: int = D) -> CoreConfig:
    return document(policy, "a", "b", dead_after=dead_after)


def running(core: CoreConfig) -> Bench:
    bench = Bench(core)
    bench.seats.setdefault("w", Seat("w", "boot-w"))
    bench.start(*(node.name for node in core.nodes))
    bench.run(15 * SECOND)
    assert bench.holders() == ["a"]
    return bench


def change(bench: Bench, core: CoreConfig) -> None:
    """Edit the document everywhere; a node that is new starts with it, one that is gone learns that it is."""
    for name, seat in bench.seats.items():
        if core.node(name) is not None and seat.machine is None:
            bench.config = core
            bench.start(name)
        elif core.node(name) is None and seat.machine is not None:
            bench.handle(name, Listed(False))
    edit(bench, core, *(node.name for node in core.nodes))


def runs(bench: Bench, *names: str) -> set[tuple[SplitBrainPolicy, tuple[str, ...], bool]]:
    configs = [bench.machine(name).config for name in names]
    return {(config.policy, config.voters, config.strict) for config in configs}


def off(bench: Bench, name: str, *, told: str) -> None:
    """Cut the power of a machine, and confirm it to another."""
    bench.kill(name)
    bench.seats[name].kernel.clear()
    bench.run(D + SECOND)
    bench.handle(told, FenceResult(name, bench.machine(told).last_life(name), True, "device"))


@pytest.mark.parametrize("policy", [FENCE, TOLERATE])
def test_two_become_three_without_a_gap_and_then_a_majority_decides(policy: SplitBrainPolicy) -> None:
    bench = running(two(policy))
    change(bench, three())
    without_a_gap(bench, 2 * SECOND)
    assert runs(bench, "a", "b", "w") == {(MAJORITY, ("a", "b", "w"), False)}
    bench.isolate("a")
    bench.run(2 * D)
    assert bench.holders() == ["b"]
    bench.heal()
    bench.kill("b")
    bench.run(2 * D)
    assert bench.holders() == ["a"]


def test_three_become_two_with_fencing_without_a_gap_and_then_one_waits_for_the_others_power() -> None:
    bench = running(three())
    change(bench, two(FENCE))
    without_a_gap(bench, SECOND)
    assert runs(bench, "a", "b") == {(FENCE, ("a", "b"), True)}
    without_a_gap(bench, 3 * D)
    assert runs(bench, "a", "b") == {(FENCE, ("a", "b"), False)}
    bench.isolate("b")
    bench.run(3 * D)
    assert bench.holders() == ["a"]
    off(bench, "a", told="b")
    bench.run(SECOND)
    assert bench.holders() == ["b"]


def test_three_become_two_that_tolerate_without_a_gap() -> None:
    bench = running(three())
    change(bench, two(TOLERATE))
    without_a_gap(bench, 3 * D)
    assert runs(bench, "a", "b") == {(TOLERATE, ("a", "b"), False)}
    bench.kill("a")
    bench.run(2 * D)
    assert bench.holders() == ["b"]


@pytest.mark.parametrize(("before", "after"), [(FENCE, TOLERATE), (TOLERATE, FENCE)])
def test_two_come_to_decide_in_another_way_without_a_gap(before: SplitBrainPolicy, after: SplitBrainPolicy) -> None:
    bench = running(two(before))
    change(bench, two(after))
    without_a_gap(bench, 3 * D)
    assert runs(bench, "a", "b") == {(after, ("a", "b"), False)}


@pytest.mark.parametrize("policy", [FENCE, TOLERATE])
@pytest.mark.parametrize("dead_after", [2 * SECOND, 8 * SECOND])
def test_dead_after_of_two_changes_without_a_gap(policy: SplitBrainPolicy, dead_after: int) -> None:
    bench = running(two(policy))
    change(bench, two(policy, dead_after=dead_after))
    without_a_gap(bench, 3 * dead_after)
    assert {bench.machine(name).config.timings.dead_after for name in "ab"} == {dead_after}


def test_one_of_two_is_replaced_by_way_of_three() -> None:
    bench = running(two(FENCE))
    change(bench, document(FENCE, "a", "w", director=True))
    without_a_gap(bench, SECOND)
    assert runs(bench, "a") == {(MAJORITY, ("a", "b", "w"), False)}
    assert len(bench.machine("w").config.voters) == 3  # of which it does not know one by name
    without_a_gap(bench, 6 * D)
    assert runs(bench, "a", "w") == {(FENCE, ("a", "w"), False)}


def accepted_but_not_decided(bench: Bench) -> None:
    """Let b accept, and lose its word to a."""
    while bench.machine("b")._council.choice.accepted is None:
        bench.step()
    bench.post.clear()


def test_who_has_accepted_a_majority_takes_nothing_alone_any_more() -> None:
    """a may have learned that it was decided, and may be about to share it with w."""
    bench = running(two(FENCE))
    change(bench, three())
    accepted_but_not_decided(bench)
    off(bench, "a", told="b")
    bench.run(3 * D)
    assert bench.holders() == []
    bench.reboot("a")
    bench.start("a")
    bench.run(D + 2 * SECOND)
    assert bench.holders() == ["a"]
    assert runs(bench, "a", "b", "w") == {(MAJORITY, ("a", "b", "w"), False)}


def test_what_the_acceptor_holds_ends_when_nobody_votes_for_it_any_more() -> None:
    bench = running(two(FENCE))
    bench.handle("a", Move("g", "b", "alice", "test"))
    bench.run(SECOND)
    change(bench, three())
    accepted_but_not_decided(bench)
    own = bench.machine("b")._leases[tag("g")].own
    assert own is not None
    assert own.end != FOREVER
    without_a_gap(bench, D // 4)
    bench.isolate("b")
    bench.run(2 * D)
    assert "b" not in bench.holders()


def test_the_proposer_is_never_in_doubt() -> None:
    """It accepts last: until then it may have the other switched off and go on alone."""
    bench = running(two(FENCE))
    change(bench, three())
    accepted_but_not_decided(bench)
    assert runs(bench, "a") == {(FENCE, ("a", "b"), False)}
    off(bench, "b", told="a")
    without_a_gap(bench, 3 * D)
    assert bench.holders() == ["a"]


def test_what_was_accepted_is_seen_through_even_when_the_document_goes_back() -> None:
    bench = running(two(FENCE))
    change(bench, three())
    accepted_but_not_decided(bench)
    bench.run(SECOND // 10)
    edit(bench, two(FENCE), "a", "b")
    assert pending(bench, "b") == ("a step that was begun is seen through", "")
    without_a_gap(bench, 8 * D)
    assert runs(bench, "a", "b") == {(FENCE, ("a", "b"), False)}
    assert bench.machine("a").config.epoch == 2


def test_a_voter_accepts_a_majority_only_when_the_other_votes_for_all_it_holds() -> None:
    bench = running(two(FENCE))
    own, council = bench.machine("a")._leases[tag("g")].own, bench.machine("a")._council
    assert own is not None
    (step, *_) = charters.steps(two(FENCE), charters.wanted(three()))
    motion = Motion(Stage.PROPOSE, Ballot(1000, 1, tag("b")), charter=step)
    own.kernel += SECOND
    assert council._answer(motion, bench.now).stage is Stage.REFUSED
    own.kernel -= SECOND
    assert council._answer(motion, bench.now).stage is Stage.ACCEPTED


def test_the_kernel_is_told_no_more_than_the_other_votes_for_while_it_does() -> None:
    bench = running(two(FENCE))
    for _ in range(400):
        bench.run(10 * MILLISECOND)
        assert bench.machine("a")._owner.covered(bench.now)
    bench.isolate("b")
    bench.run(2 * D)
    assert bench.holders() == ["a"]
    assert not bench.machine("a")._owner.covered(bench.now)


def test_nobody_takes_alone_before_the_majority_before_is_over() -> None:
    """a has learned that two decide from now on; b and w have not, and are enough as before."""
    bench = running(three())
    change(bench, two(FENCE))
    while bench.machine("a").config.policy is not FENCE:
        bench.step()
    bench.drop(bench.items(Teach))
    bench.isolate("a")
    bench.post.clear()
    bench.run(D + SECOND)
    bench.handle("a", FenceResult("b", bench.machine("a").last_life("b"), True, "somebody else's plug"))
    end = bench.now + 4 * D
    while bench.now < end:
        bench.run(5 * MILLISECOND)
        assert len(bench.holders()) <= 1


def test_a_third_node_shoots_nobody_and_is_not_shot() -> None:
    bench = running(two(FENCE))
    config = three()
    bench.config = config
    bench.start("w")
    edit(bench, config, "a", "w")  # b does not have it yet, so two decide still
    bench.run(SECOND)
    assert bench.machine("w").config.policy is FENCE
    bench.isolate("w")
    bench.run(5 * D)
    assert not any(ready.fence for seat in bench.seats.values() for ready in seat.said)
    assert bench.holders() == ["a"]


def test_a_third_node_that_holds_something_gives_it_up_before_two_decide() -> None:
    bench = running(three(director=True))
    bench.kill("a", "b")
    bench.run(SECOND)
    bench.start("a", "b")
    edit(bench, two(FENCE), "a", "b")
    held = bench.holders()
    bench.run(10 * D)
    assert held
    assert bench.holders() == ["a"]
    assert runs(bench, "a", "b") == {(FENCE, ("a", "b"), False)}


def test_a_restart_with_another_document_changes_no_policy() -> None:
    bench = running(two(FENCE))
    bench.kill("a", "b")
    bench.config = three()
    bench.start("a", "w")
    bench.run(3 * D)
    assert runs(bench, "a", "w") == {(FENCE, ("a", "b"), False)}
    assert pending(bench, "a") == ("w votes, splitBrain.policy is majority", UNHEARD)
    bench.start("b")
    bench.run(3 * D)
    assert runs(bench, "a", "b", "w") == {(MAJORITY, ("a", "b", "w"), False)}


def test_a_voter_that_forgot_its_votes_keeps_silent_when_a_majority_begins_to_decide() -> None:
    bench = running(two(FENCE))
    bench.kill("b")
    bench.seats["b"].volatile = None  # in this very boot: its votes are lost
    bench.start("b")
    machine = bench.machine("b")
    assert not machine._site.silent(bench.now)  # two: every quorum has its own vote in it
    (step, *_) = charters.steps(two(FENCE), charters.wanted(three()))
    bench.handle("b", Reconfigure(three().groups, three().nodes, TIMINGS, three().voters, Rule(MAJORITY)))
    machine._council.adopt(step, bench.now, source="b")
    assert machine._site.silent(bench.now)
    assert not machine._site.silent(bench.now + D)


def test_who_learns_that_two_are_not_tolerated_any_more_gives_up_what_has_no_vote_of_the_other() -> None:
    """b was away when both had agreed to fence; it began to hold what it could not hear of, and is cut off again."""
    tolerate, fence = (replace(two(policy), groups=(CoreGroup("g", ("a", "b")),)) for policy in (TOLERATE, FENCE))
    bench = running(tolerate)
    edit(bench, fence, "a", "b")
    while bench.machine("a").config.tolerant:
        bench.step()
    bench.post.clear()
    bench.isolate("b")
    bench.run(2 * D)
    assert bench.holders() == ["a", "b"]
    bench.heal()
    while bench.machine("b").config.tolerant:
        bench.step()
    bench.isolate("b")
    bench.post.clear()
    bench.run(SECOND)
    assert bench.holders() == ["a"]


def test_by_force_one_of_two_is_in_doubt_no_more() -> None:
    """Its document has gone back to what runs, and the other one is gone for good."""
    bench = running(two(FENCE))
    change(bench, three())
    accepted_but_not_decided(bench)
    off(bench, "a", told="b")
    edit(bench, two(FENCE), "b")
    bench.run(2 * D)
    assert bench.holders() == []
    bench.handle("b", ForceConfig("alice"))
    bench.run(D)
    assert runs(bench, "b") == {(FENCE, ("a", "b"), False)}
    bench.handle("b", FenceResult("a", bench.machine("b").last_life("a"), True, "device"))
    bench.run(2 * D)
    assert bench.holders() == ["b"]


def test_by_force_one_of_two_goes_on_with_others() -> None:
    bench = running(two(FENCE))
    off(bench, "b", told="a")
    bench.config = document(FENCE, "a", "w", director=True)
    bench.start("w")
    edit(bench, bench.config, "a", "w")
    bench.run(2 * D)
    assert pending(bench, "a")[1] == UNHEARD
    bench.handle("a", ForceConfig("alice"))
    bench.run(2 * D)
    assert runs(bench, "a", "w") == {(FENCE, ("a", "w"), False)}
    assert bench.holders() == ["a"]
