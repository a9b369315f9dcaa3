"""What the kernel's table should be: one service per endpoint, one destination per real server.

Which weight a real server has, and whether it is there at all, is decided by :mod:`vedette.ipvs.life`; here weights
become destinations. The sorry server stands in when the quorum is lost, which by default means: when no real server
has a weight above 0, and none is still undecided. It goes when enough of them are back.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from vedette.ipvs.life import Life
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
from vedette.ipvs.records import Candidate, Result
from vedette.kit.units import SECOND
from vedette.spec.resolved import (
    ClusterSpec,
    Endpoint,
    Forwarding,
    Protocol,
    RealServer,
    SorryServer,
    VirtualService,
)
from vedette.state.health import Verdicts
from vedette.state.targets import decisive
from vedette.state.weights import advised

_METHODS = {
    Forwarding.MASQUERADE: Method.MASQUERADE,
    Forwarding.DIRECT_ROUTING: Method.DIRECT_ROUTING,
    Forwarding.TUNNEL: Method.TUNNEL,
}
_FLAGS = {"fallback": Flags.FALLBACK, "port": Flags.PORT}
_Destinations = Mapping[DestinationKey, Destination]


def desired(spec: ClusterSpec, verdicts: Verdicts, previous: Table) -> dict[ServiceKey, Service]:
    """The table at a first look. ``previous`` is the table as it was found: what an undecided real server keeps."""
    table: dict[ServiceKey, Service] = {}
    for virtual in spec.virtual_services:
        for endpoint in virtual.endpoints:
            key = service_key(endpoint)
            before = previous[key].destinations if key in previous else {}
            table[key], _ = desired_service(virtual, endpoint, verdicts, before, Life(), now=0)
    return table


def desired_service(
    virtual: VirtualService,
    endpoint: Endpoint,
    verdicts: Verdicts,
    before: _Destinations,
    life: Life,
    *,
    now: int,
    connections: Mapping[DestinationKey, int] | None = None,
) -> tuple[Service, Result]:
    """What one endpoint should be at ``now`` (ns): ``life`` goes one step on. ``before``: as it was left."""
    stand_in = _stand_in(virtual, endpoint)
    candidates = list(_candidates(virtual, endpoint, verdicts))
    result = life.step(
        candidates,
        before,
        rules=virtual.life,
        on_failure=virtual.on_failure,
        now=now,
        others={*stand_in, *(key for key, item in before.items() if item.method is Method.LOCAL)},
        connections=connections,
        has_sorry=bool(stand_in),
        standing_in=any(key in before for key in stand_in),
        unresolved=virtual.unresolved,
    )
    destinations = _destinations(virtual, candidates, result.weights)
    destinations |= {key: replace(before[key], weight=result.weights[key]) for key in result.leaving}
    if result.sorry:
        destinations |= stand_in
    return Service(_settings(virtual), destinations), result


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


def _candidates(virtual: VirtualService, endpoint: Endpoint, verdicts: Verdicts) -> Iterator[Candidate]:
    whole = virtual.maintenance
    for server in virtual.real_servers:
        verdict = decisive(virtual, endpoint, server, verdicts)
        advice = verdict.advice
        if len(virtual.checks) > 1:
            advice = advised(virtual, endpoint, server, verdicts)
        key = destination_key(endpoint, server)
        yield Candidate(key, server.weight, verdict.health, whole or server.maintenance, advice)


def _destinations(
    virtual: VirtualService, candidates: Sequence[Candidate], weights: Mapping[DestinationKey, int]
) -> dict[DestinationKey, Destination]:
    """``candidates``: the real servers, in the document's order."""
    method = _METHODS[virtual.forwarding]
    return {
        candidate.key: Destination(weight, method)
        for candidate in candidates
        if (weight := weights.get(candidate.key)) is not None
    }


def _stand_in(virtual: VirtualService, endpoint: Endpoint) -> dict[DestinationKey, Destination]:
    """The sorry server as a destination. The page is HTTP, so only a TCP endpoint has one."""
    sorry = virtual.sorry
    if sorry is None:
        return {}
    key = sorry_key(endpoint, sorry)
    if sorry.remote is None:
        return {key: Destination(1, Method.LOCAL)} if endpoint.protocol is Protocol.TCP else {}
    moved = key.port != endpoint.port
    return {key: Destination(max(1, sorry.remote.weight), Method.MASQUERADE if moved else _METHODS[virtual.forwarding])}
