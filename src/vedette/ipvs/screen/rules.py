"""What the screen must know: which packets bear which mark, and which ports answer only through IPVS."""

from collections.abc import Iterator
from dataclasses import dataclass

from vedette.kit.net import IPAddress
from vedette.spec.resolved import ClusterSpec, Endpoint, Forwarding, Protocol, RealServer, VirtualService

PORT_BITS = 16
UNMARKED = 0
"""The mark of a port that has a service of its own, where the rest of its address is marked."""


@dataclass(frozen=True, slots=True)
class Prefix:
    """The ports of an address whose first ``bits`` bits are those of ``port``; the longest that fits counts."""

    address: IPAddress
    protocol: Protocol
    port: int
    bits: int


@dataclass(frozen=True, slots=True)
class ServerPort:
    """A port of a masqueraded real server."""

    address: IPAddress
    protocol: Protocol
    port: int


@dataclass(frozen=True, slots=True)
class Rules:
    """``marks`` for the way in, ``servers`` for the way out."""

    marks: dict[Prefix, int]
    servers: frozenset[ServerPort]

    def __bool__(self) -> bool:
        return bool(self.marks or self.servers)


NOTHING = Rules({}, frozenset())


def rules(spec: ClusterSpec) -> Rules:
    """The rules of a document."""
    servers: set[ServerPort] = set()
    if spec.drop_untranslated:
        for service in spec.virtual_services:
            servers |= set(_answering(service))
    return Rules(_marks(spec), frozenset(servers))


def _marks(spec: ClusterSpec) -> dict[Prefix, int]:
    found: dict[Prefix, int] = {}
    whole: set[tuple[IPAddress, Protocol]] = set()
    for service in spec.virtual_services:
        if service.mark is None or not service.mark.ours:
            continue
        for endpoint in service.endpoints:
            found |= dict.fromkeys(prefixes(endpoint), service.mark.number)
            if endpoint.port == 0:
                whole.add((endpoint.address, endpoint.protocol))
    for service in spec.virtual_services:
        if service.mark is None and whole:
            own = (item for item in service.endpoints if item.port and (item.address, item.protocol) in whole)
            found |= {prefix: UNMARKED for endpoint in own for prefix in prefixes(endpoint)}
    return found


def prefixes(endpoint: Endpoint) -> Iterator[Prefix]:
    """An endpoint as few prefixes: at most 30 for any range (RFC 4632 does the same with addresses)."""
    if endpoint.port == 0:
        yield Prefix(endpoint.address, endpoint.protocol, 0, 0)
        return
    port, last = endpoint.port, endpoint.last_port or endpoint.port
    while port <= last:
        size = port & -port
        while port + size - 1 > last:
            size //= 2
        yield Prefix(endpoint.address, endpoint.protocol, port, PORT_BITS - size.bit_length() + 1)
        port += size


def _answering(service: VirtualService) -> Iterator[ServerPort]:
    """The ports from which real servers answer clients; ranges are not among them.

    A real server has connections of its own, and their ports come from wide ranges too.
    """
    if service.forwarding is not Forwarding.MASQUERADE:
        return
    servers: tuple[RealServer, ...] = service.real_servers
    if service.sorry is not None and service.sorry.remote is not None:
        servers = (*servers, service.sorry.remote)
    for server in servers:
        if not service.endpoints and server.port is not None:  # a mark of other people's may be of any protocol
            yield from (ServerPort(server.address, protocol, server.port) for protocol in Protocol)
        for endpoint in service.endpoints:
            if server.port is not None:
                yield ServerPort(server.address, endpoint.protocol, server.port)
            elif endpoint.single:
                yield ServerPort(server.address, endpoint.protocol, endpoint.port)
