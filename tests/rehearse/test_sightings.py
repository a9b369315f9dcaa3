"""When two machines answered for one address."""

from ipaddress import IPv4Address, ip_address
from itertools import pairwise
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from vedette.kit.units import MILLISECOND
from vedette.lab.sightings import (
    PRESENCE,
    Logbook,
    Sighting,
    Speech,
    decode,
    doubles,
    encode,
    mark,
    presences,
    silence,
)

VIP = ip_address("10.0.0.1")
MACHINES = {"02:00:00:00:00:0a": "a", "02:00:00:00:00:0b": "b"}
STEP = 20


def seen(machine: str, at: int, speech: Speech = Speech.ARP_REPLY) -> Sighting:
    return Sighting(at * MILLISECOND, speech, f"02:00:00:00:00:0{machine}", VIP)


def steady(machine: str, since: int, until: int) -> list[Sighting]:
    return [seen(machine, at) for at in range(since, until + 1, STEP)]


def test_a_hand_over_is_no_double() -> None:
    assert doubles(steady("a", 0, 1000) + steady("b", 1001, 2001), MACHINES) == []


def test_a_hand_over_and_back_is_no_double() -> None:
    sightings = steady("a", 0, 1000) + steady("b", 1005, 2005) + steady("a", 2010, 3010)
    assert doubles(sightings, MACHINES) == []


def test_one_late_frame_of_the_old_holder_is_a_double() -> None:
    (double,) = doubles([*steady("a", 0, 1000), *steady("b", 1001, 2001), seen("a", 1500)], MACHINES)
    assert (double.first, double.second, double.length) == ("b", "a", 0)
    assert double.frames == 1


def test_an_old_holder_that_goes_on_is_a_double_from_the_first_frame_of_the_new_one() -> None:
    (double,) = doubles(steady("a", 0, 1300) + steady("b", 1010, 3000), MACHINES)
    assert (double.first, double.second) == ("a", "b")
    assert double.length == (1300 - 1010) * MILLISECOND


def test_a_stale_holder_that_speaks_now_and_then_is_seen_each_time() -> None:
    stale = [seen("a", at) for at in (1500, 2500, 3500)]
    found = doubles([*steady("a", 0, 1000), *steady("b", 1001, 5001), *stale], MACHINES)
    assert [double.start // MILLISECOND for double in found] == [1500, 2500, 3500]


def test_a_real_server_that_speaks_from_the_address_is_no_router() -> None:
    direct = [Sighting(at, Speech.PACKET, "02:00:00:00:00:99", VIP) for at in range(0, 10**9, 10**7)]
    assert doubles([*steady("a", 0, 1000), *direct], MACHINES) == []


def test_two_addresses_may_have_two_holders() -> None:
    other = [Sighting(one.at, one.speech, one.mac, IPv4Address("10.0.0.2")) for one in steady("b", 0, 1000)]
    assert doubles(steady("a", 0, 1000) + other, MACHINES) == []


@given(st.lists(st.integers(0, 10_000), max_size=40), st.lists(st.integers(0, 10_000), max_size=40))
def test_who_comes_first_in_the_list_makes_no_difference(ones: list[int], others: list[int]) -> None:
    a, b = [seen("a", at) for at in ones], [seen("b", at) for at in others]
    assert doubles(a + b, MACHINES) == doubles(list(reversed(b)) + a, MACHINES)


@given(st.lists(st.integers(0, 10**10), max_size=60))
def test_presences_cover_every_instant_and_are_apart(instants: list[int]) -> None:
    found = presences(instants)
    assert sorted(instants) == [at for presence in found for at in presence.sightings]
    assert all(later.first - earlier.last > PRESENCE for earlier, later in pairwise(found))


def test_silence_counts_answers_only_and_to_the_end() -> None:
    sightings = [*steady("a", 0, 100), seen("a", 180, Speech.PACKET), *steady("a", 200, 300)]
    quiet = silence(sightings, VIP, since=0, until=700 * MILLISECOND)
    assert quiet == 400 * MILLISECOND
    assert silence(sightings, VIP, since=0, until=310 * MILLISECOND) == 100 * MILLISECOND


def test_sightings_of_both_families_survive_the_file() -> None:
    six = Sighting(2, Speech.ADVERTISEMENT, "02:00:00:00:00:0a", ip_address("2001:db8::1"))
    assert list(decode(encode(seen("a", 1)) + encode(six) + mark(3))) == [seen("a", 1), six, 3]


def test_the_logbook_knows_up_to_when_it_is_complete(tmp_path: Path) -> None:
    path = tmp_path / "wire"
    path.write_bytes(encode(seen("a", 1)) + mark(5 * MILLISECOND))
    logbook = Logbook(path)
    logbook.read()
    assert logbook.complete_until == 5 * MILLISECOND
    assert logbook.between(0, 10 * MILLISECOND) == [seen("a", 1)]
    logbook.forget(2 * MILLISECOND)
    assert logbook.between(0, 10 * MILLISECOND) == []
