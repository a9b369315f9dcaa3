"""Operators' wishes: merging in any order ends in one table."""

from hypothesis import given, settings
from hypothesis import strategies as some
from tests.cluster.bench import Bench, config, group

from vedette.cluster.config import tag
from vedette.cluster.events import Move
from vedette.cluster.messages import Wish, Wishes
from vedette.cluster.preferences import MOST, Preferences
from vedette.kit.units import MILLISECOND, SECOND
from vedette.spec.resolved import Failback

small = some.integers(0, 3)
wishes = some.builds(Wish, some.booleans(), small, small, small, small)
tables = some.lists(wishes, max_size=6).map(lambda entries: Wishes(tuple(entries)))


@settings(max_examples=200, deadline=None)
@given(some.lists(tables, max_size=4), some.randoms(use_true_random=False))
def test_the_order_of_merging_does_not_matter(heard: list[Wishes], shuffle: object) -> None:
    one, other = Preferences(()), Preferences(())
    for table in heard:
        one.merge(table)
    for table in reversed(heard):
        other.merge(table)
        other.merge(table)
    assert one.entries == other.entries
    assert one.digest == other.digest


def test_a_table_never_grows_beyond_what_a_datagram_carries() -> None:
    preferences = Preferences(())
    preferences.merge(Wishes(tuple(Wish(False, about, 1, 1, 1) for about in range(MOST + 10))))
    assert len(preferences.entries) == MOST
    assert preferences.wish("one more", 1, node=False, origin=1, author="", reason="") is None


def test_wishes_spoken_on_two_nodes_at_once_are_both_kept() -> None:
    groups = (group("g"), group("h"))
    bench = Bench(config(groups=groups))
    bench.start()
    bench.run(4 * SECOND)
    bench.handle("a", Move("g", "b", "alice", "one"))
    bench.handle("b", Move("h", "b", "bob", "two"))
    bench.run(50 * MILLISECOND)
    assert bench.holders("g") == bench.holders("h") == ["b"]
    assert len({bench.machine(name)._preferences.digest for name in bench.seats}) == 1


def test_a_wish_survives_a_restart_of_everybody() -> None:
    bench = Bench(config())
    bench.start()
    bench.run(4 * SECOND)
    bench.handle("a", Move("g", "b", "alice", "test"))
    bench.run(50 * MILLISECOND)
    bench.kill("a", "b", "w")
    bench.start()
    bench.run(5 * SECOND)
    assert bench.machine("w")._preferences.wanted_on("g") == tag("b")
    assert bench.holders() == ["b"]


def test_a_wish_for_a_group_that_stays_is_forgotten_once_it_is_fulfilled() -> None:
    """With manual failback the group stays where it was moved to, also when that node dies and returns."""
    bench = Bench(config(groups=(group("g", failback=Failback.MANUAL),)))
    bench.start()
    bench.run(4 * SECOND)
    bench.handle("w", Move("g", "b", "alice", "test"))
    bench.run(2 * SECOND)
    assert bench.holders() == ["b"]
    assert bench.machine("a")._preferences.wanted_on("g") == 0
    bench.kill("b")
    bench.run(4 * SECOND)
    bench.start("b")
    bench.run(4 * SECOND)
    assert bench.holders() == ["a"]
