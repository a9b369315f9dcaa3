"""From a document's lab to what observers and drills know of it, on the examples that people start from."""

from dataclasses import replace
from ipaddress import ip_address
from pathlib import Path

import pytest

from vedette.lab import derive, documents, layout
from vedette.lab.drills.ground import Ground
from vedette.lab.probes import plan
from vedette.lab.topology import Topology
from vedette.spec.resolved import ClusterSpec

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture(scope="module")
def spec() -> ClusterSpec:
    return documents.read(EXAMPLES / "two-routers" / "cluster.yaml")[1]


@pytest.fixture(scope="module")
def topology(spec: ClusterSpec) -> Topology:
    return derive.topology(spec)


@pytest.fixture(scope="module")
def ground(spec: ClusterSpec, topology: Topology) -> Ground:
    return layout.ground(spec, topology, plan(spec, reachable=layout.reachable(spec, topology)))


def test_the_cables_are_told_apart_by_what_they_carry(ground: Ground) -> None:
    assert ground.link_networks == {"lan": "lan", "cross": "cross"}
    assert ground.client_networks == {"net"}
    assert ground.inner_networks == {"lan"}
    assert ground.idle_links == ["cross"]


def test_a_link_without_addresses_is_on_the_network_of_its_interface(spec: ClusterSpec, topology: Topology) -> None:
    lan, cross = spec.heartbeat.links
    heard = replace(cross, multicast=ip_address("239.1.2.3"), addresses={})
    spec = replace(spec, heartbeat=replace(spec.heartbeat, links=(lan, heard)))
    ground = layout.ground(spec, topology, plan(spec, reachable=layout.reachable(spec, topology)))
    assert ground.link_networks == {"lan": "lan", "cross": "cross"}


def test_every_virtual_address_is_watched_on_its_own_network(spec: ClusterSpec, topology: Topology) -> None:
    watched = {segment.interface: set(segment.addresses) for segment in layout.segments(spec, topology)}
    assert watched == {
        topology.network("lan").bridge: {ip_address("10.0.0.1")},
        topology.network("net").bridge: {ip_address("203.0.113.80"), ip_address("203.0.113.81")},
    }


def test_the_watch_asks_from_an_address_that_nobody_has(spec: ClusterSpec, topology: Topology) -> None:
    used = {own.address for plan in topology.machines for leg in plan.legs for own in leg.addresses}
    used |= {own.address for leg in topology.client for own in leg.addresses}
    used |= {server.address for server in topology.servers}
    used |= {vip.address for group in spec.groups for vip in group.addresses}
    for segment in layout.segments(spec, topology):
        assert segment.asker is not None
        assert segment.asker not in used


def test_every_router_is_known_by_each_of_its_cards(topology: Topology) -> None:
    names = layout.machines(topology)
    assert set(names.values()) == {"router1", "router2", "witness"}
    assert len(names) == sum(len(plan.legs) for plan in topology.machines)
