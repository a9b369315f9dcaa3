"""What the kernel's table looks like now, beside what the document and the verdicts say of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from vedette.ipvs.desired import destination_key, service_key, sorry_key
from vedette.ipvs.model import (
    Connections,
    Counters,
    Destination,
    DestinationId,
    DestinationKey,
    DestinationUsage,
    Method,
    Observation,
    Service,
    ServiceKey,
    Usage,
)
from vedette.kit.net import endpoint as show_endpoint
from vedette.spec.resolved import ClusterSpec, Entry, VirtualService
from vedette.state.health import Verdicts
from vedette.state.targets import decisive

_METHODS = {
    Method.MASQUERADE: "masquerade",
    Method.LOCAL: "local",
    Method.TUNNEL: "tunnel",
    Method.DIRECT_ROUTING: "directRouting",
    Method.BYPASS: "bypass",
}
"""The document's words, and the kernel's for what no document says."""

Problems = Mapping[ServiceKey | DestinationId, str]


@dataclass(frozen=True, slots=True)
class DestinationStatus:
    """``role``: ``real`` (with its ``health``), ``sorry``, or ``foreign`` to the document."""

    key: DestinationKey
    role: str
    health: str | None
    reason: str
    destination: Destination
    connections: Connections
    counters: Counters


@dataclass(frozen=True, slots=True)
class ServiceStatus:
    """One endpoint of a virtual service. ``present`` False: the kernel does not have it (``problems`` says why)."""

    virtual_service: str
    key: ServiceKey
    present: bool
    scheduler: str
    persistence: int
    counters: Counters
    destinations: tuple[DestinationStatus, ...]
    problems: tuple[str, ...]

    def plain(self) -> dict[str, Any]:
        """The form that ``vedette status -o json`` prints. ``persistence`` in seconds."""
        return {
            "virtualService": self.virtual_service,
            "endpoint": str(self.key),
            "present": self.present,
            "scheduler": self.scheduler,
            "persistence": self.persistence,
            "connections": self.counters.connections,
            "destinations": [_plain_destination(item) for item in self.destinations],
            "problems": list(self.problems),
        }


def status(
    spec: ClusterSpec, verdicts: Verdicts, observation: Observation, problems: Problems
) -> tuple[ServiceStatus, ...]:
    """One entry for each endpoint of the document, in its order."""
    reasons = by_service(problems)
    return tuple(
        _service(virtual, entry, verdicts, observation, reasons.get(key, ()))
        for virtual in spec.virtual_services
        for entry in virtual.entries
        for key in (service_key(entry),)
    )


def by_service(problems: Problems) -> dict[ServiceKey, tuple[str, ...]]:
    """The different reasons of each service and its destinations."""
    found: dict[ServiceKey, dict[str, None]] = {}
    for key, reason in problems.items():
        service = key.service if isinstance(key, DestinationId) else key
        found.setdefault(service, {})[reason] = None
    return {service: tuple(reasons) for service, reasons in found.items()}


def _service(
    virtual: VirtualService, entry: Entry, verdicts: Verdicts, observation: Observation, problems: tuple[str, ...]
) -> ServiceStatus:
    key = service_key(entry)
    service = observation.table.get(key)
    usage = observation.usage.get(key, Usage())
    return ServiceStatus(
        virtual_service=virtual.name,
        key=key,
        present=service is not None,
        scheduler=service.settings.scheduler if service else virtual.scheduler,
        persistence=service.settings.persistence if service else 0,
        counters=usage.counters,
        destinations=_destinations(virtual, entry, verdicts, service, usage) if service else (),
        problems=problems,
    )


def _destinations(
    virtual: VirtualService, entry: Entry, verdicts: Verdicts, service: Service, usage: Usage
) -> tuple[DestinationStatus, ...]:
    servers = {destination_key(entry, server): server for server in virtual.real_servers}
    sorry = sorry_key(virtual, entry, virtual.sorry) if virtual.sorry else None
    found = []
    for key in sorted(service.destinations, key=lambda key: (key.address.version, key.address.packed, key.port)):
        health, reason, role = None, "", "foreign"
        if key in servers:
            verdict = decisive(virtual, entry, servers[key], verdicts)
            health, reason, role = verdict.health.value, verdict.reason, "real"
        elif key == sorry:
            role = "sorry"
        moved = usage.destinations.get(key, DestinationUsage())
        found.append(
            DestinationStatus(key, role, health, reason, service.destinations[key], moved.connections, moved.counters)
        )
    return tuple(found)


def _plain_destination(item: DestinationStatus) -> dict[str, Any]:
    return {
        "address": str(item.key.address),
        "port": item.key.port,
        "endpoint": show_endpoint(item.key.address, item.key.port),
        "role": item.role,
        "health": item.health,
        "reason": item.reason,
        "weight": item.destination.weight,
        "forwarding": _METHODS[item.destination.method],
        "activeConnections": item.connections.active,
        "inactiveConnections": item.connections.inactive,
        "connections": item.counters.connections,
    }
