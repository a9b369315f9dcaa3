"""Checks through the service (``via: service``): what cannot be, and what to write instead."""

from collections.abc import Sequence

from vedette.spec.entrance import entrance, includes, spoken
from vedette.spec.model import balancing, checks
from vedette.spec.probes import LocalProbe, PortlessProbe
from vedette.spec.resolve.scope import Scope
from vedette.spec.resolved import Endpoint, Forwarding, HealthCheck, PingProbe, Probe, Protocol, RealServer, Via
from vedette.spec.tree import Path

_DIRECT = "leave `via` out"
SHOWN = 8
"""So many ports are named."""


def check_alone(scope: Scope, written: checks.Probe, merged: HealthCheck, path: Path) -> None:
    """Report what a check has beside ``via: service`` that contradicts it; each layer for what is written in it."""
    if merged.via is not Via.SERVICE:
        return
    if written.via is not None and _goes_nowhere(merged.probe):
        scope.fault((*path, "via"), "this kind of check does not go through a service", _DIRECT, at_key=True)
    clashes = (("address", merged.address is not None), ("firewallMark", bool(merged.mark)))
    for key, there in clashes:
        here = key if getattr(written, "address" if key == "address" else "firewall_mark") is not None else "via"
        if there and (here != "via" or written.via is not None):
            message = f"`via: service` and `{key}` exclude each other: Vedette chooses where the check goes"
            scope.fault((*path, here), message, "keep one of them", at_key=True)


def check_within(
    scope: Scope,
    service: balancing.VirtualService,
    found: Sequence[HealthCheck],
    endpoints: Sequence[Endpoint],
    servers: Sequence[RealServer],
    forwarding: Forwarding,
    path: Path,
) -> None:
    """Report checks through a service that has no way for them. ``path``: of the service."""
    for index, check in enumerate(found):
        if check.via is not Via.SERVICE or _goes_nowhere(check.probe):
            continue
        if service.firewall_mark is None and not endpoints:
            continue  # the fault is the service's, and reported there
        fault = (
            _of_forwarding(check, forwarding)
            or _of_port(check, endpoints)
            or _of_source(check, endpoints, servers, forwarding)
        )
        if fault is not None:
            scope.fault((*path, "checks", index), *fault)


def check_sorry(scope: Scope, found: Sequence[HealthCheck], path: Path) -> None:
    """Report checks of a sorry server that would go through the service, where it stands in only when all is down."""
    for index, check in enumerate(found):
        if check.via is Via.SERVICE:
            scope.fault((*path, index), "a sorry server is not checked through the service", _DIRECT)


def _goes_nowhere(probe: Probe) -> bool:
    return isinstance(probe, PingProbe | LocalProbe | PortlessProbe)


def _of_forwarding(check: HealthCheck, forwarding: Forwarding) -> tuple[str, str] | None:
    if forwarding is not Forwarding.MASQUERADE or spoken(check.probe) is Protocol.TCP:
        return None
    message = "masqueraded servers are not asked over UDP through the service"
    return message, f"{_DIRECT}: a direct check goes the same way"


def _of_port(check: HealthCheck, endpoints: Sequence[Endpoint]) -> tuple[str, str] | None:
    if not endpoints:
        return "the service is a mark of other people's, so it has no address to check", _DIRECT
    protocol = spoken(check.probe)
    fitting = [item for item in endpoints if item.protocol is protocol]
    name = protocol.value.upper()
    if not fitting:
        return f"the service has no {name} port to check through", _DIRECT
    if check.port is None:
        if any(entrance(endpoints, item, check.probe, None) for item in endpoints):
            return None
        return "nothing says which port of the service to check", "add `port`, one of the service's"
    if any(includes(item, check.port) for item in fitting):
        return None
    ports = [f"{item.port}-{item.last_port}" if item.last_port else str(item.port) for item in fitting]
    shown = ", ".join([*dict.fromkeys(ports)][:SHOWN])
    return f"the service has no {name} port {check.port} to check through", f"write {shown}, or {_DIRECT}"


def _of_source(
    check: HealthCheck, endpoints: Sequence[Endpoint], servers: Sequence[RealServer], forwarding: Forwarding
) -> tuple[str, str] | None:
    """A tunnel into the other family: the way to the server has no address of the family of the check."""
    if forwarding is not Forwarding.TUNNEL:
        return None
    for version in sorted({item.address.version for item in endpoints}):
        other = any(server.address.version != version for server in servers)
        if other and not any(source.version == version for source in check.source):
            message = f"nothing says which IPv{version} address to check from: the servers have the other family"
            return message, "add `sourceAddress`"
    return None
