"""Names in place of real servers: what is to be looked up, and the document with what was found."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from vedette.kit.net import IPAddress
from vedette.spec import hosts
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


@dataclass(frozen=True, slots=True)
class Use:
    """What a service can use of an answer: addresses of these ``versions`` (4, 6), none of ``virtual``; and where its
    ``forwarding`` cannot change ports, only those that all its entries have (``ports``)."""

    forwarding: Forwarding
    ports: frozenset[int]
    versions: frozenset[int]
    virtual: frozenset[IPAddress]


@dataclass(frozen=True, slots=True)
class Need:
    """What is wanted of a name: addresses of which ``versions``, and by whom."""

    versions: frozenset[int]
    uses: tuple[Use, ...] = ()


def questions(spec: ClusterSpec) -> dict[Question, Need]:
    """Everything that the document wants to be looked up, and what of the answer it needs."""
    uses: dict[Question, dict[Use, None]] = {}
    virtual = _virtual(spec)
    for service in spec.virtual_services:
        for item in service.names:
            uses.setdefault(Question(item.by, item.name), {})[_use(service, virtual)] = None
    return {
        question: Need(frozenset().union(*(use.versions for use in found)), tuple(found))
        for question, found in uses.items()
    }


def with_names(spec: ClusterSpec, answers: Answers) -> ClusterSpec:
    """The document with the servers that were found; a name without an answer stands for none."""
    virtual = _virtual(spec)
    services = tuple(
        replace(
            service,
            real_servers=tuple(_servers(service, answers, _use(service, virtual))),
            unresolved=_unresolved(service, answers),
        )
        if service.names
        else service
        for service in spec.virtual_services
    )
    return replace(spec, virtual_services=services) if services != spec.virtual_services else spec


def unfit(use: Use, found: Found) -> str:
    """Why a server that was found cannot be one of this service, in words; empty where it can."""
    if found.port is not None and use.forwarding is not Forwarding.MASQUERADE and use.ports - {found.port}:
        return f"{found.address} has port {found.port}, which {use.forwarding.value} cannot change"
    wrong = hosts.unfit(found.address, use.virtual, "a real server")
    return wrong[0] if wrong is not None else ""


def useless(need: Need, found: tuple[Found, ...]) -> str:
    """Why a service can use nothing of an answer that it could choose from, in words; empty where each can."""
    for use in need.uses:
        offered = [item for item in found if item.address.version in use.versions]
        refused = [why for item in offered if (why := unfit(use, item))]
        if offered and len(refused) == len(offered):
            return refused[0]
    return ""


def of_use(need: Need, found: tuple[Found, ...]) -> int:
    """How many of these some service can use."""
    return sum(
        any(item.address.version in use.versions and not unfit(use, item) for use in need.uses) or not need.uses
        for item in found
    )


def left_out(need: Need, found: tuple[Found, ...]) -> list[str]:
    """What of an answer some service cannot use, and why."""
    found_out = (unfit(use, item) for use in need.uses for item in found if item.address.version in use.versions)
    return list(dict.fromkeys(filter(None, found_out)))


def _unresolved(service: VirtualService, answers: Answers) -> bool:
    return any(Question(name.by, name.name) not in answers for name in service.names)


def _virtual(spec: ClusterSpec) -> frozenset[IPAddress]:
    held = (item.address for group in spec.groups for item in group.addresses)
    served = (item.address for service in spec.virtual_services for item in service.endpoints)
    return frozenset((*held, *served))


def _use(service: VirtualService, virtual: frozenset[IPAddress]) -> Use:
    versions = frozenset(_version(item) for item in service.entries)
    if service.forwarding is Forwarding.TUNNEL and service.endpoints:
        versions = frozenset({4, 6})  # a tunnel carries one in the other
    return Use(service.forwarding, frozenset(item.port for item in service.entries), versions, virtual)


def _servers(service: VirtualService, answers: Answers, use: Use) -> Iterator[RealServer]:
    """Those written as addresses first; then by name, in the order of their addresses; each once."""
    seen: set[tuple[IPAddress, int]] = set()
    for server in service.real_servers:
        seen |= _places(service.entries, server.address, server.port)
        yield server
    for name in service.names:
        for found in sorted(answers.get(Question(name.by, name.name), ()), key=_order):
            server = _server(name, found)
            places = _places(service.entries, server.address, server.port)
            if found.address.version in use.versions and not places & seen and not unfit(use, found):
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
