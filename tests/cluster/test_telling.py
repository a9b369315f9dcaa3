"""What is said to whom, and what is not said: a hand-over waits behind every datagram that nobody needs."""

from tests.cluster.bench import LINK, Bench, config

from vedette.cluster.events import Datagram, Ethernet, Move, Stop, Tick, WatchdogArmed
from vedette.cluster.messages import Release
from vedette.kit.units import MILLISECOND, SECOND


def settled() -> Bench:
    bench = Bench(config())
    bench.start()
    bench.run(4 * SECOND)
    assert bench.holders() == ["a"]
    return bench


def test_while_the_kernel_lets_go_nothing_is_announced_and_then_all_of_it_at_once() -> None:
    bench = settled()
    bench.kernel_obeys = False
    assert bench.handle("a", Move("g", "b", "alice", "test")).send == ()
    bench.confirm("a")
    assert {letter.target for letter in bench.items(Release)} == {"b", "w"}
    assert all(bench.read(letter).table is not None for letter in bench.post)


def test_only_who_made_a_wish_tells_everyone() -> None:
    bench = settled()
    bench.handle("w", Move("g", "b", "alice", "test"))
    tables = {letter.source for letter in bench.deliver() if bench.read(letter).table is not None}
    assert tables == {"w"}
    assert len({bench.machine(name)._preferences.digest for name in bench.seats}) == 1


def test_who_missed_a_wish_is_taught_it_by_whom_it_hears() -> None:
    bench = settled()
    bench.cut = {("a", "w")}
    bench.handle("a", Move("g", "b", "alice", "test"))
    bench.run(SECOND)
    assert bench.machine("w")._preferences.digest == bench.machine("b")._preferences.digest != 0


def test_the_other_links_copy_changes_nothing_but_that_the_link_works() -> None:
    bench = settled()
    bench.now = bench.seats["a"].wake_at
    while not bench.post:
        bench.now = bench.seats["a"].wake_at
        bench.handle("a", Tick())
    letter = next(letter for letter in bench.post if letter.target == "b")
    bench.handle("b", Datagram(LINK, letter.data))
    bench.now += MILLISECOND
    assert bench.handle("b", Datagram("cross", letter.data)).unchanged
    (peer,) = [node for node in bench.machine("b").view(bench.now).nodes if node.name == "a"]
    assert set(peer.links) == {LINK, "cross"}


def advertised(bench: Bench, name: str, *, by: str) -> int:
    return next(node.watchdog for node in bench.machine(name).view(bench.now).nodes if node.name == by)


def test_an_armed_watchdog_is_known_to_everyone_at_once_and_its_end_too() -> None:
    bench = settled()
    bench.handle("a", WatchdogArmed(10 * SECOND))
    bench.deliver()
    assert {name: advertised(bench, name, by="a") for name in "abw"} == dict.fromkeys("abw", 10 * SECOND)
    bench.handle("a", WatchdogArmed(None))
    bench.deliver()
    assert {advertised(bench, name, by="a") for name in "abw"} == {0}


def test_with_which_macs_a_node_answers_is_known_to_everyone_and_outlives_its_silence() -> None:
    bench = settled()
    macs = (bytes.fromhex("020000000001"), bytes.fromhex("020000000002"))
    bench.handle("a", Ethernet(macs))
    bench.deliver()
    bench.kill("a")
    bench.run(10 * SECOND)
    for name in "bw":
        node = next(node for node in bench.machine(name).view(bench.now).nodes if node.name == "a")
        assert node.ethernet == tuple(mac.hex() for mac in macs)


def test_what_a_node_said_of_its_watchdog_outlives_its_silence_but_not_its_goodbye_nor_its_next_start() -> None:
    bench = settled()
    for name in "aw":
        bench.handle(name, WatchdogArmed(10 * SECOND))
    bench.deliver()
    bench.kill("a")
    bench.run(10 * SECOND)
    assert not bench.machine("b")._peers["a"].alive(bench.now)
    assert advertised(bench, "b", by="a") == 10 * SECOND
    bench.start("a")
    bench.run(SECOND)
    assert advertised(bench, "b", by="a") == 0
    bench.handle("w", Stop())
    bench.run(SECOND)
    assert advertised(bench, "b", by="w") == 0
