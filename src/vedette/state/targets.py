"""What must be checked to know whether a real server is up: the one place where both domains ask.

Every check of a virtual service becomes one :class:`Target` per real server and entry. Two entries, or two
virtual services, that check the same server in the same way yield equal targets, which are checked once.

A check whose port nobody wrote goes to the port that the traffic goes to. What is spoken over TCP fits a TCP endpoint
only: for a UDP or SCTP endpoint it goes to the port of the service's TCP endpoint (the same number if there is one),
and without any TCP endpoint there is nothing to connect to: the check does not apply. A UDP check goes by the UDP
endpoints likewise. Where a firewall mark stands for several ports, it goes to the first such port that the service
names. A ping has no port, and applies always. A check through the service goes to the service's own address and port,
and bears the mark of the server's path (:mod:`vedette.state.paths`). A check of this node itself (a file, say) is one
target, whatever servers ask for it, unless the file's name has the server's address in it. A server that no check
applies to counts as up.
"""

from collections.abc import Container, Iterable, Iterator
from dataclasses import replace
from ipaddress import IPv4Address

from vedette.spec.entrance import entrance, spoken
from vedette.spec.probes import SERVER, Arguments, ExecProbe, FileProbe, LocalProbe, PortlessProbe
from vedette.spec.resolved import (
    ClusterSpec,
    Entry,
    Forwarding,
    HealthCheck,
    Mark,
    PingProbe,
    RealServer,
    Via,
    VirtualService,
)
from vedette.state.health import UNKNOWN, Behind, Health, Target, Verdict, Verdicts

LOCAL = IPv4Address("127.0.0.1")
"""The address, with port 0, of a check that looks at this node and at no server."""

UNCHECKED = Verdict(health=Health.UP, since=0, reason="no checks")
"""The verdict on a server that no check applies to."""

ASSUMED = Verdict(health=Health.UP, since=0, reason="not checked yet: taken to be up (checksOnStandby: false)")
"""The verdict on a server that the holder of the group alone checks, where another node is that: a takeover begins with
all servers. Whoever holds it has targets, undecided at first, and then what is there stays."""

_GRAVITY = {Health.DOWN: 0, Health.UNKNOWN: 1, Health.UP: 2}


def targets(service: VirtualService, entry: Entry, server: RealServer) -> tuple[Target, ...]:
    """All that is checked of ``server`` behind ``entry``; empty: it is always up."""
    found = []
    for check in service.checks:
        if isinstance(check.probe, LocalProbe):
            found.append(Target(LOCAL, 0, _placed(_cleared(check), server)))
            continue
        if check.via is Via.SERVICE:
            found += _through(service, entry, server, check)
            continue
        port = _port(service, entry, server, check)
        if port is not None:
            address = check.address or server.address
            found.append(Target(address, port, _told(_cleared(check), service, entry)))
    return tuple(found)


def _through(service: VirtualService, entry: Entry, server: RealServer, check: HealthCheck) -> Iterator[Target]:
    place = entrance(service.endpoints, entry, check.probe, check.port)
    if place is not None:
        near = service.forwarding is Forwarding.DIRECT_ROUTING
        yield Target(*place, _cleared(check), Behind(server.address, server.path, near))


def all_targets(spec: ClusterSpec, held: Container[str] | None = None) -> Iterator[Target]:
    """Every distinct target of the document, in its order.

    ``held``: the groups that this node holds, None = all; servers of the others are left out where the document has
    them checked by the holder only.
    """
    seen: set[Target] = set()
    for service in spec.virtual_services:
        if not (service.checks_on_standby or held is None or service.group in held):
            continue
        for entry in service.entries:
            for server in service.real_servers:
                for target in targets(service, entry, server):
                    if target not in seen:
                        seen.add(target)
                        yield target
            for target in sorry_targets(service, entry):
                if target not in seen:
                    seen.add(target)
                    yield target


def passable(targets: Iterable[Target], led: Container[int]) -> list[Target]:
    """Those that may be checked while the marks ``led`` lead to their servers: a check through a service whose mark
    leads nowhere would go to any server, and find that one well."""
    return [target for target in targets if target.behind is None or target.behind.mark in led]


def barred_targets(targets: Iterable[Target], *, led: Container[int], barred: Container[int]) -> list[Target]:
    """Those that may not be checked before a person acts: their marks lead nowhere, and are ``barred``."""
    behind = ((target, target.behind.mark) for target in targets if target.behind is not None)
    return [target for target, mark in behind if mark not in led and mark in barred]


def entries_of(spec: ClusterSpec, chosen: Container[Target]) -> list[Entry]:
    """The entries that have a real server which any of the ``chosen`` targets decides on."""
    return [
        entry
        for service in spec.virtual_services
        for entry in service.entries
        if any(target in chosen for server in service.real_servers for target in targets(service, entry, server))
    ]


def sorry_targets(service: VirtualService, entry: Entry) -> tuple[Target, ...]:
    """What is checked of a sorry server elsewhere; Vedette's own page is not checked."""
    sorry = service.sorry
    if sorry is None or sorry.remote is None:
        return ()
    return targets(replace(service, checks=sorry.checks), entry, sorry.remote)


def sorry_verdict(service: VirtualService, entry: Entry, verdicts: Verdicts) -> Verdict | None:
    """The verdict on a sorry server elsewhere; None where there is none, or its page is Vedette's own."""
    sorry = service.sorry
    if sorry is None or sorry.remote is None:
        return None
    return decisive(replace(service, checks=sorry.checks), entry, sorry.remote, verdicts)


def decisive(service: VirtualService, entry: Entry, server: RealServer, verdicts: Verdicts) -> Verdict:
    """The verdict that decides: as many must be up as the service wants.

    :data:`UNCHECKED` where no check applies, :data:`ASSUMED` where this node does not check it and that is meant so.

    Of the verdicts, worst first, the n-th from the end of those wanted decides: it is up when enough are, and down
    when too many are for that ever to be so. Where all are wanted, that is the worst one.
    """
    asked = targets(service, entry, server)
    if not asked:
        return UNCHECKED
    if not service.checks_on_standby and not any(target in verdicts for target in asked):
        return ASSUMED
    found = [verdicts.get(target, UNKNOWN) for target in asked]
    found.sort(key=lambda verdict: _GRAVITY[verdict.health])
    return found[-min(service.checks_required or len(found), len(found))]


def likeness(target: Target) -> tuple[object, ...]:
    """What two targets share that differ only in their timings: the verdict on one is good for the other."""
    check = target.check
    return target.address, target.port, target.behind, check.probe, check.source, check.mark


def _cleared(check: HealthCheck) -> HealthCheck:
    if check.address is None and check.port is None:
        return check
    return replace(check, address=None, port=None)


def _placed(check: HealthCheck, server: RealServer) -> HealthCheck:
    """A file of this node whose name has the real server's address in it is another one for each."""
    probe = check.probe
    if not isinstance(probe, FileProbe) or SERVER not in probe.path:
        return check
    return replace(check, probe=replace(probe, path=probe.path.replace(SERVER, str(server.address))))


def _told(check: HealthCheck, service: VirtualService, entry: Entry) -> HealthCheck:
    """Tell a command which virtual service asks, if it wants to know: then it is run for each.

    Of a firewall mark it is told the first address, if the mark is ours and there is one.
    """
    probe = check.probe
    if not isinstance(probe, ExecProbe) or probe.arguments is not Arguments.LDIRECTORD:
        return check
    endpoint = next(iter(service.endpoints), None) if isinstance(entry, Mark) else entry
    if endpoint is None:
        return replace(check, probe=replace(probe, virtual_address=IPv4Address(0), virtual_port=0))
    return replace(check, probe=replace(probe, virtual_address=endpoint.address, virtual_port=endpoint.port))


def _port(service: VirtualService, entry: Entry, server: RealServer, check: HealthCheck) -> int | None:
    if isinstance(check.probe, PingProbe):
        return 0
    if check.port is not None:
        return check.port
    portless = isinstance(check.probe, PortlessProbe)
    protocol = spoken(check.probe)
    fitting = [other.port for other in service.endpoints if other.single and (portless or other.protocol is protocol)]
    first = fitting[0] if fitting else None
    if isinstance(entry, Mark):
        return server.port or first or (0 if portless else None)
    if entry.protocol is protocol or portless:
        return server.port or entry.port or first or (0 if portless else None)
    if first is None:
        return None
    return server.port or (entry.port if entry.port in fitting else first)
