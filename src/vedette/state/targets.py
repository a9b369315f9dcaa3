"""What must be checked to know whether a real server is up: the one place where both domains ask.

Every check of a virtual service becomes one :class:`Target` per real server and endpoint. Two endpoints, or two
virtual services, that check the same server in the same way yield equal targets, which are checked once.

A check of this node itself (a file, say) is one target, whatever servers ask for it. A check whose port nobody wrote
goes to the port that the traffic goes to. A check over TCP of a UDP or SCTP endpoint goes to the port of the service's
TCP endpoint (the same number if there is one), and without any TCP endpoint there is nothing to connect to: the check
does not apply, and the server counts as up. A check over UDP goes to the UDP endpoint likewise.
"""

from collections.abc import Iterator
from dataclasses import replace
from ipaddress import IPv4Address

from vedette.spec.probes import Arguments, ExecProbe, LocalProbe, PortlessProbe, asks_over_udp
from vedette.spec.resolved import ClusterSpec, Endpoint, HealthCheck, Protocol, RealServer, VirtualService
from vedette.state.health import UNKNOWN, Health, Target, Verdict, Verdicts

LOCAL = IPv4Address("127.0.0.1")
"""The address, with port 0, of a check that looks at this node and at no server."""

UNCHECKED = Verdict(health=Health.UP, since=0, reason="no checks")
"""The verdict on a server that no check applies to."""

_GRAVITY = {Health.DOWN: 0, Health.UNKNOWN: 1, Health.UP: 2}


def targets(service: VirtualService, endpoint: Endpoint, server: RealServer) -> tuple[Target, ...]:
    """All that must be up for ``server`` to be up behind ``endpoint``; empty: it is always up."""
    found = []
    for check in service.checks:
        if isinstance(check.probe, LocalProbe):
            found.append(Target(LOCAL, 0, _cleared(check)))
            continue
        port = _port(service, endpoint, server, check)
        if port is not None:
            address = check.address or server.address
            found.append(Target(address, port, _told(_cleared(check), endpoint)))
    return tuple(found)


def all_targets(spec: ClusterSpec) -> Iterator[Target]:
    """Every distinct target of the document, in its order."""
    seen: set[Target] = set()
    for service in spec.virtual_services:
        for endpoint in service.endpoints:
            for server in service.real_servers:
                for target in targets(service, endpoint, server):
                    if target not in seen:
                        seen.add(target)
                        yield target


def decisive(service: VirtualService, endpoint: Endpoint, server: RealServer, verdicts: Verdicts) -> Verdict:
    """The verdict that decides: down before unknown before up; :data:`UNCHECKED` where no check applies."""
    found = (verdicts.get(target, UNKNOWN) for target in targets(service, endpoint, server))
    return min(found, key=lambda verdict: _GRAVITY[verdict.health], default=UNCHECKED)


def _cleared(check: HealthCheck) -> HealthCheck:
    if check.address is None and check.port is None:
        return check
    return replace(check, address=None, port=None)


def _told(check: HealthCheck, endpoint: Endpoint) -> HealthCheck:
    """Tell a command which virtual service asks, if it wants to know: then it is run for each."""
    probe = check.probe
    if not isinstance(probe, ExecProbe) or probe.arguments is not Arguments.LDIRECTORD:
        return check
    return replace(check, probe=replace(probe, virtual_address=endpoint.address, virtual_port=endpoint.port))


def _port(service: VirtualService, endpoint: Endpoint, server: RealServer, check: HealthCheck) -> int | None:
    if check.port is not None:
        return check.port
    spoken = Protocol.UDP if asks_over_udp(check.probe) else Protocol.TCP
    if endpoint.protocol is spoken or isinstance(check.probe, PortlessProbe):
        return server.port or endpoint.port
    fitting = [other.port for other in service.endpoints if other.protocol is spoken]
    if not fitting:
        return None if spoken is Protocol.TCP else server.port or endpoint.port
    return server.port or (endpoint.port if endpoint.port in fitting else fitting[0])
