"""What the kernel's table looks like now, beside what the document and the verdicts say of it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from vedette.ipvs.desired import destination_key, service_key, sorry_key
from vedette.ipvs.leaving import Owned
from vedette.ipvs.lives import Lives
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
from vedette.ipvs.phases import Doing, Phase, QuorumState
from vedette.kit.net import IPAddress
from vedette.kit.net import endpoint as show_endpoint
from vedette.spec.resolved import ClusterSpec, Entry, Protocol, VirtualService
from vedette.state.health import Health, Verdicts
from vedette.state.targets import decisive, sorry_verdict

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
    """``role``: ``real`` or ``sorry`` (both with their ``health``), ``leaving`` (it drains, and the document does not
    have it), or ``foreign`` to the document. ``phase``: what is under way with it, if anything.
    """

    key: DestinationKey
    role: str
    health: str | None
    reason: str
    destination: Destination
    connections: Connections
    counters: Counters
    phase: Phase | None = None


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
    quorum: QuorumState
    out: Mapping[DestinationKey, Phase]

    def plain(self) -> dict[str, Any]:
        """The form that ``vedette status -o json`` prints. ``persistence`` in seconds, instants CLOCK_BOOTTIME ns.

        ``out``: servers that are not in the table, and why.
        """
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
            "quorum": {
                "state": self.quorum.condition.value,
                "up": self.quorum.up,
                "weight": self.quorum.weight,
                "hysteresis": self.quorum.hysteresis,
            },
            "out": [
                {"address": str(key.address), "port": key.port, "phase": _plain_phase(phase, None)}
                for key, phase in self.out.items()
            ],
        }


@dataclass(frozen=True, slots=True)
class LeavingStatus:
    """One destination of an entry of the kernel's table that the document does not have."""

    service: Owned
    destination: DestinationKey
    connections: Connections
    phase: Phase

    def plain(self) -> dict[str, Any]:
        """The form that ``vedette status -o json`` prints; instants CLOCK_BOOTTIME ns."""
        return {
            "name": self.service.name,
            "endpoint": str(self.service.service),
            "address": str(self.destination.address),
            "port": self.destination.port,
            "activeConnections": self.connections.active,
            "inactiveConnections": self.connections.inactive,
            "phase": _plain_phase(self.phase, self.connections),
        }


def status(
    spec: ClusterSpec, verdicts: Verdicts, observation: Observation, problems: Problems, lives: Lives
) -> tuple[ServiceStatus, ...]:
    """One entry for each endpoint of the document, in its order."""
    reasons = by_service(problems)
    return tuple(
        _service(virtual, entry, verdicts, observation, reasons.get(key, ()), lives)
        for virtual in spec.virtual_services
        for entry in virtual.entries
        for key in (service_key(entry),)
    )


def leaving_status(lives: Lives, observation: Observation) -> Iterator[LeavingStatus]:
    """Every destination that drains because its service has left the document, as far as the kernel still has it."""
    for owned, phases in lives.leaving():
        service, usage = observation.table.get(owned.service), observation.usage.get(owned.service, Usage())
        there = service.destinations if service is not None else {}
        for key, phase in phases.items():
            if key in there:
                moved = usage.destinations.get(key, DestinationUsage())
                yield LeavingStatus(owned, key, moved.connections, phase)


def by_service(problems: Problems) -> dict[ServiceKey, tuple[str, ...]]:
    """The different reasons of each service and its destinations."""
    found: dict[ServiceKey, dict[str, None]] = {}
    for key, reason in problems.items():
        service = key.service if isinstance(key, DestinationId) else key
        found.setdefault(service, {})[reason] = None
    return {service: tuple(reasons) for service, reasons in found.items()}


def sorry_problems(spec: ClusterSpec, verdicts: Verdicts) -> list[tuple[str, str]]:
    """Sorry servers elsewhere that are down, once for each service: it would be noticed too late otherwise."""
    found: dict[str, str] = {}
    for virtual in spec.virtual_services:
        for entry in virtual.entries:
            verdict = sorry_verdict(virtual, entry, verdicts)
            if verdict is not None and verdict.health is Health.DOWN and virtual.sorry and virtual.sorry.remote:
                where = sorry_key(virtual, entry, virtual.sorry)
                message = f"the sorry server {where} is down: {verdict.reason} (clients go there all the same)"
                found.setdefault(f"virtual service {virtual.name}", message)
    return list(found.items())


def _service(
    virtual: VirtualService,
    entry: Entry,
    verdicts: Verdicts,
    observation: Observation,
    problems: tuple[str, ...],
    lives: Lives,
) -> ServiceStatus:
    key = service_key(entry)
    phases = lives.phases(virtual, key)
    there: Mapping[DestinationKey, Destination] = (
        observation.table[key].destinations if key in observation.table else {}
    )
    service = observation.table.get(key)
    usage = observation.usage.get(key, Usage())
    return ServiceStatus(
        virtual_service=virtual.name,
        key=key,
        present=service is not None,
        ports=tuple(_ports(virtual)) if virtual.mark is not None else (),
        settings=service.settings if service else Settings(virtual.scheduler),
        counters=usage.counters,
        destinations=_destinations(virtual, entry, verdicts, service, usage, phases) if service else (),
        problems=problems,
        quorum=lives.quorum(virtual, key),
        out={name: phase for name, phase in phases.items() if name not in there},
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
    virtual: VirtualService,
    entry: Entry,
    verdicts: Verdicts,
    service: Service,
    usage: Usage,
    phases: Mapping[DestinationKey, Phase],
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
            if judged := sorry_verdict(virtual, entry, verdicts):
                health, reason = judged.health.value, judged.reason
        elif key in phases:
            role = "leaving"
        moved = usage.destinations.get(key, DestinationUsage())
        found.append(
            DestinationStatus(
                key,
                role,
                health,
                reason,
                service.destinations[key],
                moved.connections,
                moved.counters,
                phases.get(key),
            )
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
        "phase": _plain_phase(item.phase, item.connections) if item.phase is not None else None,
    }


def _plain_phase(phase: Phase, connections: Connections | None) -> dict[str, Any]:
    """A drain waits for what the kernel counts now."""
    left = phase.left
    if phase.doing is Doing.DRAINING and connections is not None:
        left = connections.active + connections.inactive + connections.persistent
    return {
        "state": phase.doing.value,
        "since": phase.since,
        "until": phase.until,
        "connectionsLeft": left,
        "penalty": round(phase.penalty, 2),
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
