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
    Destination,
    DestinationKey,
    Flags,
    Method,
    Service,
    ServiceKey,
    Settings,
    Table,
)
from vedette.kit.units import SECOND
from vedette.spec.resolved import (
    ClusterSpec,
    Endpoint,
    Forwarding,
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
_Destinations = Mapping[DestinationKey, Destination]


def desired(spec: ClusterSpec, verdicts: Verdicts, previous: Table) -> dict[ServiceKey, Service]:
    """``previous`` is the table as it was found or left: what an undecided real server keeps."""
    table: dict[ServiceKey, Service] = {}
    for virtual in spec.virtual_services:
        settings = _settings(virtual)
        for endpoint in virtual.endpoints:
            key = service_key(endpoint)
            before = previous[key].destinations if key in previous else {}
            table[key] = Service(settings, _destinations(virtual, endpoint, verdicts, before))
    return table


def service_key(endpoint: Endpoint) -> AddressKey:
    return AddressKey(endpoint.protocol, endpoint.address, endpoint.port)


def destination_key(endpoint: Endpoint, server: RealServer) -> DestinationKey:
    return DestinationKey(server.address, server.port or endpoint.port)


def sorry_key(endpoint: Endpoint, sorry: SorryServer) -> DestinationKey:
    """Where the sorry server is: a remote one at its own address, the built-in page at the virtual service's."""
    if sorry.remote is not None:
        return destination_key(endpoint, sorry.remote)
    return DestinationKey(endpoint.address, endpoint.port)


def _settings(virtual: VirtualService) -> Settings:
    flags = Flags.NONE
    for word in virtual.scheduler_flags:
        flags |= _FLAGS[word]
    return Settings(virtual.scheduler, flags, persistence=-(-virtual.persistence_timeout // SECOND))


def _destinations(
    virtual: VirtualService, endpoint: Endpoint, verdicts: Verdicts, before: _Destinations
) -> dict[DestinationKey, Destination]:
    method = _METHODS[virtual.forwarding]
    found: dict[DestinationKey, Destination] = {}
    undecided = False
    for server in virtual.real_servers:
        key = destination_key(endpoint, server)
        weight = 0 if virtual.maintenance or server.maintenance else server.weight
        match decisive(virtual, endpoint, server, verdicts).health:
            case Health.UP:
                found[key] = Destination(weight, method)
            case Health.DOWN:
                if virtual.on_failure is OnFailure.QUIESCE:
                    found[key] = Destination(0, method)
            case Health.UNKNOWN:
                undecided = undecided or weight > 0
                if key in before:
                    found[key] = Destination(weight if before[key].weight else 0, method)
    if virtual.sorry is not None and not any(destination.weight for destination in found.values()):
        key = sorry_key(endpoint, virtual.sorry)
        if not undecided or key in before:
            found |= _stand_in(virtual, endpoint, virtual.sorry)
    return found


def _stand_in(virtual: VirtualService, endpoint: Endpoint, sorry: SorryServer) -> _Destinations:
    """The sorry server as a destination. The page is HTTP, so only a TCP endpoint has one."""
    key = sorry_key(endpoint, sorry)
    if sorry.remote is None:
        return {key: Destination(1, Method.LOCAL)} if endpoint.protocol is Protocol.TCP else {}
    moved = key.port != endpoint.port
    return {key: Destination(max(1, sorry.remote.weight), Method.MASQUERADE if moved else _METHODS[virtual.forwarding])}
