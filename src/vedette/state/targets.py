"""What must be checked to know whether a real server is up: the one place where both domains ask.

Every check of a virtual service becomes one :class:`Target` per real server and entry. Two entries, or two
virtual services, that check the same server in the same way yield equal targets, which are checked once.

A check whose port nobody wrote goes to the port that the traffic goes to. That fits TCP only: for a UDP or SCTP
endpoint it goes to the port of the service's TCP endpoint (the same number if there is one), and without any TCP
endpoint there is nothing to connect to: the check does not apply, and the server counts as up. Where a firewall mark
stands for several ports, it goes to the first TCP port that the service names.
"""

from collections.abc import Iterator
from dataclasses import replace

from vedette.spec.resolved import ClusterSpec, Entry, HealthCheck, Mark, Protocol, RealServer, VirtualService
from vedette.state.health import UNKNOWN, Health, Target, Verdict, Verdicts

UNCHECKED = Verdict(health=Health.UP, since=0, reason="no checks")
"""The verdict on a server that no check applies to."""

_GRAVITY = {Health.DOWN: 0, Health.UNKNOWN: 1, Health.UP: 2}


def targets(service: VirtualService, entry: Entry, server: RealServer) -> tuple[Target, ...]:
    """All that must be up for ``server`` to be up behind ``entry``; empty: it is always up."""
    found = []
    for check in service.checks:
        port = _port(service, entry, server, check)
        if port is not None:
            found.append(Target(check.address or server.address, port, _cleared(check)))
    return tuple(found)


def all_targets(spec: ClusterSpec) -> Iterator[Target]:
    """Every distinct target of the document, in its order."""
    seen: set[Target] = set()
    for service in spec.virtual_services:
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
    """The verdict that decides: down before unknown before up; :data:`UNCHECKED` where no check applies."""
    found = (verdicts.get(target, UNKNOWN) for target in targets(service, entry, server))
    return min(found, key=lambda verdict: _GRAVITY[verdict.health], default=UNCHECKED)


def likeness(target: Target) -> tuple[object, ...]:
    """What two targets share that differ only in their timings: the verdict on one is good for the other."""
    return target.address, target.port, target.check.probe


def _cleared(check: HealthCheck) -> HealthCheck:
    if check.address is None and check.port is None:
        return check
    return replace(check, address=None, port=None)


def _port(service: VirtualService, entry: Entry, server: RealServer, check: HealthCheck) -> int | None:
    if check.port is not None:
        return check.port
    over_tcp = [other.port for other in service.endpoints if other.protocol is Protocol.TCP and other.single]
    if isinstance(entry, Mark):
        return server.port or (over_tcp[0] if over_tcp else None)
    if entry.protocol is Protocol.TCP:
        return server.port or entry.port or (over_tcp[0] if over_tcp else None)
    if not over_tcp:
        return None
    return server.port or (entry.port if entry.port in over_tcp else over_tcp[0])
