"""What the kernel's table should be: one service per endpoint, one destination per real server.

Which weight a real server has, and whether it is there at all, is decided by :mod:`vedette.ipvs.life`; here weights
become destinations. The sorry server stands in when the quorum is lost, which by default means: when no real server
has a weight above 0, and none is still undecided. It goes when enough of them are back.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache

from vedette.ipvs.life import Life
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
    shared_destination,
)
from vedette.ipvs.records import Candidate, Result
from vedette.kit.units import SECOND
from vedette.spec import resolved
from vedette.spec.resolved import (
    ClusterSpec,
    Endpoint,
    Entry,
    Forwarding,
    Mark,
    Protocol,
    RealServer,
    SorryServer,
    VirtualService,
)
from vedette.state.health import Verdicts
from vedette.state.targets import decisive
from vedette.state.weights import advised

METHODS = {
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
    """The table at a first look. ``previous`` is the table as it was found: what an undecided real server keeps."""
    table: dict[ServiceKey, Service] = {}
    for virtual in spec.virtual_services:
        for entry in virtual.entries:
            key = service_key(entry)
            before = previous[key].destinations if key in previous else {}
            table[key], _ = desired_service(virtual, entry, verdicts, before, Life(), now=0)
    return table


def desired_service(
    virtual: VirtualService,
    entry: Entry,
    verdicts: Verdicts,
    before: _Destinations,
    life: Life,
    *,
    now: int,
    connections: Mapping[DestinationKey, int] | None = None,
    waiting: bool = True,
) -> tuple[Service, Result]:
    """What one entry of the table should be at ``now`` (ns): ``life`` goes one step on. ``before``: as it was left."""
    stand_in = _stand_in(virtual, entry)
    candidates = list(_candidates(virtual, entry, verdicts))
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
        waiting=waiting,
    )
    destinations = _destinations(virtual, candidates, result.weights)
    destinations |= {key: replace(before[key], weight=result.weights[key]) for key in result.leaving}
    if result.sorry:
        destinations |= stand_in
    return Service(_settings(virtual, entry), destinations), result


def leaving_service(
    former: Service,
    life: Life,
    rules: resolved.Life,
    *,
    now: int,
    connections: Mapping[DestinationKey, int] | None = None,
) -> tuple[Service | None, Result]:
    """What an entry should be that the document does not have any more; None: it may go. ``former``: as it was left."""
    result = life.leave(former.destinations, rules=rules, now=now, connections=connections)
    destinations = {key: replace(former.destinations[key], weight=0) for key in result.leaving}
    return (Service(former.settings, destinations) if destinations else None), result


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
    method = METHODS[virtual.forwarding]
    return shared_destination(weight, method, server.max_connections, server.min_connections, tunnel(virtual.tunnel))


@lru_cache(maxsize=64)
def tunnel(written: resolved.Tunnel) -> Tunnel:
    """A tunnel as the kernel keeps it."""
    return Tunnel(_ENCAPSULATIONS[written.encapsulation], written.port, _CHECKSUMS[written.checksum])


def _candidates(virtual: VirtualService, entry: Entry, verdicts: Verdicts) -> Iterator[Candidate]:
    whole = virtual.maintenance
    measured = any(getattr(check.probe, "dynamic_weight", False) for check in virtual.checks)
    for server in virtual.real_servers:
        verdict = decisive(virtual, entry, server, verdicts)
        advice = verdict.advice
        if len(virtual.checks) > 1:
            advice = advised(virtual, entry, server, verdicts)
        key = destination_key(entry, server)
        yield Candidate(key, server.weight, verdict.health, whole or server.maintenance, advice, measured)


def _destinations(
    virtual: VirtualService, candidates: Sequence[Candidate], weights: Mapping[DestinationKey, int]
) -> dict[DestinationKey, Destination]:
    """``candidates``: the real servers, in the document's order."""
    return {
        candidate.key: _forwarded(virtual, server, weight)
        for server, candidate in zip(virtual.real_servers, candidates, strict=True)
        if (weight := weights.get(candidate.key)) is not None
    }


def _stand_in(virtual: VirtualService, entry: Entry) -> dict[DestinationKey, Destination]:
    """The sorry server as a destination. The page is HTTP, so only a TCP endpoint has one."""
    sorry = virtual.sorry
    if sorry is None:
        return {}
    key = sorry_key(virtual, entry, sorry)
    if sorry.remote is None:
        over_tcp = isinstance(entry, Mark) or entry.protocol is Protocol.TCP
        return {key: Destination(1, Method.LOCAL)} if over_tcp else {}
    weight = max(1, sorry.remote.weight)
    if key.port != entry.port:
        return {key: Destination(weight, Method.MASQUERADE)}
    return {key: Destination(weight, METHODS[virtual.forwarding], tunnel=tunnel(virtual.tunnel))}
