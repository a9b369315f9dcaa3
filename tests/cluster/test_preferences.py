"""Operators' wishes: merging in any order ends in one table."""

from hypothesis import given, settings
from hypothesis import strategies as some
from tests.cluster.bench import Bench, config, group

from vedette.cluster.config import tag
from vedette.cluster.events import DrainServer, Maintenance, Move, Standby
from vedette.cluster.messages import About, Wish, Wishes
from vedette.cluster.preferences import MOST, MOST_DRAINED, MOST_SERVERS, Preferences
from vedette.kit.units import HOUR, MILLISECOND, SECOND
from vedette.spec.resolved import Failback
from vedette.state.placement import Order

small = some.integers(0, 3)
wishes = some.builds(Wish, some.sampled_from(About), small, small, small, small, some.booleans())
tables = some.lists(wishes, max_size=6).map(lambda entries: Wishes(tuple(entries)))


@settings(max_examples=200, deadline=None)
@given(some.lists(tables, max_size=4), some.randoms(use_true_random=False))
def test_the_order_of_merging_does_not_matter(heard: list[Wishes], shuffle: object) -> None:
    one, other = Preferences(), Preferences()
    for table in heard:
        one.merge(table, 0)
    for table in reversed(heard):
        other.merge(table, 0)
        other.merge(table, 0)
    assert one.entries == other.entries
    assert one.digest == other.digest


def test_a_table_never_grows_beyond_what_there_is_to_wish() -> None:
    preferences = Preferences()
    preferences.merge(Wishes(tuple(Wish(About.PLACE, about, 1, 1, 1) for about in range(MOST + 10))), 0)
    assert len(preferences.entries) == MOST
    assert preferences.wish(About.PLACE, "one more", 1, origin=1, author="", reason="", now=0) is None


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


def settled() -> Bench:
    bench = Bench(config())
    bench.start()
    bench.run(4 * SECOND)
    assert bench.holders() == ["a"]
    return bench


def orders(bench: Bench, name: str) -> list[tuple[Order, str, str]]:
    return [(item.order, item.about, item.reason) for item in bench.machine(name).view(bench.now).orders]


def test_a_move_ends_by_itself_everywhere_and_the_group_fails_back_once() -> None:
    bench = settled()
    bench.handle("w", Move("g", "b", "alice", "a new kernel", lasts=2 * SECOND))
    bench.run(SECOND)
    assert bench.holders() == ["b"]
    assert [orders(bench, name) for name in "abw"] == [[(Order.MOVE, "g", "a new kernel")]] * 3
    before = len(bench.seats["b"].said)
    bench.run(3 * SECOND)
    assert bench.holders() == ["a"]
    assert [orders(bench, name) for name in "abw"] == [[]] * 3
    assert sum(bool(ready.release) for ready in bench.seats["b"].said[before:]) == 1
    assert len({bench.machine(name)._preferences.digest for name in "abw"}) == 1


def test_the_first_clock_that_says_so_ends_a_wish_for_all() -> None:
    """Nodes whose clocks run apart must not disagree about it, or a group would go to and fro."""
    one, other = Preferences(), Preferences()
    one.wish(About.PLACE, "g", 7, origin=1, author="alice", reason="", now=0, lasts=HOUR)
    other.merge(one.table(0), 0)
    one.expire(HOUR)
    assert (one.wanted_on("g"), other.wanted_on("g")) == (0, 7)
    assert one.digest != other.digest
    other.merge(one.table(HOUR), HOUR - 30 * SECOND)
    assert other.wanted_on("g") == 0
    one.merge(other.table(HOUR), HOUR)
    assert one.digest == other.digest


def test_a_restart_does_not_prolong_a_wish() -> None:
    bench = settled()
    bench.handle("a", Move("g", "b", "alice", "test", lasts=10 * SECOND))
    bench.run(8 * SECOND)
    bench.kill("a", "b", "w")
    bench.start()
    bench.run(3 * SECOND)
    assert [orders(bench, name) for name in "abw"] == [[]] * 3


def test_an_order_that_is_repeated_with_another_time_lasts_until_then() -> None:
    bench = settled()
    bench.handle("a", Standby("a", True, "alice", "short", lasts=SECOND))
    bench.run(SECOND // 2)
    bench.handle("b", Standby("a", True, "alice", "long"))
    bench.run(5 * SECOND)
    assert bench.holders() == ["b"]
    assert orders(bench, "w") == [(Order.STANDBY, "a", "long")]


def test_a_group_in_maintenance_stays_where_it_is_until_its_time_is_over() -> None:
    bench = settled()
    bench.handle("w", Maintenance("g", True, True, "alice", "test", lasts=5 * SECOND))
    bench.handle("w", Move("g", "b", "alice", "test"))
    bench.run(4 * SECOND)
    assert bench.holders() == ["a"]
    bench.run(2 * SECOND)
    assert bench.holders() == ["b"]


def test_a_node_in_maintenance_keeps_what_it_has_and_takes_nothing() -> None:
    bench = settled()
    bench.handle("w", Maintenance("a", False, True, "alice", "test"))
    bench.handle("w", Move("g", "b", "alice", "test"))
    bench.run(2 * SECOND)
    assert bench.holders() == ["a"]
    bench.kill("a")
    bench.run(4 * SECOND)
    assert bench.holders() == ["b"]
    bench.handle("w", Move("g", None, "alice", "test"))
    bench.start("a")
    bench.run(4 * SECOND)
    assert bench.holders() == ["b"]
    bench.handle("b", Standby("a", False, "alice", "done"))
    bench.run(4 * SECOND)
    assert bench.holders() == ["a"]


def test_who_gave_an_order_and_who_heard_of_it_agree_on_the_digest() -> None:
    """Else they would send each other their tables for ever."""
    bench = settled()
    bench.handle("w", Standby("b", True, "alice", "test"))
    bench.handle("w", Maintenance("g", True, True, "alice", "test", lasts=HOUR))
    bench.run(SECOND)
    assert len({bench.machine(name)._preferences.digest for name in "abw"}) == 1


def test_taking_back_what_was_never_wished_changes_nothing() -> None:
    preferences = Preferences()
    assert preferences.wish(About.PLACE, "g", 0, origin=1, author="", reason="", now=0) is None
    assert preferences.entries == ()


def test_a_real_server_is_drained_by_order_everywhere_until_the_order_ends() -> None:
    bench = settled()
    bench.handle("w", DrainServer("web 10.0.0.11", True, "alice", "memory", lasts=5 * SECOND))
    bench.run(SECOND)
    about = f"{tag('web 10.0.0.11'):08x}"
    assert [orders(bench, name) for name in "abw"] == [[(Order.SERVER_DRAIN, about, "memory")]] * 3
    assert bench.holders() == ["a"]
    bench.run(5 * SECOND)
    assert [orders(bench, name) for name in "abw"] == [[]] * 3


def drained(preferences: Preferences, number: int, *, on: bool) -> Wish | None:
    return preferences.wish(About.SERVER, f"web {number}", int(on) * 2, origin=1, author="", reason="", now=0)


def test_orders_about_servers_that_were_taken_back_make_room_for_others() -> None:
    preferences = Preferences()
    for number in range(3 * MOST_SERVERS):
        assert drained(preferences, number, on=True)
        assert drained(preferences, number, on=False)
    assert len(preferences.entries) == MOST_SERVERS
    assert preferences.wish(About.PLACE, "g", 1, origin=1, author="", reason="", now=0)


def test_only_so_many_servers_are_drained_by_orders() -> None:
    preferences = Preferences()
    made = [drained(preferences, number, on=True) for number in range(MOST_SERVERS)]
    assert sum(wish is not None for wish in made) == MOST_DRAINED


@given(some.lists(some.tuples(some.integers(0, 1), some.integers(0, 2 * MOST_SERVERS), some.booleans()), max_size=600))
def test_nodes_that_forget_the_oldest_marks_still_agree(spoken: list[tuple[int, int, bool]]) -> None:
    """Else they would send each other their tables for ever."""
    nodes = (Preferences(), Preferences())
    for number in range(MOST_SERVERS):
        for on in (True, False):
            drained(nodes[0], number, on=on)
    for origin, number, on in spoken:
        nodes[origin].wish(About.SERVER, f"web {number}", int(on) * 2, origin=origin, author="", reason="", now=0)
    for _ in range(3):
        nodes[0].merge(nodes[1].table(0), 0)
        nodes[1].merge(nodes[0].table(0), 0)
    assert nodes[0].digest == nodes[1].digest
