"""Which endpoints the client tries, and how often."""

from collections.abc import Callable
from dataclasses import replace
from ipaddress import ip_address

from vedette.kit.units import SECOND
from vedette.lab import traffic
from vedette.lab.attempts import Kind
from vedette.lab.probes import FAST, FAST_A_SECOND, HELD, SLOW, plan
from vedette.spec.resolved import ClusterSpec, Endpoint, Protocol, VirtualAddress, VirtualService

Make = Callable[..., VirtualService]
MakeCluster = Callable[..., ClusterSpec]


def test_the_first_endpoint_of_a_vip_is_tried_fast_and_the_others_slowly(
    make_service: Make, make_cluster: MakeCluster
) -> None:
    probes = plan(make_cluster(make_service("web"), make_service("alt", port=8080)))
    assert [(probe.label, probe.period, probe.held) for probe in probes] == [
        ("203.0.113.80:80", FAST, HELD),
        ("203.0.113.80:8080", SLOW, 0),
    ]


def test_the_request_is_the_one_that_the_services_own_check_makes(make_cluster: MakeCluster) -> None:
    (probe,) = plan(make_cluster())
    assert (probe.http, probe.host, probe.path) == (True, "www.example.org", "/")


def test_a_port_that_no_check_explains_is_echoed(make_service: Make, make_cluster: MakeCluster) -> None:
    (probe,) = plan(make_cluster(make_service(port=5432, http=False)))
    assert not probe.http


def test_a_vip_with_datagrams_only_is_tried_fast(make_service: Make, make_cluster: MakeCluster) -> None:
    dns = make_service()
    dns = replace(dns, endpoints=(Endpoint(dns.endpoints[0].address, 53, Protocol.UDP),))
    (probe,) = plan(make_cluster(dns))
    assert (probe.kind, probe.period, probe.label) == (Kind.DATAGRAM, FAST, "203.0.113.80:53/udp")


def test_a_vip_without_a_service_is_pinged(make_cluster: MakeCluster) -> None:
    spec = make_cluster()
    group = spec.groups[0]
    gateway = VirtualAddress("gateway", ip_address("10.0.0.1"), 24)
    spec = replace(spec, groups=(replace(group, addresses=(*group.addresses, gateway)),))
    assert [(probe.kind, probe.label) for probe in plan(spec)] == [
        (Kind.REQUEST, "203.0.113.80:80"),
        (Kind.PING, "10.0.0.1 ping"),
    ]
    assert len(plan(spec, reachable=[ip_address("203.0.113.80")])) == 1


def test_a_service_in_maintenance_is_not_tried(make_service: Make, make_cluster: MakeCluster) -> None:
    probes = plan(make_cluster(replace(make_service(), maintenance=True)))
    assert [probe.kind for probe in probes] == [Kind.PING]


def test_many_vips_share_what_the_host_can_carry(make_service: Make, make_cluster: MakeCluster) -> None:
    one = make_service()
    endpoints = tuple(Endpoint(ip_address(f"198.51.100.{last}"), 80, Protocol.TCP) for last in range(1, 101))
    probes = plan(make_cluster(replace(one, endpoints=endpoints)), reachable=[point.address for point in endpoints])
    assert sum(SECOND / probe.period for probe in probes) <= FAST_A_SECOND


def test_the_plan_survives_the_way_to_the_process(make_cluster: MakeCluster) -> None:
    probes = plan(make_cluster())
    assert traffic.load(traffic.dump(probes, patience=7)) == ([*probes], 7)
