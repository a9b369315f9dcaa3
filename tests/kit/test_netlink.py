"""Netlink's framing, tried on this machine's own kernel with requests that need no privilege and change nothing."""

import errno
import socket
import struct
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vedette.kit import netlink
from vedette.kit.errors import PermanentError

_GETLINK, _NEWLINK = 18, 16
_IFNAME = 3
_NOBODY = 0x7FFF_FFF0  # an interface index that no machine has


def _get_link(index: int) -> netlink.Message:
    return netlink.Message(_GETLINK, 0, struct.pack("=BxHiII", socket.AF_UNSPEC, 0, index, 0, 0))


@pytest.fixture
def route() -> Iterator[netlink.Requests]:
    requests = netlink.Requests(netlink.ROUTE)
    yield requests
    requests.close()


@given(st.dictionaries(st.integers(1, 0x3FFF), st.binary(max_size=20), max_size=8))
def test_attributes_come_back_as_they_were_encoded(wanted: dict[int, bytes]) -> None:
    data = b"".join(netlink.attribute(kind, value) for kind, value in wanted.items())
    assert len(data) % 4 == 0
    assert netlink.attributes(data) == wanted


def test_a_nest_is_read_by_its_type_without_the_flag() -> None:
    inner = netlink.attribute(1, b"abc")
    assert netlink.attributes(netlink.attributes(netlink.nest(7, inner))[7]) == {1: b"abc"}


@given(st.binary(max_size=64))
def test_whatever_bytes_come_attributes_are_read_or_left(data: bytes) -> None:
    assert all(len(value) <= len(data) for value in netlink.attributes(data).values())


def test_a_dump_lists_every_interface(route: netlink.Requests) -> None:
    answers = route.dump(_get_link(0))
    names = {netlink.attributes(payload[16:])[_IFNAME].rstrip(b"\0").decode() for _, payload in answers}
    assert {kind for kind, _ in answers} == {_NEWLINK}
    assert names >= {name for _, name in socket.if_nameindex()}


def test_one_answer_is_asked_for(route: netlink.Requests) -> None:
    kind, payload = route.ask(_get_link(socket.if_nametoindex("lo")))
    assert (kind, netlink.attributes(payload[16:])[_IFNAME]) == (_NEWLINK, b"lo\0")


def test_the_kernels_refusal_is_an_errno(route: netlink.Requests) -> None:
    with pytest.raises(OSError, match=r".") as caught:
        route.ask(_get_link(_NOBODY))
    assert caught.value.errno == errno.ENODEV


def test_a_batch_goes_on_behind_a_message_that_fails(route: netlink.Requests) -> None:
    lo = socket.if_nametoindex("lo")
    assert route.perform([_get_link(lo), _get_link(_NOBODY), _get_link(lo)]) == {1: errno.ENODEV}


def test_the_failure_of_the_last_message_is_reported(route: netlink.Requests) -> None:
    assert route.perform([_get_link(_NOBODY)]) == {0: errno.ENODEV}
    assert route.perform([]) == {}


def test_failures_are_counted_across_the_chunks_of_a_long_batch(route: netlink.Requests) -> None:
    lo = socket.if_nametoindex("lo")
    messages = [_get_link(lo)] * (2 * netlink.BATCH + 3)
    wrong = {0, netlink.BATCH - 1, netlink.BATCH, len(messages) - 1}
    for index in wrong:
        messages[index] = _get_link(_NOBODY)
    assert route.perform(messages) == dict.fromkeys(wrong, errno.ENODEV)


def test_an_event_socket_that_has_heard_nothing_says_nothing() -> None:
    events = netlink.Events(netlink.ROUTE, 0)
    try:
        assert events.read() == []
    finally:
        events.close()


def test_a_generic_family_is_found_by_name() -> None:
    requests = netlink.Requests(netlink.GENERIC)
    try:
        assert netlink.generic_family(requests, "nlctrl") == netlink.GENL_CTRL
        with pytest.raises(PermanentError, match="NO_SUCH"):
            netlink.generic_family(requests, "NO_SUCH")
    finally:
        requests.close()
