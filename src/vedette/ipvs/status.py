"""What the kernel's table looks like now, beside what the document and the verdicts say of it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from vedette.ipvs.desired import destination_key, service_key, sorry_key
from vedette.ipvs.model import (
    Checksum,
    Connections,
    Counters,
    Destination,
    DestinationId,
    DestinationKey,
    DestinationUsage,
    Flags,
    MarkKey,
    Method,
    Observation,
    Service,
    ServiceKey,
    Settings,
    Usage,
)
from vedette.kit.net import IPAddress
from vedette.kit.net import endpoint as show_endpoint
from vedette.spec.resolved import ClusterSpec, Entry, Protocol, VirtualService
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

_FLAGS = {Flags.FALLBACK: "fallback", Flags.PORT: "port"}

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
    """One entry of a virtual service. ``present`` False: the kernel does not have it (``problems`` says why).

    ``ports`` are what a mark of ours stands for.
    """

    virtual_service: str
    key: ServiceKey
    ports: tuple[str, ...]
    present: bool
    settings: Settings
    counters: Counters
    destinations: tuple[DestinationStatus, ...]
    problems: tuple[str, ...]

    def plain(self) -> dict[str, Any]:
        """The form that ``vedette status -o json`` prints. ``persistence`` in seconds."""
        return {
            "virtualService": self.virtual_service,
            "endpoint": f"{', '.join(self.ports)} by {self.key}" if self.ports else str(self.key),
            "firewallMark": self.key.mark if isinstance(self.key, MarkKey) else None,
            "present": self.present,
            "scheduler": self.settings.scheduler,
            "schedulerFlags": [word for flag, word in _FLAGS.items() if flag in self.settings.flags],
            "onePacketScheduling": Flags.ONE_PACKET in self.settings.flags,
            "persistence": self.settings.persistence,
            "clientPrefixLength": self.settings.granularity,
            "persistenceEngine": self.settings.engine or None,
            **_plain_counters(self.counters),
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
        ports=tuple(_ports(virtual)) if virtual.mark is not None else (),
        settings=service.settings if service else Settings(virtual.scheduler),
        counters=usage.counters,
        destinations=_destinations(virtual, entry, verdicts, service, usage) if service else (),
        problems=problems,
    )


def _ports(virtual: VirtualService) -> Iterator[str]:
    """What a mark stands for, an address and a protocol at a time: ``tcp 203.0.113.80:80,443``."""
    found: dict[tuple[IPAddress, Protocol], list[str]] = {}
    for item in virtual.endpoints:
        last = "" if item.last_port is None else f"-{item.last_port}"
        found.setdefault((item.address, item.protocol), []).append(f"{item.port}{last}" if item.port else "any")
    for (address, protocol), ports in found.items():
        where = address if address.version == 4 else f"[{address}]"
        yield f"{protocol.value} {where}:{','.join(ports)}"


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
        "tunnel": _plain_tunnel(item.destination),
        "maxConnections": item.destination.upper or None,
        "minConnections": item.destination.lower or None,
        "activeConnections": item.connections.active,
        "inactiveConnections": item.connections.inactive,
        "persistentConnections": item.connections.persistent,
        **_plain_counters(item.counters),
    }


def _plain_tunnel(destination: Destination) -> dict[str, Any] | None:
    if destination.method is not Method.TUNNEL:
        return None
    tunnel = destination.tunnel
    words = {Checksum.REMOTE: "remote", Checksum.FULL: "full"}
    checksum = next((word for flag, word in words.items() if flag in tunnel.checksum), "none")
    return {"type": tunnel.encapsulation.name.lower(), "port": tunnel.port or None, "checksum": checksum}


def _plain_counters(counters: Counters) -> dict[str, int]:
    """Since the entry was made; the kernel counts to 2 to the power of 64."""
    return {
        "connections": counters.connections,
        "packetsIn": counters.packets_in,
        "packetsOut": counters.packets_out,
        "bytesIn": counters.bytes_in,
        "bytesOut": counters.bytes_out,
    }
