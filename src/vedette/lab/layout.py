"""From a lab's topology to what the observers and the drills need to know of it. Pure."""

from collections.abc import Iterator
from ipaddress import IPv4Address, ip_network

from vedette.kit.net import IPAddress
from vedette.lab.drills.ground import Ground
from vedette.lab.probes import Probe
from vedette.lab.topology import Leg, Topology
from vedette.lab.wirewatch import Segment
from vedette.spec.resolved import ClusterSpec, Link

_SEARCHED = 4096
"""How many addresses from a subnet's end are looked at for one that nobody has."""


def reachable(spec: ClusterSpec, topology: Topology) -> dict[IPAddress, str]:
    """The network through which the client reaches each virtual address that it reaches."""
    vips = [vip.address for group in spec.groups for vip in group.addresses]
    return {vip: leg.network for vip in vips for leg in reversed(topology.client) if _reaches(leg, vip)}


def _reaches(leg: Leg, address: IPAddress) -> bool:
    subnets = [own.subnet for own in leg.addresses] + [ip_network(text, strict=False) for text in leg.on_link]
    return any(address in subnet for subnet in subnets)


def machines(topology: Topology) -> dict[str, str]:
    """The machine behind each MAC."""
    return {leg.mac: plan.name for plan in topology.machines for leg in plan.legs}


def segments(spec: ClusterSpec, topology: Topology) -> list[Segment]:
    """What to watch: every virtual address on the bridge of its network."""
    homes = reachable(spec, topology)
    found = []
    for network in topology.networks:
        addresses = tuple(address for address, home in homes.items() if home == network.name)
        if addresses:
            found.append(Segment(network.bridge, addresses, _asker(topology, network.subnets, addresses)))
    return found


def _asker(topology: Topology, subnets: tuple[str, ...], addresses: tuple[IPAddress, ...]) -> IPv4Address | None:
    """An IPv4 address of the watched addresses' own subnet that nobody has."""
    used = {*_used(topology), *addresses}
    vips = [address for address in addresses if address.version == 4]
    for subnet in map(ip_network, subnets):
        if any(vip in subnet for vip in vips):
            last = int(subnet.broadcast_address) - 1
            for number in range(last, max(int(subnet.network_address), last - _SEARCHED), -1):
                if IPv4Address(number) not in used:
                    return IPv4Address(number)
    return None


def _used(topology: Topology) -> Iterator[IPAddress]:
    for plan in topology.machines:
        for leg in plan.legs:
            yield from (own.address for own in leg.addresses)
    for leg in topology.client:
        yield from (own.address for own in leg.addresses)
    yield from (server.address for server in topology.servers)


def ground(spec: ClusterSpec, topology: Topology, probes: tuple[Probe, ...]) -> Ground:
    """What the drills may know."""
    homes = reachable(spec, topology)
    links = {link.name: network for link in spec.heartbeat.links if (network := _link_network(link, spec, topology))}
    first = next((group for group in spec.groups if any(probe.group == group.name for probe in probes)), None)
    own = {vip.address for vip in first.addresses} if first is not None else set()
    served = own & {probe.address for probe in probes if probe.service}
    networks = {homes[address] for address in own if address in homes}
    reached = {homes[address] for address in served or own if address in homes}
    clients = reached - set(links.values()) or reached
    return Ground(
        spec=spec,
        probes=probes,
        link_networks=links,
        client_networks=frozenset(clients),
        inner_networks=frozenset(networks - clients),
        server_networks=frozenset(server.leg.network for server in topology.servers),
        devices=frozenset(name for device in topology.devices for name in device.names),
    )


def _link_network(link: Link, spec: ClusterSpec, topology: Topology) -> str | None:
    """The network that carries a link: where a machine has its address of the link, or the interface that it names."""
    for plan in topology.machines:
        address = link.addresses.get(plan.name)
        named = spec.node(plan.name).interfaces.get(link.interface, link.interface) if link.interface else None
        for leg in plan.legs:
            if any(own.address == address for own in leg.addresses) or leg.interface == named:
                return leg.network
    return None
