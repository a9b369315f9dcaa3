"""Many datagrams with one system call."""

import socket

import pytest

from vedette.kit.datagrams import Batch


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
