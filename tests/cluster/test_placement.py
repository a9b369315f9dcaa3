"""Where groups go when nothing is wrong, and how much noise that makes."""

from dataclasses import replace

import pytest
from tests.cluster.bench import Bench, config, group

from vedette.cluster.config import CoreGroup, tag
from vedette.cluster.events import Move, Reach, Reconfigure, SpecRunning, Standby, What
from vedette.kit.errors import UsageError
from vedette.kit.units import MILLISECOND, SECOND
from vedette.spec.resolved import Failback, SplitBrainPolicy


def cluster(*groups: CoreGroup, nodes: str = "abw") -> Bench:
    return Bench(config(nodes=nodes, groups=groups or (group("g"),)))


def returned(bench: Bench) -> Bench:
    """a held everything, was away for a while, and is back."""
    bench.start()
    bench.run(5 * SECOND)
    bench.kill("a")
    bench.run(5 * SECOND)
    bench.start("a")
    return bench


def acquisitions(bench: Bench) -> int:
    return sum(event.what is What.GROUP_ACQUIRED for s in bench.seats.values() for r in s.said for event in r.events)


def test_a_group_fails_back_to_its_preferred_node_as_soon_as_it_is_ready() -> None:
    bench = returned(cluster())
    bench.run(20 * MILLISECOND)
    assert bench.holders() == ["a"]


def test_a_group_waits_for_its_failback_delay() -> None:
    bench = returned(cluster(replace(group("g"), failback_delay=10 * SECOND)))
    bench.run(9 * SECOND)
    assert bench.holders() == ["b"]
    bench.run(2 * SECOND)
    assert bench.holders() == ["a"]


@pytest.mark.parametrize("one", [group("g", failback=Failback.MANUAL), group("g", preferred="")])
def test_a_group_with_manual_failback_or_without_preference_stays_where_it_is(one: CoreGroup) -> None:
    bench = returned(cluster(one))
    bench.run(20 * SECOND)
    assert bench.holders() == ["b"]


def test_groups_with_crossed_preferences_are_spread() -> None:
    bench = cluster(group("g", preferred="ab"), group("h", preferred="ba"))
    bench.start()
    bench.run(5 * SECOND)
    assert (bench.holders("g"), bench.holders("h")) == (["a"], ["b"])


def test_a_group_moves_voluntarily_at_most_once_a_second() -> None:
    bench = cluster(group("g", failback=Failback.MANUAL))
    bench.start()
    bench.run(5 * SECOND)
    before = acquisitions(bench)
    for turn in range(40):
        bench.handle("w", Move("g", "ab"[turn % 2], "alice", "test"))
        bench.run(50 * MILLISECOND)
    assert 1 <= acquisitions(bench) - before <= 3


def test_moving_eight_groups_at_once_takes_a_few_round_trips() -> None:
    groups = tuple(group(f"g{index}") for index in range(8))
    bench = cluster(*groups)
    bench.start()
    bench.run(5 * SECOND)
    bench.handle("w", Standby("a", True, "alice", "test"))
    bench.run(0)
    assert all(bench.holders(one.name) == ["b"] for one in groups)


def test_nodes_with_the_same_news_rank_alike() -> None:
    groups = (group("g", ("a", "b", "c"), preferred="ca"), group("h", ("a", "b", "c"), preferred=""))
    bench = Bench(config(nodes="abc", witnesses=(), groups=groups))
    bench.start()
    bench.run(5 * SECOND)
    for one in groups:
        orders = {
            tuple(sorted("abc", key=lambda name: bench.machine(seat)._ranking.rank(one, name))) for seat in bench.seats
        }
        assert len(orders) == 1


def test_a_group_that_leaves_the_document_is_released_and_one_that_comes_is_taken() -> None:
    bench = cluster()
    bench.start()
    bench.run(5 * SECOND)
    for name in "abw":
        bench.handle(name, Reconfigure(groups=(group("new", preferred="ba"),), nodes=bench.config.nodes))
    bench.run(SECOND)
    assert "g" not in bench.seats["a"].kernel
    assert bench.holders("new") == ["b"]
    assert tag("g") not in bench.machine("a")._leases


def test_a_reload_that_takes_this_node_away_is_refused_and_changes_nothing() -> None:
    bench = cluster()
    bench.start()
    bench.run(5 * SECOND)
    with pytest.raises(UsageError, match="a cannot be removed"):
        bench.machine("a").handle(Reconfigure(groups=(), nodes=bench.config.nodes[1:]), bench.now)
    assert bench.holders() == ["a"]
    assert bench.machine("a").config.groups == bench.config.groups


def test_blocked_groups_wake_nobody_up() -> None:
    """Rule 3: whatever stands in the way, a node does not look more often than heartbeats come."""
    groups = tuple(group(f"g{index}") for index in range(8))
    bench = cluster(*groups)
    bench.start()
    bench.run(5 * SECOND)
    troubles: tuple[set[tuple[str, str]], ...] = (
        {("a", "b"), ("b", "a")},
        {("a", "b"), ("a", "w")},
        {("b", "a"), ("w", "a")},
        {(one, other) for one in "abw" for other in "abw"},
    )
    for cut in troubles:
        bench.cut = cut
        bench.run(5 * SECOND)
        before = {name: len(seat.said) for name, seat in bench.seats.items()}
        bench.run(10 * SECOND)
        for name, seat in bench.seats.items():
            assert len(seat.said) - before[name] <= 100


def test_a_group_moves_to_the_node_that_reaches_more_but_only_when_that_lasts() -> None:
    bench = Bench(config())
    bench.start()
    bench.run(4 * SECOND)
    bench.handle("a", Reach(1))
    bench.run(4 * SECOND)
    assert bench.holders() == ["a"]
    bench.run(2 * SECOND)
    assert bench.holders() == ["b"]
    bench.handle("a", Reach(0))
    bench.run(2 * SECOND)
    assert bench.holders() == ["a"]


def test_an_address_outside_that_dies_for_all_moves_nothing() -> None:
    bench = Bench(config())
    bench.start()
    bench.run(4 * SECOND)
    bench.handle("a", Reach(1))
    bench.run(3 * SECOND)
    bench.handle("b", Reach(1))
    before = len(bench.seats["a"].said)
    bench.run(20 * SECOND)
    assert bench.holders() == ["a"]
    assert not any(ready.release for ready in bench.seats["a"].said[before:])


def test_a_preferred_node_that_reaches_less_does_not_get_its_group_back() -> None:
    bench = Bench(config())
    bench.start()
    bench.run(4 * SECOND)
    bench.kill("a")
    bench.run(4 * SECOND)
    bench.start("a")
    bench.handle("a", Reach(2))
    bench.run(10 * SECOND)
    assert bench.holders() == ["b"]


def test_under_tolerate_who_reaches_more_is_asked_only_while_the_other_is_heard() -> None:
    bench = Bench(config(nodes=("a", "b"), witnesses=(), policy=SplitBrainPolicy.TOLERATE))
    bench.start()
    bench.run(4 * SECOND)
    bench.handle("a", Reach(1))
    bench.isolate("a")
    bench.run(20 * SECOND)
    assert bench.holders() == ["a", "b"]
    bench.heal()
    bench.run(20 * SECOND)
    assert bench.holders() == ["b"]


def test_nodes_whose_documents_prefer_different_places_do_not_hand_a_group_to_and_fro() -> None:
    bench = cluster()
    bench.start()
    bench.run(5 * SECOND)
    assert bench.holders() == ["a"]
    bench.handle("a", SpecRunning(2, "22" * 32))
    bench.handle("a", Reconfigure(groups=(group("g", preferred="ba"),), nodes=bench.config.nodes))
    for _ in range(200):
        bench.run(50 * MILLISECOND)
        assert bench.holders() == ["a"]
    for name in "bw":
        bench.handle(name, SpecRunning(2, "22" * 32))
        bench.handle(name, Reconfigure(groups=(group("g", preferred="ba"),), nodes=bench.config.nodes))
    bench.run(2 * SECOND)
    assert bench.holders() == ["b"]
