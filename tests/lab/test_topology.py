"""Which lab a document implies: documents, and the whole lab beside each: ``topologies/NAME.yaml`` and ``NAME.txt``.

``VEDETTE_REWRITE=1`` writes the labs anew; the difference is then reviewed like code.
"""

import os
from collections.abc import Iterator
from ipaddress import ip_network
from pathlib import Path

import pytest

from vedette.lab import derive, documents
from vedette.lab.topology import Leg, Topology
from vedette.spec.resolved import Forwarding

ROOT = Path(__file__).parents[2]
CASES = sorted((Path(__file__).parent / "topologies").glob("*.yaml"))
DOCUMENTS = [*CASES, *sorted(ROOT.glob("examples/*/*.yaml"))]


def show(topology: Topology) -> Iterator[str]:
    for network in topology.networks:
        yield f"network {network.name}: {network.bridge}, {' '.join(network.subnets)}"
    for machine in topology.machines:
        yield f"{machine.role.value} {machine.name}"
        yield from map(_show, machine.legs)
    yield "client"
    yield from map(_show, topology.client)
    for server in topology.servers:
        yield f"server {server.address}" + (f" answers through {server.gateway}" if server.gateway else "")
        yield _show(server.leg)
        yield "  listens on " + " ".join(f"{listener.port}/{listener.protocol}" for listener in server.listeners)
        if server.virtual:
            yield "  accepts " + " ".join(map(str, server.virtual))
        for page in server.pages:
            yield f"  {page.path}: {page.status} {page.body!r}"
    for device in topology.devices:
        yield f"{device.simulator.value} {' '.join(device.names)}, port {device.port}"
        yield _show(device.leg)
        yield "  " + " ".join(f"{plug or 'itself'}={machine}" for plug, machine in device.plugs.items())
        yield "  " + " ".join(f"{key}={value}" for key, value in device.words.items())
    for note in topology.notes:
        yield f"note: {note}"


def _show(leg: Leg) -> str:
    words = [leg.interface, f"({leg.network})", *map(str, leg.addresses)]
    return "  " + " ".join(words) + (f"; on link: {' '.join(leg.on_link)}" if leg.on_link else "")


def _topology(path: Path) -> Topology:
    return derive.topology(documents.read(path)[1])


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.stem)
def test_a_document_implies_this_lab(case: Path) -> None:
    answer = "\n".join(show(_topology(case))) + "\n"
    expected = case.with_suffix(".txt")
    if "VEDETTE_REWRITE" in os.environ:
        expected.write_text(answer)
    assert answer == expected.read_text()


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_every_address_and_every_port_of_the_switch_exists_once(document: Path) -> None:
    topology = _topology(document)
    legs = [leg for machine in topology.machines for leg in machine.legs]
    legs += [*topology.client, *(server.leg for server in topology.servers)]
    legs += {device.leg.port: device.leg for device in topology.devices}.values()
    for values in (
        [leg.port for leg in legs],
        [leg.mac for leg in legs],
        [own.address for leg in legs for own in leg.addresses],
    ):
        assert len(values) == len(set(values))
    for machine in topology.machines:
        names = [leg.interface for leg in machine.legs]
        assert len(names) == len(set(names))
        assert all(len(name) <= 15 for name in names)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_the_client_and_every_director_reach_every_virtual_address_without_a_gateway(document: Path) -> None:
    spec = documents.read(document)[1]
    topology = derive.topology(spec)
    directors = [machine.legs for machine in topology.machines if machine.name in spec.groups[0].nodes]
    for group in spec.groups:
        for vip in group.addresses:
            for legs in (topology.client, *directors):
                assert any(vip.address in ip_network(text) for leg in legs for text in _reach(leg))


def _reach(leg: Leg) -> list[str]:
    return [*(str(own.subnet) for own in leg.addresses), *leg.on_link]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_no_masqueraded_server_reaches_the_client_around_the_director(document: Path) -> None:
    spec = documents.read(document)[1]
    topology = derive.topology(spec)
    masqueraded = {
        server.address
        for service in spec.virtual_services
        if service.forwarding is Forwarding.MASQUERADE
        for server in service.real_servers
    }
    clients = [own.address for leg in topology.client for own in leg.addresses]
    for server in topology.servers:
        if server.address in masqueraded:
            assert not any(client in ip_network(text) for client in clients for text in _reach(server.leg))


def test_a_node_of_the_smallest_document_has_plain_interface_names() -> None:
    topology = _topology(Path(__file__).parent / "topologies" / "smallest.yaml")
    assert [leg.interface for leg in topology.machine("router1").legs] == ["eth0", "eth1"]


def test_a_wire_is_found_by_interface_and_by_network() -> None:
    machine = _topology(Path(__file__).parent / "topologies" / "names.yaml").machine("b")
    assert machine.leg("enp3s0") is machine.leg("lan")
    with pytest.raises(KeyError):
        machine.leg("eth1")
