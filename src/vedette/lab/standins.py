"""What the stand-ins for real servers must offer so that a document's services and checks work. Pure."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from vedette.kit.net import IPAddress
from vedette.lab import samples
from vedette.lab.topology import Listener, Page
from vedette.spec.resolved import (
    ClusterSpec,
    Forwarding,
    HealthCheck,
    HttpProbe,
    PingProbe,
    Protocol,
    RealServer,
    UdpProbe,
    VirtualService,
)


@dataclass(slots=True)
class StandIn:
    """All that the document expects of one address."""

    masqueraded: bool = False
    virtual: list[IPAddress] = field(default_factory=list)
    listeners: set[Listener] = field(default_factory=set)
    pages: list[Page] = field(default_factory=list)
    strange: set[str] = field(default_factory=set)
    """What its checks ask for, and stand-ins do not have."""


def of(spec: ClusterSpec) -> dict[IPAddress, StandIn]:
    """Collect what each real server, sorry server and checked address must offer."""
    found: dict[IPAddress, StandIn] = {}
    taken = {node.address for node in spec.nodes} | {vip.address for group in spec.groups for vip in group.addresses}
    for service in spec.virtual_services:
        for server in _servers(service):
            _serve(found.setdefault(server.address, StandIn()), service, server)
        for check in service.checks:
            checked = [check.address] if check.address is not None else [item.address for item in service.real_servers]
            for address in checked:
                if address not in taken and not address.is_loopback:
                    _pass(found.setdefault(address, StandIn()), address, service, check)
    return found


def addresses_of(service: VirtualService) -> set[IPAddress]:
    """The addresses that the service sends clients to."""
    return {server.address for server in _servers(service)}


def _servers(service: VirtualService) -> Iterator[RealServer]:
    yield from service.real_servers
    if service.sorry is not None and service.sorry.remote is not None:
        yield service.sorry.remote


def _serve(stand_in: StandIn, service: VirtualService, server: RealServer) -> None:
    if service.forwarding is Forwarding.MASQUERADE:
        stand_in.masqueraded = True
    for endpoint in service.endpoints:
        if endpoint.protocol is not Protocol.SCTP and (server.port or endpoint.port):
            stand_in.listeners.add(Listener(server.port or endpoint.port, endpoint.protocol.value))
        if service.forwarding is not Forwarding.MASQUERADE and endpoint.address not in stand_in.virtual:
            stand_in.virtual.append(endpoint.address)


def _pass(stand_in: StandIn, address: IPAddress, service: VirtualService, check: HealthCheck) -> None:
    ports = {check.port} if check.port is not None else {server.port for server in service.real_servers}
    spoken = Protocol.UDP if isinstance(check.probe, UdpProbe) else Protocol.TCP
    for port in () if isinstance(check.probe, PingProbe) else ports:
        numbers = {port} if port is not None else {endpoint.port for endpoint in service.endpoints if endpoint.port}
        stand_in.listeners |= {Listener(number, spoken.value) for number in numbers}
    stand_in.strange |= set(_strange(check))
    for request in check.probe.requests if isinstance(check.probe, HttpProbe) else ():
        page = Page(request.path, request.statuses[0][0], _body(address, request.body))
        if page not in stand_in.pages:
            stand_in.pages.append(page)


def _strange(check: HealthCheck) -> Iterator[str]:
    probe = check.probe
    if isinstance(probe, HttpProbe):
        if probe.version == "2":
            yield "it does not speak HTTP/2"
        if probe.tls is not None and probe.tls.verify and probe.tls.ca_file is None:
            yield "its certificate is not one that the system trusts (name a `caFile`)"
        if any(request.digest for request in probe.requests):
            yield "its pages have another digest"
    elif isinstance(probe, UdpProbe) and probe.expect and not re.search(probe.expect, probe.send.decode("latin-1")):
        yield "it answers datagrams with what they say"


def _body(address: IPAddress, pattern: str | None) -> str | None:
    """A page that says who answers and satisfies the check, or only the latter; None when that is too difficult."""
    own = f"{address}\n"
    if pattern is None:
        return own
    text = samples.sample(pattern)
    if text is None:
        return None
    return next((page for page in (f"{text}\n{own}", f"{own}{text}\n") if re.search(pattern, page)), text)
