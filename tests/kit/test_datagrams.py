"""Many datagrams with one system call, and how often to look for them."""

import socket

import pytest

from vedette.kit.datagrams import FLOOD, REST, WINDOW, Batch, Pace
from vedette.kit.units import MILLISECOND


def test_what_has_arrived_comes_at_once_in_order_and_no_more_than_there_is_room_for() -> None:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    with ours, theirs:
        sent = [b"x" * length for length in (1, 0, 7, 300)] + [bytes([number]) for number in range(3)]
        for data in sent:
            theirs.send(data)
        batch = Batch(4, 300)
        assert [*batch.receive(ours.fileno()), *batch.receive(ours.fileno())] == sent
        assert batch.receive(ours.fileno()) == []


def test_a_datagram_that_is_too_long_is_cut_off() -> None:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    with ours, theirs:
        theirs.send(b"0123456789")
        assert Batch(2, 4).receive(ours.fileno()) == [b"0123"]


def test_a_descriptor_that_cannot_receive_is_an_error() -> None:
    with open("/dev/null", "rb") as file, pytest.raises(OSError, match="ENOTSOCK"):
        Batch(1, 1).receive(file.fileno())


NOON = 12 * 3600 * 1000 * MILLISECOND


def flooded(pace: Pace) -> int:
    """Bring a pace to a rest; returns when."""
    assert [pace.rest(FLOOD // 2, NOON), pace.rest(FLOOD // 2, NOON + MILLISECOND)] == [None, REST]
    return NOON + MILLISECOND


def test_what_a_cluster_says_is_no_flood() -> None:
    pace = Pace(64)
    instants = range(NOON, NOON + 20 * WINDOW, WINDOW // 10)
    assert {pace.rest(FLOOD // 20, now) for now in instants} == {None}


def test_a_flood_is_looked_at_again_and_again_with_rests_while_it_lasts() -> None:
    pace = Pace(64)
    begun = flooded(pace)
    enough = FLOOD * REST // WINDOW
    assert {pace.rest(enough, begun + number * REST) for number in range(1, 20)} == {REST}


def test_what_is_left_of_a_flood_waits_for_everything_else_and_for_nothing_more() -> None:
    pace = Pace(64)
    begun = flooded(pace)
    assert [pace.rest(64, begun + REST), pace.rest(64, begun + REST), pace.rest(5, begun + REST)] == [0, 0, REST]


def test_a_socket_is_listened_to_again_when_a_flood_has_ebbed() -> None:
    pace = Pace(64)
    begun = flooded(pace)
    ebbed = FLOOD * REST // WINDOW // 2 - 1
    assert pace.rest(ebbed, begun + REST) is None
    assert pace.rest(ebbed, begun + 2 * REST) is None


def test_a_flood_may_come_back() -> None:
    pace = Pace(64)
    begun = flooded(pace)
    assert pace.rest(0, begun + REST) is None
    assert pace.rest(FLOOD, begun + 2 * REST) == REST
