"""Which endpoints the client tries, how, and how often: computed from the document, bounded for a small host."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from vedette.kit.net import IPAddress, endpoint
from vedette.kit.units import MILLISECOND, SECOND
from vedette.lab.attempts import Kind
from vedette.spec.resolved import ClusterSpec, Endpoint, Forwarding, HttpProbe, Protocol, VirtualService

FAST = 10 * MILLISECOND
"""Between two attempts through each VIP: the resolution of a measured outage."""
SLOW = 100 * MILLISECOND
"""Between two attempts at the other endpoints of a VIP."""
HELD = 50 * MILLISECOND
"""Between two exchanges on a long-lived connection."""
FAST_A_SECOND, SLOW_A_SECOND, HELD_A_SECOND = 400, 100, 200
"""Attempts a second, all together: what a host of two cores carries beside three machines; beyond, periods grow."""

_HTTP_PORTS = frozenset({80, 443, 3000, 8000, 8008, 8080, 8081, 8443, 8888, 9090})


@dataclass(frozen=True, slots=True)
class Probe:
    """One stream of attempts. ``held`` is the period of exchanges on a long-lived connection, 0 = none.

    ``http`` says that the endpoint speaks HTTP; ``host`` and ``path`` are those of the service's own check.
    ``service`` is empty for a VIP without one, which is pinged.
    """

    kind: Kind
    address: IPAddress
    port: int
    group: str
    service: str
    period: int
    held: int = 0
    http: bool = False
    host: str = ""
    path: str = "/"

    @property
    def label(self) -> str:
        if self.kind is Kind.PING:
            return f"{self.address} ping"
        suffix = "/udp" if self.kind is Kind.DATAGRAM else ""
        return endpoint(self.address, self.port) + suffix


def plan(spec: ClusterSpec, *, reachable: Iterable[IPAddress] | None = None) -> tuple[Probe, ...]:
    """The probes of a document, those through each VIP first; ``reachable`` None = every VIP is."""
    wanted = None if reachable is None else frozenset(reachable)
    first: dict[IPAddress, Probe] = {}
    rest: list[Probe] = []
    for service in spec.virtual_services:
        for point in service.endpoints:
            if point.port == 0 or untried(service) or service.maintenance:
                continue
            if wanted is not None and point.address not in wanted:
                continue
            probe = _probe(service, point)
            if probe.kind is Kind.REQUEST and first.setdefault(point.address, probe) is probe:
                continue
            rest.append(probe)
    served = first.keys() | {probe.address for probe in rest}
    rest += [
        Probe(Kind.PING, address.address, 0, group.name, "", SLOW)
        for group in spec.groups
        for address in group.addresses
        if address.address not in served and (wanted is None or address.address in wanted)
    ]
    return (*_paced(first, rest),)


def untried(service: VirtualService) -> str | None:
    """Why the client of a lab does not try a service; None = it does."""
    if service.forwarding is Forwarding.TUNNEL:
        return "the stand-in servers open no tunnels"
    if not service.endpoints:
        return "nobody sets its firewall mark here"
    if all(point.port == 0 for point in service.endpoints):
        return "no port of it is known"
    return None


def _probe(service: VirtualService, point: Endpoint) -> Probe:
    http = next((check.probe for check in service.checks if isinstance(check.probe, HttpProbe)), None)
    kind = Kind.DATAGRAM if point.protocol is Protocol.UDP else Kind.REQUEST
    return Probe(
        kind=kind,
        address=point.address,
        port=point.port,
        group=service.group,
        service=service.name,
        period=FAST,
        http=kind is Kind.REQUEST and (http is not None or point.port in _HTTP_PORTS),
        host="" if http is None or http.host is None else http.host,
        path="/" if http is None else http.path,
    )


def _paced(first: Mapping[IPAddress, Probe], rest: list[Probe]) -> Iterable[Probe]:
    """Give each probe its period. Datagrams are cheap and the only view of a VIP without TCP: those stay fast."""
    lonely = {probe.address: index for index, probe in reversed(list(enumerate(rest))) if probe.address not in first}
    alone = [rest[index] for index in sorted(lonely.values())]
    others = [probe for index, probe in enumerate(rest) if index not in set(lonely.values())]
    primary = [*first.values(), *alone]
    fast = max(FAST, len(primary) * SECOND // FAST_A_SECOND)
    slow = max(SLOW, len(others) * SECOND // SLOW_A_SECOND)
    held = max(HELD, len(first) * SECOND // HELD_A_SECOND)
    for probe in primary:
        yield replace(probe, period=fast, held=held if probe.kind is Kind.REQUEST else 0)
    for probe in others:
        yield replace(probe, period=slow)
