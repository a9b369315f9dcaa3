"""What a drill may know before it starts: the document, the probes, and which wire carries what. Pure."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from vedette.kit.net import IPAddress
from vedette.lab.probes import Probe
from vedette.spec.resolved import (
    ClusterSpec,
    Group,
    HealthCheck,
    HttpProbe,
    Node,
    Protocol,
    RealServer,
    Role,
    SplitBrainPolicy,
    VirtualService,
)


@dataclass(frozen=True, slots=True)
class Ground:
    """``link_networks`` maps each heartbeat link to the network of the lab that carries it. ``client_networks`` are
    those through which clients come; ``inner_networks`` others on which the drilled group has addresses (the real
    servers' gateway); ``server_networks`` are those of the real servers."""

    spec: ClusterSpec
    probes: Sequence[Probe]
    link_networks: Mapping[str, str]
    client_networks: frozenset[str]
    inner_networks: frozenset[str] = frozenset()
    server_networks: frozenset[str] = frozenset()
    devices: frozenset[str] = frozenset()
    """The fencing devices that the lab stands in for."""

    @property
    def group(self) -> Group | None:
        """The group that the drills are about: the first that the client can reach."""
        reached = {probe.group for probe in self.probes}
        return next((group for group in self.spec.groups if group.name in reached), None)

    @property
    def witnesses(self) -> list[Node]:
        return [node for node in self.spec.nodes if node.role is Role.WITNESS]

    @property
    def directors(self) -> list[str]:
        return [node.name for node in self.spec.nodes if node.role is Role.DIRECTOR]

    @property
    def candidates(self) -> list[str]:
        """The nodes that may hold the drilled group."""
        if self.group is None:
            return []
        directors = {node.name for node in self.spec.nodes if node.role is Role.DIRECTOR and not node.standby}
        return [name for name in self.group.nodes if name in directors]

    @property
    def idle_links(self) -> list[str]:
        """The networks that carry heartbeats and nothing else."""
        busy = self.client_networks | self.inner_networks | self.server_networks
        return sorted(set(self.link_networks.values()) - busy)

    @property
    def services(self) -> list[VirtualService]:
        """The virtual services that the client tries."""
        tried = {probe.service for probe in self.probes}
        return [service for service in self.spec.virtual_services if service.name in tried]


Skip = Callable[[Ground], str | None]
"""Why a drill does not apply, fit for a person; None = it does."""


def needs_other_director(ground: Ground) -> str | None:
    """Somebody must be there to take over, and be allowed to."""
    if ground.group is None:
        return "the client reaches no group"
    if len(ground.candidates) < 2:
        return f"only one node may hold {ground.group.name}"
    if ground.spec.policy is SplitBrainPolicy.MAJORITY and len(ground.spec.voters) < 3:
        return "two voters have no majority when one is gone"
    return None


def needs_fencing(ground: Ground) -> str | None:
    """Nodes are switched off, and the lab can do it."""
    if ground.spec.policy is not SplitBrainPolicy.FENCE:
        return f"nobody is switched off: the policy is {ground.spec.policy.value}"
    for node in ground.spec.nodes:
        levels = node.fencing.levels if node.fencing is not None else ()
        if not any(all(use.device in ground.devices for use in level) for level in levels):
            return f"the lab has no stand-ins for the fencing devices of {node.name}"
    return needs_other_director(ground)


def needs_idle_director(ground: Ground) -> str | None:
    """Somebody who could take over holds nothing now."""
    reason = needs_other_director(ground)
    if reason is None and len(ground.spec.groups) > 1 and len(ground.candidates) < 3:
        return "every other director holds a group of its own"
    return reason


def needs_group(ground: Ground) -> str | None:
    return "the client reaches no group" if ground.group is None else None


def needs_witness(ground: Ground) -> str | None:
    if not ground.witnesses:
        return "the document has no witness"
    return needs_group(ground)


def needs_service(ground: Ground) -> str | None:
    return None if ground.services else "the document has no virtual service that the client reaches"


def usable(service: VirtualService) -> list[RealServer]:
    """The real servers that clients may be sent to."""
    return [server for server in service.real_servers if not server.maintenance and server.weight > 0]


def watched(ground: Ground) -> list[VirtualService]:
    """The TCP services whose real servers are checked."""
    return [
        service
        for service in ground.services
        if service.checks
        and usable(service)
        and all(check.address is None for check in service.checks)
        and any(point.protocol is Protocol.TCP for point in service.endpoints)
    ]


def asks(service: VirtualService) -> bool:
    """Whether a check of the service waits for an answer over HTTP, which a hung server cannot give."""
    return any(isinstance(check.probe, HttpProbe) for check in service.checks)


def minds(check: HealthCheck, status: int) -> bool:
    """Whether a check takes ``status`` for a failure."""
    probe = check.probe
    return isinstance(probe, HttpProbe) and not any(low <= status <= high for low, high in probe.statuses)


def users(ground: Ground, address: IPAddress) -> list[VirtualService]:
    """The services that send clients to a real server's address."""
    return [service for service in ground.services if any(server.address == address for server in service.real_servers)]
