"""Paths: how a check goes through a virtual service to one real server (``via: service``).

The kernel's table gets, for each path, a service that is found by a firewall mark and has that one server behind it.
A check bears the mark and connects to the virtual address, so IPVS sends its packets to that server, whatever its
weight, in the way that clients' packets go. What a path is does not depend on port or address of the service, so
services that forward to the same server in the same way share one.

The mark is a digest of what the path is: both directors have the same, and an edit elsewhere changes none. Of two paths
with the same digest, the later one in the document moves on by one.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from hashlib import blake2b

from vedette.kit.net import IPAddress
from vedette.spec.marks import PATHS
from vedette.spec.resolved import ClusterSpec, Forwarding, RealServer, Tunnel, Via, VirtualService


@dataclass(frozen=True, slots=True)
class Way:
    """What tells paths apart. ``version`` is the virtual addresses'; ``port`` 0 = the one that is asked for."""

    version: int
    forwarding: Forwarding
    tunnel: Tunnel
    address: IPAddress
    port: int


def with_paths(spec: ClusterSpec) -> ClusterSpec:
    """The document with a mark for every real server that is checked through a service."""
    if not has_paths(spec):
        return spec
    marks = _number({way(service, server): None for service, server in _checked(spec)})
    services = tuple(
        replace(
            service,
            real_servers=tuple(replace(item, path=marks[way(service, item)]) for item in service.real_servers),
        )
        if goes_through(service)
        else service
        for service in spec.virtual_services
    )
    return replace(spec, virtual_services=services)


def has_paths(spec: ClusterSpec) -> bool:
    """Whether any server is checked through its service."""
    return any(goes_through(service) for service in spec.virtual_services)


def paths(spec: ClusterSpec) -> dict[int, Way]:
    """Every path of a document whose paths are numbered, by its mark."""
    return {server.path: way(service, server) for service, server in _checked(spec)}


def goes_through(service: VirtualService) -> bool:
    """Whether servers of a virtual service are checked through it."""
    return any(check.via is Via.SERVICE for check in service.checks)


def answers_come_from_outside(spec: ClusterSpec) -> bool:
    """Whether answers to such checks come in with an IPv4 address as sender that this node has itself, as virtual one.

    Masqueraded servers answer with their own address.
    """
    return any(
        goes_through(service)
        and service.forwarding is not Forwarding.MASQUERADE
        and any(item.address.version == 4 for item in service.endpoints)
        for service in spec.virtual_services
    )


def way(service: VirtualService, server: RealServer) -> Way:
    """The path to a server; only masquerading changes ports."""
    version = service.mark.version if service.mark is not None else service.endpoints[0].address.version
    port = (server.port or 0) if service.forwarding is Forwarding.MASQUERADE else 0
    return Way(version, service.forwarding, service.tunnel, server.address, port)


def _checked(spec: ClusterSpec) -> Iterator[tuple[VirtualService, RealServer]]:
    for service in spec.virtual_services:
        if goes_through(service):
            for server in service.real_servers:
                yield service, server


def _number(ways: Mapping[Way, object]) -> dict[Way, int]:
    found: dict[Way, int] = {}
    taken: set[int] = set()
    for item in ways:
        place = _digest(item)
        while PATHS[place] in taken:
            place = (place + 1) % len(PATHS)
        taken.add(PATHS[place])
        found[item] = PATHS[place]
    return found


def _digest(item: Way) -> int:
    tunnel = item.tunnel
    words = (
        item.version, item.forwarding.value, tunnel.encapsulation.value, tunnel.port, tunnel.checksum.value,
        item.address, item.port,
    )  # fmt: skip
    return int.from_bytes(blake2b(" ".join(map(str, words)).encode(), digest_size=3).digest(), "big")
