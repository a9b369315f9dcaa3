"""Which packets get a mark, and from which ports real servers answer."""

from ipaddress import ip_address
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from tests.ipvs.documents import HTTP, VIP, document, service

from vedette.ipvs.screen.rules import PORT_BITS, UNMARKED, Rules, ServerPort, prefixes, rules
from vedette.spec.resolved import Endpoint, Forwarding, Mark, Protocol, RealServer, SorryServer, VirtualService

OURS = Mark(4, 0x56000001, ours=True)
REAL = ip_address("10.0.0.11")


def marked(*endpoints: Endpoint, **changes: Any) -> VirtualService:
    return service(endpoints=endpoints, mark=OURS, **changes)


def mark_of(found: Rules, port: int, protocol: Protocol = Protocol.TCP) -> int | None:
    """The longest prefix that fits, as the kernel looks it up."""
    fitting = [
        (prefix.bits, mark)
        for prefix, mark in found.marks.items()
        if (prefix.address, prefix.protocol) == (VIP, protocol)
        and port >> PORT_BITS - prefix.bits == prefix.port >> PORT_BITS - prefix.bits
    ]
    return max(fitting)[1] if fitting else None


ranges = st.tuples(st.integers(1, 65535), st.integers(1, 65535)).map(sorted)


@given(ends=ranges, port=st.integers(0, 65535))
def test_the_ports_of_a_range_are_marked_and_no_other(ends: list[int], port: int) -> None:
    first, last = ends
    found = rules(document(marked(Endpoint(VIP, first, Protocol.TCP, last))))
    assert mark_of(found, port) == (OURS.number if first <= port <= last else None)
    assert mark_of(found, port, Protocol.UDP) is None


@given(ends=ranges)
def test_a_range_is_at_most_thirty_prefixes(ends: list[int]) -> None:
    first, last = ends
    assert len(list(prefixes(Endpoint(VIP, first, Protocol.TCP, last)))) <= 30


def test_a_port_with_a_service_of_its_own_is_not_marked_with_the_rest_of_its_address() -> None:
    found = rules(document(marked(Endpoint(VIP, 0, Protocol.TCP)), service(name="own", endpoints=(HTTP,))))
    assert mark_of(found, 80) == UNMARKED
    assert mark_of(found, 81) == OURS.number


def test_marks_of_other_people_need_no_rule() -> None:
    assert rules(document(service(endpoints=(), mark=Mark(4, 7, ours=False)))).marks == {}


def test_masqueraded_servers_answer_from_the_ports_that_are_written() -> None:
    dns = Endpoint(VIP, 53, Protocol.UDP)
    sorry = SorryServer(remote=RealServer(ip_address("10.0.0.99"), port=8000))
    found = rules(document(service(endpoints=(HTTP, dns), real_servers=(RealServer(REAL),), sorry=sorry)))
    assert {(item.address, item.protocol, item.port) for item in found.servers if item.address == REAL} == {
        (REAL, Protocol.TCP, 80),
        (REAL, Protocol.UDP, 53),
    }
    assert ServerPort(ip_address("10.0.0.99"), Protocol.TCP, 8000) in found.servers


def test_a_range_says_nothing_about_a_servers_own_connections() -> None:
    wide = Endpoint(VIP, 50000, Protocol.UDP, 60000)
    assert rules(document(marked(wide, real_servers=(RealServer(REAL),)))).servers == frozenset()
    one = RealServer(REAL, port=5000)
    assert rules(document(marked(wide, real_servers=(one,)))).servers == {ServerPort(REAL, Protocol.UDP, 5000)}


def test_servers_that_answer_directly_are_not_held_back() -> None:
    assert not rules(document(service(forwarding=Forwarding.DIRECT_ROUTING)))
