"""Checks through the service: which mark leads where, and what they connect to."""

from dataclasses import replace
from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.ipvs.documents import CHECK, HTTP, SERVERS, VIP, document, service

from vedette.spec.marks import OURS, PATHS, SERVICES
from vedette.spec.resolved import (
    ClusterSpec,
    Encapsulation,
    Endpoint,
    Forwarding,
    Mark,
    Protocol,
    RealServer,
    Tunnel,
    UdpProbe,
    Via,
    VirtualService,
)
from vedette.state import paths as module
from vedette.state.health import Behind, Target
from vedette.state.paths import answers_come_from_outside, has_paths, paths, with_paths
from vedette.state.targets import all_targets, likeness, passable, targets

THROUGH = replace(CHECK, via=Via.SERVICE)
VIP2, VIP6 = ip_address("203.0.113.81"), ip_address("2001:db8::80")


def routed(**changes: object) -> VirtualService:
    """A direct-routed service whose servers are checked through it."""
    return service(**({"forwarding": Forwarding.DIRECT_ROUTING, "checks": (THROUGH,)} | changes))


def marks(spec: ClusterSpec) -> list[list[int]]:
    return [[server.path for server in item.real_servers] for item in with_paths(spec).virtual_services]


def places(virtual: VirtualService) -> list[tuple[str, int, str]]:
    """Where the checks of a service go: virtual address and port, and the server that is meant."""
    (numbered,) = with_paths(document(virtual)).virtual_services
    found = [
        item
        for entry in numbered.entries
        for server in numbered.real_servers
        for item in targets(numbered, entry, server)
    ]
    assert all(item.behind is not None for item in found)
    return [(str(item.address), item.port, str(item.behind.server)) for item in found if item.behind is not None]


def test_every_server_has_a_mark_of_its_own_and_of_the_range_for_paths() -> None:
    (found,) = marks(document(routed()))
    assert len(set(found)) == len(SERVERS)
    assert all(number in PATHS for number in found)
    assert (SERVICES.start, SERVICES.stop, PATHS.stop) == (OURS.start, PATHS.start, OURS.stop)


def test_a_document_without_such_checks_is_left_as_it_is() -> None:
    spec = document(service(forwarding=Forwarding.DIRECT_ROUTING))
    assert with_paths(spec) is spec
    assert not has_paths(spec)
    assert paths(spec) == {}


def test_only_servers_of_services_with_such_checks_have_paths() -> None:
    first, second = marks(document(routed(), service(name="plain", endpoints=(Endpoint(VIP, 81, Protocol.TCP),))))
    assert all(first)
    assert second == [0, 0, 0]


def test_services_that_forward_in_the_same_way_to_a_server_share_its_path() -> None:
    other = routed(name="other", endpoints=(Endpoint(VIP2, 443, Protocol.TCP),))
    first, second = marks(document(routed(), other))
    assert first == second


@pytest.mark.parametrize(
    "other",
    [
        routed(forwarding=Forwarding.TUNNEL),
        routed(forwarding=Forwarding.MASQUERADE),
        routed(forwarding=Forwarding.TUNNEL, tunnel=Tunnel(Encapsulation.GUE, 5555)),
        routed(endpoints=(Endpoint(VIP6, 80, Protocol.TCP),)),
    ],
    ids=["tunnel", "masquerade", "gue", "family"],
)
def test_another_way_to_a_server_is_another_path(other: VirtualService) -> None:
    first, second = marks(document(routed(), other))
    assert not set(first) & set(second)


def test_an_edit_elsewhere_changes_no_mark() -> None:
    before = marks(document(routed()))[0]
    more = routed(name="other", real_servers=(RealServer(ip_address("10.0.0.99")),))
    reordered = routed(real_servers=tuple(reversed(SERVERS)))
    assert marks(document(more, routed()))[1] == before
    assert marks(document(reordered))[0] == before[::-1]


@given(st.sets(st.integers(0, 7), min_size=2, max_size=8))
def test_no_two_paths_share_a_mark_even_if_their_digests_do(servers: set[int]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_digest", lambda way: len(PATHS) - 1 - int(way.address) % 2)
        found = tuple(RealServer(ip_address(f"10.0.1.{last}")) for last in sorted(servers))
        (numbers,) = marks(document(routed(real_servers=found)))
    assert len(set(numbers)) == len(numbers)
    assert all(number in PATHS for number in numbers)


def test_a_check_goes_to_the_virtual_address_and_is_meant_for_one_server() -> None:
    spec = with_paths(document(routed()))
    (virtual,) = spec.virtual_services
    first = virtual.real_servers[0]
    assert targets(virtual, HTTP, first) == (Target(VIP, 80, THROUGH, Behind(first.address, first.path, near=True)),)
    assert targets(virtual, HTTP, first)[0].place == f"{first.address} through {VIP}:80"


def test_checks_of_several_servers_and_addresses_are_never_one() -> None:
    virtual = routed(endpoints=(HTTP, Endpoint(VIP2, 80, Protocol.TCP)))
    found = list(all_targets(with_paths(document(virtual))))
    assert len(found) == 2 * len(SERVERS)
    assert len({likeness(item) for item in found}) == len(found)


def test_only_packets_for_direct_routing_need_not_live_long() -> None:
    for forwarding in Forwarding:
        found = list(all_targets(with_paths(document(routed(forwarding=forwarding)))))
        assert {item.behind.near for item in found if item.behind} == {forwarding is Forwarding.DIRECT_ROUTING}


def test_a_check_waits_until_its_mark_leads_to_its_server() -> None:
    through, direct = (
        routed(real_servers=SERVERS[:2]),
        service(name="plain", endpoints=(Endpoint(VIP2, 80, Protocol.TCP),)),
    )
    found = list(all_targets(with_paths(document(through, direct))))
    first, second = (item for item in found if item.behind is not None)
    assert passable(found, {first.mark}) == [item for item in found if item is not second]
    assert passable(found, {first.mark, second.mark}) == found


def test_each_port_is_checked_unless_the_check_names_one() -> None:
    ports = (HTTP, Endpoint(VIP, 443, Protocol.TCP))
    one = SERVERS[:1]
    assert {port for _, port, _ in places(routed(endpoints=ports, real_servers=one))} == {80, 443}
    named = replace(THROUGH, port=443)
    assert {port for _, port, _ in places(routed(endpoints=ports, real_servers=one, checks=(named,)))} == {443}


def test_a_check_goes_by_the_endpoints_that_speak_its_protocol() -> None:
    dns = (Endpoint(VIP, 53, Protocol.UDP), Endpoint(VIP, 80, Protocol.TCP), Endpoint(VIP, 53, Protocol.TCP))
    one = SERVERS[:1]
    assert [port for _, port, _ in places(routed(endpoints=dns, real_servers=one))] == [53, 80, 53]
    asks = replace(THROUGH, probe=UdpProbe())
    assert {port for _, port, _ in places(routed(endpoints=dns, real_servers=one, checks=(asks,)))} == {53}
    assert places(routed(endpoints=dns[:1], real_servers=one)) == []


def test_a_port_of_a_range_behind_a_mark_is_checked_at_the_first_address() -> None:
    ranges = tuple(Endpoint(address, 1000, Protocol.TCP, 2000) for address in (VIP, VIP2))
    virtual = routed(
        endpoints=ranges,
        mark=Mark(4, 0x56000001, ours=True),
        checks=(replace(THROUGH, port=1500),),
        real_servers=SERVERS[:1],
    )
    assert places(virtual) == [(str(VIP), 1500, "10.0.0.11")]


def test_answers_from_virtual_addresses_are_expected_of_ipv4_that_is_not_masqueraded() -> None:
    assert answers_come_from_outside(document(routed()))
    assert answers_come_from_outside(document(routed(forwarding=Forwarding.TUNNEL)))
    assert not answers_come_from_outside(document(routed(forwarding=Forwarding.MASQUERADE)))
    assert not answers_come_from_outside(document(routed(endpoints=(Endpoint(VIP6, 80, Protocol.TCP),))))
    assert not answers_come_from_outside(document(service(forwarding=Forwarding.DIRECT_ROUTING)))
