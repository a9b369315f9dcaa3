"""Names in place of real servers: what is to be looked up, and the document with what was found."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from vedette.kit.net import IPAddress
from vedette.spec.resolved import ClusterSpec, Entry, Forwarding, Mark, NameKind, RealServer, ServerName, VirtualService

MOST = 1024
"""Servers that one name may stand for."""


@dataclass(frozen=True, slots=True)
class Question:
    """What is looked up; services that have the same name in them share it."""

    by: NameKind
    name: str


@dataclass(frozen=True, slots=True)
class Found:
    """One server behind a name. ``port`` and ``weight`` are an SRV record's; None with plain addresses."""

    address: IPAddress
    port: int | None = None
    weight: int | None = None


Answers = Mapping[Question, tuple[Found, ...]]


def questions(spec: ClusterSpec) -> frozenset[Question]:
    """Everything that the document wants to be looked up."""
    return frozenset(Question(item.by, item.name) for service in spec.virtual_services for item in service.names)


def with_names(spec: ClusterSpec, answers: Answers) -> ClusterSpec:
    """The document with the servers that were found; a name without an answer stands for none."""
    services = tuple(
        replace(service, real_servers=tuple(_servers(service, answers)), unresolved=_unresolved(service, answers))
        if service.names
        else service
        for service in spec.virtual_services
    )
    return replace(spec, virtual_services=services) if services != spec.virtual_services else spec


def unfit(service: VirtualService, found: Found) -> str:
    """Why a server that was found cannot be one of this service, in words; empty where it can."""
    if found.port is not None and service.forwarding is not Forwarding.MASQUERADE:
        wrong = [item for item in service.entries if item.port != found.port]
        if wrong:
            return f"{found.address} has port {found.port}, which {service.forwarding.value} cannot change"
    if any(found.address == item.address for item in service.endpoints):
        return f"{found.address} is the service's own address"
    return ""


def _unresolved(service: VirtualService, answers: Answers) -> bool:
    return any(Question(name.by, name.name) not in answers for name in service.names)


def _servers(service: VirtualService, answers: Answers) -> Iterator[RealServer]:
    """Those written as addresses first; then by name, in the order of their addresses; each once."""
    seen: set[tuple[IPAddress, int]] = set()
    versions = {_version(item) for item in service.entries}
    if service.forwarding is Forwarding.TUNNEL and service.endpoints:
        versions = {4, 6}  # a tunnel carries one in the other
    for server in service.real_servers:
        seen |= _places(service.entries, server.address, server.port)
        yield server
    for name in service.names:
        for found in sorted(answers.get(Question(name.by, name.name), ()), key=_order):
            server = _server(name, found)
            places = _places(service.entries, server.address, server.port)
            if found.address.version in versions and not places & seen and not unfit(service, found):
                seen |= places
                yield server


def _version(entry: Entry) -> int:
    return entry.version if isinstance(entry, Mark) else entry.address.version


def _places(entries: tuple[Entry, ...], address: IPAddress, port: int | None) -> set[tuple[IPAddress, int]]:
    return {(address, port or entry.port) for entry in entries}


def _order(found: Found) -> tuple[int, bytes, int]:
    return found.address.version, found.address.packed, found.port or 0


def _server(name: ServerName, found: Found) -> RealServer:
    weight = name.weight if name.weight is not None else found.weight
    return RealServer(
        address=found.address,
        port=name.port if found.port is None else found.port,
        weight=1 if weight is None else weight,
        maintenance=name.maintenance,
        description=name.description,
        max_connections=name.max_connections,
        min_connections=name.min_connections,
        origin=name.name,
    )
