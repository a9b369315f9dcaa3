"""Sixteen nodes, of which seven vote: whose word counts, what fits into a datagram, and what two losses cost."""

from collections.abc import Callable

import pytest
from tests.cluster.bench import TIMINGS, Bench, config

from vedette.cluster import wire
from vedette.cluster.config import CoreConfig, CoreGroup, CoreNode
from vedette.cluster.events import Move, Standby
from vedette.cluster.messages import Accept, Accepted, Flag, Prepare, Promise
from vedette.kit.errors import UsageError
from vedette.kit.units import MILLISECOND, SECOND
from vedette.spec.resolved import SplitBrainPolicy

NAMES = tuple(f"n{number:02}" for number in range(16))
VOTERS = NAMES[:7]


def large(groups: int = 2) -> CoreConfig:
    """Sixteen directors; group g0 prefers n00, which votes, g1 n15, which does not, and so on in turn."""
    homes = ("n00", "n15")
    return CoreConfig(
        cluster="large",
        nodes=tuple(CoreNode(name) for name in NAMES),
        policy=SplitBrainPolicy.MAJORITY,
        timings=TIMINGS,
        groups=tuple(CoreGroup(f"g{number}", NAMES, (homes[number % 2],)) for number in range(groups)),
        voters=VOTERS,
    )


def settled(core: CoreConfig) -> Bench:
    bench = Bench(core)
    bench.start()
    bench.run(4 * SECOND)
    return bench


def test_nodes_without_a_vote_hold_groups() -> None:
    bench = settled(large())
    assert (bench.holders("g0"), bench.holders("g1")) == (["n00"], ["n15"])


def test_only_voters_answer_who_tries() -> None:
    bench = settled(large())
    bench.kill("n00")
    answers = set()
    while not bench.holders("g0") or bench.holders("g0") == ["n00"]:
        bench.run(5 * MILLISECOND)
    bench.handle("n01", Move("g0", "n14", "alice", "test"))
    asked = False
    while bench.post:
        asked = asked or bool(bench.items((Prepare, Accept)))
        answers |= {letter.source for letter in bench.items((Promise, Accepted))}
        bench.deliver(rounds=1)
    assert asked
    assert answers
    assert answers <= set(VOTERS)


def test_only_voters_answer_heartbeats_of_an_owner() -> None:
    bench = settled(large())
    bench.run(SECOND)
    peers = bench.machine("n00")._peers.values()
    assert {peer.name for peer in peers if any(echo.acked for echo in peer.echoes())} == {"n15"}
    assert not any(echo.acked for peer in bench.machine("n14")._peers.values() for echo in peer.echoes())


def test_without_most_voters_nothing_is_held_however_many_others_are_alive() -> None:
    bench = settled(large())
    bench.kill(*VOTERS[1:5])
    bench.run(10 * SECOND)
    assert (bench.holders("g0"), bench.holders("g1")) == ([], [])


@pytest.mark.parametrize("lost", [("n00", "n15"), ("n00", "n01"), ("n15", "n14")], ids="+".join)
def test_any_two_may_be_lost(lost: tuple[str, str]) -> None:
    bench = settled(large())
    bench.kill(*lost)
    for name in lost:
        bench.seats[name].kernel.clear()
    bench.run(4 * SECOND)
    for group in ("g0", "g1"):
        (holder,) = bench.holders(group)
        assert holder not in lost


def test_sixteen_nodes_with_32_groups_say_how_things_stand_in_one_datagram() -> None:
    bench = settled(large(groups=32))
    states, sizes = 0, set()
    began = bench.now
    while bench.now < began + TIMINGS.interval:
        bench.run_until_something_is_said()
        for letter in bench.post:
            sizes.add(len(letter.data))
            message = bench.read(letter)
            states += letter.source == "n00" and letter.target == "n01" and Flag.PERIODIC in message.flags
            assert letter.source != "n00" or Flag.STATE in message.flags  # never what did not fit
        bench.deliver()
    assert states == 1
    assert max(sizes) <= wire.LARGEST


def test_everyone_may_restart_at_once_and_be_greeted_in_datagrams_that_fit() -> None:
    """Then two sessions of each are echoed: the one before, and the one that has yet to prove itself."""
    bench = settled(large(groups=32))
    bench.isolate("n00")
    bench.kill(*NAMES[1:])
    bench.start(*NAMES[1:])
    bench.run(200 * MILLISECOND)
    bench.heal()
    bench.run(4 * SECOND)
    assert all(len(bench.holders(f"g{number}")) == 1 for number in range(32))


def test_a_full_table_of_wishes_reaches_everyone() -> None:
    core = large(groups=32)
    bench = settled(core)
    for group in core.groups:
        bench.handle("n03", Move(group.name, "n04", "alice", "test"))
    for name in NAMES:
        bench.handle("n03", Standby(name, name != "n05", "alice", "test"))
    bench.deliver()
    late = "n12"
    bench.kill(late)
    bench.seats[late].durable = None
    bench.start(late)
    bench.run(SECOND)
    digests = {bench.machine(name)._preferences.digest for name in NAMES}
    assert len(digests) == 1
    assert len(bench.machine(late)._preferences.entries) == 32 + 15


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda: config(nodes=[f"n{number}" for number in range(17)], witnesses=()), "at most 16"),
        (lambda: config(nodes=NAMES[:8], witnesses=()), "at most 7"),
    ],
    ids=["17 nodes", "8 voters"],
)
def test_what_is_too_much_is_refused(change: Callable[[], CoreConfig], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        change()


def test_who_votes_is_part_of_the_config_that_lease_messages_name() -> None:
    assert large().id != CoreConfig("large", large().nodes, SplitBrainPolicy.MAJORITY, TIMINGS, voters=NAMES[1:8]).id
