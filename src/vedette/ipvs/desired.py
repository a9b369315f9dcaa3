"""What the kernel's table should be: one service per endpoint, one destination per real server.

=========  ==========================================================================================
verdict    destination
=========  ==========================================================================================
up         there, with the real server's weight
down       ``onFailure: remove``: not there; ``onFailure: quiesce``: there, with weight 0
unknown    as it was: there if it was there (weight 0 stays 0), else not added before the first verdict
=========  ==========================================================================================

Maintenance, of the real server or of the whole virtual service, makes the weight 0: no new connections, while those
that are open may finish. When no real server has a weight above 0, and none is still undecided, the sorry server
stands in; it goes when a real server is back.
"""

from collections.abc import Mapping

from vedette.ipvs.model import (
    AddressKey,
    Checksum,
    Destination,
    DestinationKey,
    Encapsulation,
    Flags,
    MarkKey,
    Method,
    Service,
    ServiceKey,
    Settings,
    Table,
    Tunnel,
)
from vedette.kit.units import SECOND
from vedette.spec import resolved
from vedette.spec.resolved import (
    ClusterSpec,
    Endpoint,
    Entry,
    Forwarding,
    Mark,
    OnFailure,
    Protocol,
    RealServer,
    SorryServer,
    VirtualService,
)
from vedette.state.health import Health, Verdicts
from vedette.state.targets import decisive

_METHODS = {
    Forwarding.MASQUERADE: Method.MASQUERADE,
    Forwarding.DIRECT_ROUTING: Method.DIRECT_ROUTING,
    Forwarding.TUNNEL: Method.TUNNEL,
}
_FLAGS = {"fallback": Flags.FALLBACK, "port": Flags.PORT}
_ENCAPSULATIONS = {
    resolved.Encapsulation.IPIP: Encapsulation.IPIP,
    resolved.Encapsulation.GUE: Encapsulation.GUE,
    resolved.Encapsulation.GRE: Encapsulation.GRE,
}
_CHECKSUMS = {
    resolved.TunnelChecksum.NONE: Checksum.NONE,
    resolved.TunnelChecksum.FULL: Checksum.FULL,
    resolved.TunnelChecksum.REMOTE: Checksum.REMOTE,
}
_Destinations = Mapping[DestinationKey, Destination]


def desired(spec: ClusterSpec, verdicts: Verdicts, previous: Table) -> dict[ServiceKey, Service]:
    """``previous`` is the table as it was found or left: what an undecided real server keeps."""
    table: dict[ServiceKey, Service] = {}
    for virtual in spec.virtual_services:
        for entry in virtual.entries:
            key = service_key(entry)
            before = previous[key].destinations if key in previous else {}
            table[key] = Service(_settings(virtual, entry), _destinations(virtual, entry, verdicts, before))
    return table


def service_key(entry: Entry) -> ServiceKey:
    match entry:
        case Endpoint(address, port, protocol):
            return AddressKey(protocol, address, port)
        case Mark(version, number):
            return MarkKey(version, number)


def destination_key(entry: Entry, server: RealServer) -> DestinationKey:
    """Behind a mark, port 0 is the port that the client asked for."""
    return DestinationKey(server.address, server.port or entry.port)


def sorry_key(virtual: VirtualService, entry: Entry, sorry: SorryServer) -> DestinationKey:
    """Where the sorry server is: a remote one at its own address, the built-in page at the virtual service's."""
    if sorry.remote is not None:
        return destination_key(entry, sorry.remote)
    address = entry.address if isinstance(entry, Endpoint) else virtual.endpoints[0].address
    return DestinationKey(address, entry.port)


def _settings(virtual: VirtualService, entry: Entry) -> Settings:
    flags = Flags.NONE
    for word in virtual.scheduler_flags:
        flags |= _FLAGS[word]
    # Behind a mark the kernel itself heeds both only for UDP.
    udp = isinstance(entry, Mark) or entry.protocol is Protocol.UDP
    if virtual.one_packet and udp:
        flags |= Flags.ONE_PACKET
    return Settings(
        virtual.scheduler,
        flags,
        persistence=-(-virtual.persistence_timeout // SECOND),
        granularity=_granularity(virtual, entry),
        engine=virtual.persistence_engine if udp else "",
    )


def _granularity(virtual: VirtualService, entry: Entry) -> int | None:
    """The prefix length of clients; the whole address is None, as the kernel says it too."""
    version = entry.version if isinstance(entry, Mark) else entry.address.version
    length = virtual.client_prefix_length
    return None if not virtual.persistence_timeout or length == (32 if version == 4 else 128) else length


def _forwarded(virtual: VirtualService, server: RealServer, weight: int) -> Destination:
    """A real server as the kernel keeps it."""
    method = _METHODS[virtual.forwarding]
    return Destination(weight, method, server.max_connections, server.min_connections, _tunnel(virtual))


def _tunnel(virtual: VirtualService) -> Tunnel:
    written = virtual.tunnel
    return Tunnel(_ENCAPSULATIONS[written.encapsulation], written.port, _CHECKSUMS[written.checksum])


def _destinations(
    virtual: VirtualService, entry: Entry, verdicts: Verdicts, before: _Destinations
) -> dict[DestinationKey, Destination]:
    found: dict[DestinationKey, Destination] = {}
    undecided = False
    for server in virtual.real_servers:
        key = destination_key(entry, server)
        weight = 0 if virtual.maintenance or server.maintenance else server.weight
        match decisive(virtual, entry, server, verdicts).health:
            case Health.UP:
                found[key] = _forwarded(virtual, server, weight)
            case Health.DOWN:
                if virtual.on_failure is OnFailure.QUIESCE:
                    found[key] = _forwarded(virtual, server, 0)
            case Health.UNKNOWN:
                undecided = undecided or weight > 0
                if key in before:
                    found[key] = _forwarded(virtual, server, weight if before[key].weight else 0)
    if virtual.sorry is not None and not any(destination.weight for destination in found.values()):
        key = sorry_key(virtual, entry, virtual.sorry)
        if not undecided or key in before:
            found |= _stand_in(virtual, entry, virtual.sorry)
    return found


def _stand_in(virtual: VirtualService, entry: Entry, sorry: SorryServer) -> _Destinations:
    """The sorry server as a destination. The page is HTTP, so only a TCP endpoint has one."""
    key = sorry_key(virtual, entry, sorry)
    if sorry.remote is None:
        over_tcp = isinstance(entry, Mark) or entry.protocol is Protocol.TCP
        return {key: Destination(1, Method.LOCAL)} if over_tcp else {}
    weight = max(1, sorry.remote.weight)
    if key.port != entry.port:
        return {key: Destination(weight, Method.MASQUERADE)}
    return {key: Destination(weight, _METHODS[virtual.forwarding], tunnel=_tunnel(virtual))}
