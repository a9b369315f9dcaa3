"""What a document means for the load balancer: ports, marks, tunnels, persistence, and the kernel's settings."""

from ipaddress import ip_address

import pytest
from tests.spec.documents import GROUPS, document, faults, resolve

from vedette.kit.units import SECOND
from vedette.spec.resolved import (
    ClusterSpec,
    Encapsulation,
    Endpoint,
    IpvsTimeouts,
    Protocol,
    Tunnel,
    TunnelChecksum,
    VirtualService,
)
from vedette.state.targets import targets

VIP = ip_address("203.0.113.80")
BOTH = '[{addresses: [{name: public, address: 203.0.113.80/24}, {name: public6, address: "2001:db8::80/64"}]}]'
SERVERS = 'realServers: [{address: 10.0.0.11}, {address: "2001:db8:1::11"}]'
ONE = "realServers: [{address: 10.0.0.11}]"


def services(*texts: str, more: str = "", groups: str = GROUPS) -> tuple[VirtualService, ...]:
    """Virtual services, written in flow style without their braces."""
    items = ", ".join(f"{{{text}}}" for text in texts)
    return resolve(document(f"{more}\nvirtualServices: [{items}]", groups=groups)).virtual_services


def only(text: str, *, more: str = "", groups: str = GROUPS) -> VirtualService:
    (found,) = services(text, more=more, groups=groups)
    return found


def ipvs(text: str) -> ClusterSpec:
    return resolve(document(f"ipvs: {{{text}}}"))


@pytest.mark.parametrize(
    ("ports", "marked"),
    [
        ("ports: [80]", False),
        ("ports: [80, 443, 53/udp]", False),
        ("ports: [8000-8015]", False),
        ("ports: [8000-8016]", True),
        ("ports: [any]", True),
        ("ports: [any], persistence: {}", False),
        ("ports: [80, 443], persistence: {}", False),
        ("ports: [80, 443], persistence: {acrossPorts: true}", True),
        ("ports: [53/tcp, 53/udp], persistence: {acrossPorts: true}", True),
        ("ports: [80], persistence: {acrossPorts: true}", False),
        ("ports: [80, 443], persistence: {timeout: 0s, acrossPorts: true}", False),
    ],
)
def test_a_mark_is_needed_where_the_kernel_has_no_key_for_the_ports(ports: str, marked: bool) -> None:
    found = only(f"addresses: [public], {ports}, checks: [], {ONE}")
    assert (found.mark is not None) is marked
    assert len(found.entries) == (1 if marked else len(found.endpoints))


def test_a_long_range_stays_one_endpoint_and_a_short_one_becomes_ports() -> None:
    found = only(f"addresses: [public], ports: [50000-60000/udp, 90-91], checks: [], {ONE}")
    assert found.endpoints == (
        Endpoint(VIP, 50000, Protocol.UDP, 60000),
        Endpoint(VIP, 90, Protocol.TCP),
        Endpoint(VIP, 91, Protocol.TCP),
    )


def test_a_mark_follows_from_the_services_name_alone() -> None:
    media = f"name: media, addresses: [public], ports: [any/udp], checks: [], {ONE}"
    other = f"name: other, addresses: [public], ports: [any/tcp], checks: [], {ONE}"
    alone = only(media)
    behind, after = services(other, media)
    assert alone.mark is not None
    assert alone.mark.ours
    assert after.mark == alone.mark
    assert behind.mark != alone.mark


def test_both_families_of_a_service_have_the_same_mark_each_of_its_own() -> None:
    first, second = services(f"ports: [any], checks: [], {SERVERS}", groups=BOTH)
    assert first.mark is not None
    assert second.mark is not None
    assert first.mark.number == second.mark.number
    assert (first.mark.version, second.mark.version) == (4, 6)


@pytest.mark.parametrize(
    ("text", "versions"),
    [
        (f"firewallMark: 7, {SERVERS}", [4, 6]),
        (f"firewallMark: 7, {ONE}", [4]),
        (f"firewallMark: 7, forwarding: tunnel, {ONE}", [4, 6]),
    ],
)
def test_a_written_mark_is_of_the_families_that_its_servers_can_answer(text: str, versions: list[int]) -> None:
    found = services(f"{text}, checks: []", groups=BOTH)
    assert [service.mark.version for service in found if service.mark is not None] == versions
    assert {service.mark.number for service in found if service.mark is not None} == {7}
    assert all(service.mark is not None and not service.mark.ours for service in found)
    assert all(service.endpoints == () for service in found)


def test_behind_a_mark_the_first_tcp_port_is_checked_or_the_servers_own_or_the_checks() -> None:
    def checked(text: str) -> list[int]:
        found = only(f"addresses: [public], {text}")
        return [target.port for target in targets(found, found.entries[0], found.real_servers[0])]

    assert checked(f"ports: [5000-6000/udp, 443, 80], {ONE}") == [443]
    assert checked("ports: [5000-6000], realServers: [{address: 10.0.0.11, port: 7000}]") == [7000]
    assert checked(f"ports: [5000-6000/udp], checks: [{{tcp: {{}}, port: 22}}], {ONE}") == [22]


def test_a_check_without_a_port_is_a_fault_where_no_port_is_known() -> None:
    service = f"virtualServices: [{{addresses: [public], ports: [any], checks: [{{tcp: {{}}}}], {ONE}}}]"
    assert faults(document(service)) == [
        "spec.virtualServices[0].checks[0]: nothing says which port of the servers to check"
    ]


def test_a_tunnel_carries_one_family_in_the_other() -> None:
    first, second = services(f"ports: [80], forwarding: tunnel, {SERVERS}", groups=BOTH)
    assert len(first.real_servers) == len(second.real_servers) == 2


def test_tunnels_have_the_port_that_iana_keeps_for_them() -> None:
    tunnel = "tunnel: {type: gue, checksum: remote}"
    found = only(f"addresses: [public], ports: [80], forwarding: tunnel, {tunnel}, {ONE}")
    assert found.tunnel == Tunnel(Encapsulation.GUE, 6080, TunnelChecksum.REMOTE)


def test_the_default_tunnel_counts_only_where_there_is_one() -> None:
    more = "defaults: {virtualServices: {tunnel: {type: gre}}}"
    assert only(f"addresses: [public], ports: [80], {ONE}", more=more).tunnel == Tunnel()
    tunnelled = only(f"addresses: [public], ports: [80], forwarding: tunnel, {ONE}", more=more)
    assert tunnelled.tunnel == Tunnel(Encapsulation.GRE)


def test_each_family_has_its_own_length_of_clients_prefix() -> None:
    lengths = "persistence: {clientPrefixLength: 24, clientPrefixLengthIpv6: 56}"
    first, second = services(f"ports: [80], {lengths}, {SERVERS}", groups=BOTH)
    assert (first.client_prefix_length, second.client_prefix_length) == (24, 56)
    alone = 'realServers: [{address: "2001:db8:1::1"}]'
    text = f"addresses: [public6], ports: [80], persistence: {{clientPrefixLength: 64}}, {alone}"
    assert only(text, groups=BOTH).client_prefix_length == 64


def test_thresholds_are_none_unless_written() -> None:
    limits = "{address: 10.0.0.12, maxConnections: 10, minConnections: 5}"
    found = only(f"addresses: [public], ports: [80], realServers: [{{address: 10.0.0.11}}, {limits}]")
    assert [(item.max_connections, item.min_connections) for item in found.real_servers] == [(0, 0), (10, 5)]


def test_the_kernels_settings_are_kept_as_they_should_be_unless_the_document_says_otherwise() -> None:
    assert resolve(document()).ipvs_sysctls == {
        "sloppy_tcp": 1,
        "sloppy_sctp": 1,
        "expire_nodest_conn": 1,
        "expire_quiescent_template": 1,
        "conn_reuse_mode": 1,
    }
    found = ipvs("sysctls: {sloppyTcp: false, conntrack: true, dropEntry: 2}").ipvs_sysctls
    assert (found["sloppy_tcp"], found["conntrack"], found["drop_entry"]) == (0, 1, 2)
    assert found["sloppy_sctp"] == 1


def test_other_peoples_services_and_untranslated_packets() -> None:
    plain = resolve(document())
    assert (plain.ipvs_exclusive, plain.drop_untranslated) == (False, True)
    other = ipvs("exclusive: true, untranslated: forward, timeouts: {tcp: 1h}")
    assert (other.ipvs_exclusive, other.drop_untranslated) == (True, False)
    assert other.ipvs_timeouts == IpvsTimeouts(tcp=3600 * SECOND)


def test_a_tunnel_into_the_other_family_and_synchronised_connections_exclude_each_other() -> None:
    sync = "ipvs: {connectionSync: {interface: lan}}\nvirtualServices: "
    service = f"[{{ports: [80], forwarding: tunnel, {SERVERS}}}]"
    assert any("cannot synchronise connections" in fault for fault in faults(document(sync + service, groups=BOTH)))
    by_mark = f"[{{firewallMark: 1, checks: [], forwarding: tunnel, {SERVERS}}}]"
    assert not any("cannot synchronise" in fault for fault in faults(document(sync + by_mark, groups=BOTH)))


def test_a_scheduler_that_is_none_says_nothing_about_its_flags() -> None:
    found = faults(document("virtualServices: [{ports: [80], scheduler: mhh, schedulerFlags: [port]}]"))
    assert len(found) == 1
