"""What a document asks of the machine that has certain addresses.

A real server behind direct routing gets packets whose destination is the virtual address, so it must have that
address, and must not say so on the network. Behind a tunnel it gets such packets wrapped in others to its own address,
so it needs the tunnel's end as well. Masquerade asks nothing. A sorry server elsewhere is forwarded to like a real
server, unless it has a port of its own.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field

from vedette.kit.net import IPAddress
from vedette.realserver.model import Device, Kind, Port, Wanted
from vedette.spec.resolved import ClusterSpec, Endpoint, Forwarding, Role, VirtualService

_IPIP = {
    (4, 4): Kind.IPIP,
    (4, 6): Kind.SIT,
    (6, 4): Kind.IP6TNL,
    (6, 6): Kind.IP6TNL,
}
"""(family outside, family inside) to the device that takes IP in IP apart; what is in GUE comes out there too."""
_GRE = {4: Kind.GRE, 6: Kind.IP6GRE}
GUE_PORT = 6080


@dataclass(frozen=True, slots=True)
class Tunnel:
    """How a service's packets are wrapped: ``ipip``, ``gre`` or ``gue``; ``port`` is GUE's."""

    type: str = "ipip"
    port: int = GUE_PORT
    checksum: bool = False


@dataclass(slots=True)
class _Draft:
    vips: dict[IPAddress, list[str]] = field(default_factory=dict)
    devices: dict[Device, set[IPAddress]] = field(default_factory=dict)
    ports: set[Port] = field(default_factory=set)
    direct: set[IPAddress] = field(default_factory=set)
    endpoints: set[Endpoint] = field(default_factory=set)


def wanted(spec: ClusterSpec, own: Collection[IPAddress], *, named: bool = False) -> Wanted:
    """``own``: the machine's own addresses; ``named``: somebody has said that each of them is a real server's."""
    for node in spec.nodes:
        reached = {node.address, *(link.addresses.get(node.name) for link in spec.heartbeat.links)}
        if node.role is Role.DIRECTOR and not reached.isdisjoint(own):
            problem = f"this machine is the director {node.name}: `vedette run` puts the addresses on lo there"
            return Wanted(problems=(problem,))
    draft, masqueraded = _Draft(), []
    for service in spec.virtual_services:
        for address in _servers(service):
            if address not in own:
                continue
            if service.forwarding is Forwarding.MASQUERADE:
                masqueraded.append(service.name)
            else:
                _serve(draft, spec, service, address)
    strangers = tuple(_strangers(spec, own)) if named else ()
    return Wanted(
        vips={address: tuple(dict.fromkeys(names)) for address, names in draft.vips.items()},
        devices={device: frozenset(inside) for device, inside in draft.devices.items()},
        ports=frozenset(draft.ports),
        direct=frozenset(draft.direct),
        endpoints=frozenset(draft.endpoints),
        notes=() if strangers else _notes(draft, masqueraded, own),
        problems=(*strangers, *_clashes(draft)),
        tentative=any(service.unresolved for service in asking(spec)),
    )


def asking(spec: ClusterSpec) -> tuple[VirtualService, ...]:
    """The services whose real servers have something to set up."""
    return tuple(service for service in spec.virtual_services if service.forwarding is not Forwarding.MASQUERADE)


def _servers(service: VirtualService) -> Iterator[IPAddress]:
    yield from (server.address for server in service.real_servers)
    sorry = service.sorry.remote if service.sorry is not None else None
    if sorry is not None and all(sorry.port in (None, endpoint.port) for endpoint in service.endpoints):
        yield sorry.address


def _serve(draft: _Draft, spec: ClusterSpec, service: VirtualService, own: IPAddress) -> None:
    tunnelled = service.forwarding is Forwarding.TUNNEL
    for vip in _virtual(spec, service):
        if vip.version != own.version and not tunnelled:
            continue
        draft.vips.setdefault(vip, []).append(service.name)
        if tunnelled:
            _tunnel(draft, tunnel_of(service), own, vip)
        elif own.version == 4:
            draft.direct.add(own)
    draft.endpoints |= {item for item in service.endpoints if tunnelled or item.address.version == own.version}


def _virtual(spec: ClusterSpec, service: VirtualService) -> list[IPAddress]:
    """The service's addresses; a firewall mark may be on a packet to any address of its group."""
    if service.endpoints:
        return list(dict.fromkeys(endpoint.address for endpoint in service.endpoints))
    version = None if service.mark is None else service.mark.version
    groups = (group for group in spec.groups if group.name == service.group)
    return [item.address for group in groups for item in group.addresses if version in (None, item.address.version)]


def tunnel_of(service: VirtualService) -> Tunnel:
    """How the service's packets are wrapped."""
    found = service.tunnel
    return Tunnel(found.encapsulation.value, found.port or GUE_PORT, found.checksum.value == "full")


def _tunnel(draft: _Draft, tunnel: Tunnel, own: IPAddress, vip: IPAddress) -> None:
    if tunnel.type == "gre":
        device = Device(_GRE[own.version], own, tunnel.checksum)
    else:
        device = Device(_IPIP[own.version, vip.version], own)
    draft.devices.setdefault(device, set()).add(vip)
    if tunnel.type == "gue":
        draft.ports.add(Port(own.version, tunnel.port))


def _clashes(draft: _Draft) -> Iterator[str]:
    """GRE's end either has checksums or has none (net/ipv4/ip_tunnel.c), and two ends of one address are one."""
    for device in draft.devices:
        if device.checksum and Device(device.kind, device.local) in draft.devices:
            yield (
                f"tunnels of type gre to {device.local} come with and without `checksum`, and one end takes only one "
                "kind: write the same in all virtual services of this real server"
            )


def _strangers(spec: ClusterSpec, named: Collection[IPAddress]) -> Iterator[str]:
    """Addresses that nobody forwards to. While a name is not known yet, it may stand for any of them."""
    if any(service.unresolved for service in spec.virtual_services):
        return
    known = {server.address for service in spec.virtual_services for server in service.real_servers}
    known |= {
        service.sorry.remote.address for service in spec.virtual_services if service.sorry and service.sorry.remote
    }
    for address in named:
        if address not in known:
            yield f"no virtual service has {address} as real server: correct `--address`, or the document"


def _notes(draft: _Draft, masqueraded: list[str], own: Collection[IPAddress]) -> tuple[str, ...]:
    if draft.vips:
        return ()
    if masqueraded:
        names = ", ".join(dict.fromkeys(masqueraded))
        return (
            f"nothing to set up: this machine is a real server of {names} with masquerade, which needs nothing here",
        )
    if not own:
        return ("nothing to set up: this machine has no address but the cluster's, loopback and link-local ones",)
    shown = ", ".join(str(address) for address in sorted(own, key=lambda item: (item.version, int(item)))[:8])
    return (f"nothing to set up: no virtual service of the document has one of {shown} as real server",)
