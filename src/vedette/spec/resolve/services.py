"""Virtual services: settings with their defaults, endpoints and real servers brought together."""

from collections.abc import Sequence
from dataclasses import replace
from ipaddress import IPv4Address
from itertools import groupby
from typing import Any

from vedette.kit.net import endpoint
from vedette.spec import defaults, hosts, values
from vedette.spec.model import balancing as model
from vedette.spec.probes import LocalProbe, PortlessProbe
from vedette.spec.resolve import paths, persistence, tunnels
from vedette.spec.resolve.checks import Checks
from vedette.spec.resolve.endpoints import Listening
from vedette.spec.resolve.groups import AddressBook
from vedette.spec.resolve.life import DEFAULTS, Lives, check_weights
from vedette.spec.resolve.marks import Marks
from vedette.spec.resolve.persistence import Persistence
from vedette.spec.resolve.requests import check_headers
from vedette.spec.resolve.scope import SERVICES, DeviceFiles, Scope
from vedette.spec.resolve.servers import Pools, Servers
from vedette.spec.resolved import (
    Endpoint,
    Forwarding,
    Group,
    HealthCheck,
    OnFailure,
    PingProbe,
    Protocol,
    RealServer,
    SorryPage,
    SorryServer,
    Via,
    VirtualService,
)
from vedette.spec.tree import Path

_EVERY_PORT = Endpoint(IPv4Address(0), 0, Protocol.TCP)
MOST_DESTINATIONS = 1 << 18
"""Entries of the kernel's table: endpoints times real servers, over all services."""


class Services:
    """Resolves all virtual services of a document."""

    def __init__(self, scope: Scope, groups: Sequence[Group], book: AddressBook, files: DeviceFiles) -> None:
        self._scope = scope
        self._checks = Checks(scope, files, book.by_address)
        self._default_check = (self._checks.default(),)
        self._virtual = book.by_address
        self._pools = Pools(scope, book.by_address)
        self._listening = Listening(scope, groups, book)
        self._marks = Marks(scope)
        shared = scope.spec.defaults.virtual_services if scope.spec.defaults else None
        self._defaults = shared or model.ServiceSettings.model_construct()
        self._lives = Lives(scope, self._defaults)

    def resolve(self) -> tuple[VirtualService, ...]:
        services: list[VirtualService] = []
        destinations = 0
        for index, written in enumerate(self._scope.spec.virtual_services or ()):
            found = self._service(written, (*SERVICES, index))
            services.extend(found)
            destinations += sum(len(service.entries) * len(service.real_servers) for service in found)
            if destinations > MOST_DESTINATIONS:
                message = f"more than {MOST_DESTINATIONS} destinations (ports × addresses × real servers)"
                self._scope.fault((*SERVICES, index), message, "write fewer")
                break
        return tuple(services)

    def _service(self, written: model.VirtualService, path: Path) -> list[VirtualService]:
        group, endpoints = self._listening.resolve(written, path)
        servers = self._pools.of(written, path)
        settings = self._settings(written, endpoints, path)
        self._check_ports(written, endpoints, servers, settings["forwarding"], path)
        name = written.name or (_name(endpoints[0]) if endpoints else f"mark {written.firewall_mark}")
        families = self._families(group, endpoints, servers, settings["forwarding"])
        lasting = self._persistence(written, endpoints, families, path)
        service = VirtualService(
            name=name,
            group=group,
            endpoints=endpoints,
            real_servers=servers.servers,
            names=servers.names,
            checks=self._service_checks(written, endpoints, servers, settings["forwarding"], path),
            checks_required=self._checks_required(written, path),
            sorry=self._sorry(written, settings["forwarding"], endpoints, path),
            maintenance=bool(written.maintenance),
            mark=self._marks.of(written, name, endpoints, lasting, path),
            persistence_timeout=lasting.timeout,
            persistence_engine=lasting.engine,
            **settings,
        )
        check_weights(self._scope, service, path)
        return self._by_family(service, servers, families, lasting, path)

    def _settings(self, written: model.VirtualService, endpoints: Sequence[Endpoint], path: Path) -> dict[str, Any]:
        scheduler = self._first(written, "scheduler") or defaults.SCHEDULER
        inherits = written.scheduler is None
        flags = written.scheduler_flags or (self._defaults.scheduler_flags if inherits else None) or ()
        if flags and scheduler not in ("sh", "mh") and self._scope.sound((*path, "scheduler")):
            remedy = "leave them out, or write `scheduler: mh`"
            self._scope.fault((*path, "schedulerFlags"), f"the scheduler `{scheduler}` has no flags", remedy)
        forwarding = Forwarding(self._first(written, "forwarding") or "masquerade")
        return {
            "scheduler": scheduler,
            "scheduler_flags": tuple(sorted(set(flags))),
            "forwarding": forwarding,
            "tunnel": tunnels.resolve(self._scope, written, self._defaults, forwarding, path),
            "one_packet": self._one_packet(written, forwarding, endpoints, path),
            "on_failure": OnFailure(self._first(written, "on_failure") or "remove"),
            "life": self._lives.of(written, path),
            "checks_on_standby": self._first(written, "checks_on_standby") is not False,
        }

    def _persistence(
        self, written: model.VirtualService, endpoints: Sequence[Endpoint], families: Sequence[int], path: Path
    ) -> Persistence:
        above = ("spec", "defaults", "virtualServices") if written.persistence is None else path
        wanted = self._first(written, "persistence")
        return persistence.resolve(self._scope, wanted, endpoints, families, (*above, "persistence"))

    def _one_packet(
        self, written: model.VirtualService, forwarding: Forwarding, endpoints: Sequence[Endpoint], path: Path
    ) -> bool:
        if not self._first(written, "one_packet_scheduling"):
            return False
        here = (*path, "onePacketScheduling")
        if endpoints and not any(item.protocol is Protocol.UDP for item in endpoints):
            if written.one_packet_scheduling:
                message = "one-packet scheduling is for UDP, and this service has none"
                self._scope.fault(here, message, "leave it out, or write a port like 53/udp", at_key=True)
            return False
        lasting = self._first(written, "persistence")
        if forwarding is Forwarding.MASQUERADE and (lasting is None or lasting.engine is None):
            message = "answers of masqueraded servers to single packets are not translated, so no client gets them"
            remedy = "use `forwarding: directRouting` or `tunnel`, unless the protocol has no answers"
            self._scope.findings.warn(path, message, remedy)
        return True

    def _first(self, written: model.VirtualService, name: str) -> Any:
        """Return what is written here, or else in defaults.virtualServices."""
        value = getattr(written, name)
        return getattr(self._defaults, name) if value is None else value

    def _service_checks(
        self,
        written: model.VirtualService,
        endpoints: Sequence[Endpoint],
        servers: Servers,
        forwarding: Forwarding,
        path: Path,
    ) -> tuple[HealthCheck, ...]:
        known = _has_port_to_check(endpoints, servers)
        if written.checks is None:
            if not known and (endpoints or written.firewall_mark is not None):
                self._scope.findings.warn(
                    path,
                    "no check: the service does not say which port of its servers to connect to",
                    "write one, like `checks: [{tcp: {}, port: 22}]`, or `checks: []` if none is meant",
                )
                return ()
            if endpoints and not any(item.protocol is Protocol.TCP for item in endpoints):
                self._scope.findings.warn(
                    path,
                    "no check: a TCP connect says nothing about UDP or SCTP",
                    "write one, like `checks: [{ping: {}}]`, or `checks: []` if none is meant",
                )
                return ()
            return self._default_check if self._scope.sound((*path, "checks")) else ()
        checks = self._checks.resolve(written.checks, (*path, "checks"))
        paths.check_within(self._scope, written, checks, endpoints, servers.servers, forwarding, path)
        for index, check in enumerate(written.checks):
            direct = index < len(checks) and checks[index].via is Via.DIRECT
            if not known and direct and _lacks_a_port(checks[index]):
                message = "nothing says which port of the servers to check"
                self._scope.fault((*path, "checks", index), message, "add `port: 80`")
            if check.http is not None and check.port is None and any(item.port == 443 for item in endpoints):
                message = "plain HTTP is spoken to port 443 too, which servers with TLS refuse"
                self._scope.findings.warn((*path, "checks", index), message, "say the `port` to check")
            if check.https is not None and check.port is None and any(item.port == 80 for item in endpoints):
                message = "HTTPS is spoken to port 80 too, where servers do without TLS"
                self._scope.findings.warn((*path, "checks", index), message, "say the `port` to check")
        return checks

    def _checks_required(self, written: model.VirtualService, path: Path) -> int:
        number, checks = written.checks_required, 1 if written.checks is None else len(written.checks)
        if number is not None and number > checks and self._scope.sound((*path, "checks")):
            message = f"{number} of {checks} checks can never pass"
            self._scope.fault((*path, "checksRequired"), message, "write a smaller number, or more `checks`")
        return number or 0

    def _check_ports(
        self,
        written: model.VirtualService,
        endpoints: Sequence[Endpoint],
        servers: Servers,
        forwarding: Forwarding,
        path: Path,
    ) -> None:
        """Report real servers' ports that the forwarding cannot reach, and servers that become the same."""
        for name in servers.names:
            if forwarding is not Forwarding.MASQUERADE and name.port and any(i.port != name.port for i in endpoints):
                message = f"{forwarding.value} cannot change the port: {name.name} gets port {name.port}"
                self._scope.fault(path, message, "leave `port` out, or use `forwarding: masquerade`")
        if all(server.port is None for server in servers.servers):
            return
        ports = sorted({item.port if item.single else 0 for item in endpoints}) or [0]
        seen: dict[tuple[object, int, int], int | None] = {}
        for number, server in enumerate(servers.servers):
            where = path if servers.shared else (*servers.place(number), "port")
            if forwarding is not Forwarding.MASQUERADE and server.port and any(port != server.port for port in ports):
                message = f"{forwarding.value} cannot change the port: {server.address} gets port {server.port}"
                self._scope.fault(where, message, "leave `port` out, or use `forwarding: masquerade`")
                return
            for port in ports:
                entry = (server.address, server.port or port, port)
                if seen.setdefault(entry, server.port) != server.port:  # written alike, it is reported already
                    behind = f"port {port}" if port else "the same ports"
                    message = f"{endpoint(server.address, server.port or port)} is twice behind {behind}"
                    self._scope.fault(where, message, "keep one of them")
                    return

    def _sorry(
        self, written: model.VirtualService, forwarding: Forwarding, endpoints: Sequence[Endpoint], path: Path
    ) -> SorryServer | None:
        sorry = self._first(written, "sorry_server")
        if sorry is None:
            return None
        here = (*path, "sorryServer") if written.sorry_server is not None else path
        if sorry.address is None:
            page = sorry.page or model.Page.model_construct()
            if sorry.page is not None and any(item.protocol is not Protocol.TCP for item in endpoints):
                if written.sorry_server is None:
                    return None
                self._scope.fault(here, "a page needs TCP, and this service has other ports", "write two services")
            elif sorry.page is not None and not all(item.single for item in endpoints or [_EVERY_PORT]):
                if written.sorry_server is None:
                    return None
                message = "a page needs ports to be served on, and these are a range, all or unknown"
                self._scope.fault(here, message, "write the ports one by one, or an `address` elsewhere")
            if sorry.checks:
                self._scope.fault((*here, "checks"), "a page has no checks: Vedette serves it", "leave them out")
            return SorryServer(page=self._page(page, here))
        if sorry.port and forwarding is not Forwarding.MASQUERADE and any(i.port != sorry.port for i in endpoints):
            self._scope.fault(here, f"{forwarding.value} cannot change the port", "leave the port out")
        address = values.parse_address(sorry.address)
        wrong = hosts.unfit(address, self._virtual, "a sorry server")
        if wrong is not None:
            where = path if written.sorry_server is not None else DEFAULTS
            self._scope.fault((*where, "sorryServer", "address"), *wrong)
        checks: tuple[HealthCheck, ...] = self._default_check
        if sorry.checks is not None:
            checks = self._checks.resolve(sorry.checks, (*here, "checks"))
            paths.check_sorry(self._scope, checks, (*here, "checks"))
        return SorryServer(RealServer(address=address, port=sorry.port), checks=checks)

    def _page(self, page: model.Page, path: Path) -> SorryPage:
        headers = page.headers or {}
        check_headers(self._scope, headers, (*path, "page", "headers"))
        return SorryPage(
            status=page.status or defaults.PAGE_STATUS,
            body=self._body(page, (*path, "page")),
            headers=tuple(headers.items()),
        )

    def _body(self, page: model.Page, path: Path) -> str:
        if page.body_file is None:
            return defaults.PAGE_BODY if page.body is None else page.body
        if page.body is not None:
            self._scope.fault((*path, "bodyFile"), "`body` and `bodyFile` exclude each other", "keep one of them")
        where = path if (*path, "bodyFile") in self._scope.companions else (*DEFAULTS, "sorryServer", "page")
        found = self._scope.companions.get((*where, "bodyFile"))
        return defaults.PAGE_BODY if found is None else found.text

    def _families(
        self, group: str, endpoints: Sequence[Endpoint], servers: Servers, forwarding: Forwarding
    ) -> list[int]:
        """The address families of a service; of a mark's, those that its servers can answer in."""
        families = self._listening.families(group, endpoints)
        if endpoints or self._crosses(forwarding, endpoints):
            return families
        served = {server.address.version for server in servers.servers}
        return [family for family in families if family in served] or families

    def _crosses(self, forwarding: Forwarding, endpoints: Sequence[Endpoint]) -> bool:
        """Whether servers of the other address family serve too; for a mark not where the kernel forbids it."""
        return forwarding is Forwarding.TUNNEL and (bool(endpoints) or not self._synchronised)

    @property
    def _synchronised(self) -> bool:
        ipvs = self._scope.spec.ipvs
        return ipvs is not None and ipvs.connection_sync is not None

    def _by_family(
        self, service: VirtualService, servers: Servers, families: Sequence[int], lasting: Persistence, path: Path
    ) -> list[VirtualService]:
        """Split a service with addresses of both families: only a tunnel carries one in the other."""
        if not families:
            return []
        mixed = self._crosses(service.forwarding, service.endpoints)
        if not servers.shared and not mixed:
            self._check_families(families, servers)
        parts = []
        for family in families:
            real_servers = tuple(item for item in service.real_servers if mixed or item.address.version == family)
            if any(item.address.version != family for item in real_servers):
                self._check_unsynchronised(path)
            if service.real_servers and not real_servers and not service.names:
                where = (str(item.address) for item in service.endpoints if item.address.version == family)
                message = f"no real server is IPv{family}, so nobody answers on {next(where, service.name)}"
                remedy = f"add IPv{family} servers, or leave that address out of `addresses`"
                self._scope.findings.warn(path, message, remedy)
            parts.append(
                replace(
                    service,
                    name=service.name if family == families[0] else f"{service.name}/ipv{family}",
                    endpoints=tuple(item for item in service.endpoints if item.address.version == family),
                    real_servers=real_servers,
                    sorry=service.sorry if mixed else self._sorry_of(service.sorry, family, path),
                    mark=service.mark and replace(service.mark, version=family),
                    client_prefix_length=lasting.prefix_length.get(family),
                )
            )
        return parts

    def _check_unsynchronised(self, path: Path) -> None:
        """Report what the kernel does not do at once (ip_vs_ctl.c): it refuses whichever comes second."""
        if self._synchronised:
            message = "the kernel cannot synchronise connections while a tunnel leads into the other address family"
            remedy = "use servers of the addresses' own family, or leave `ipvs.connectionSync` out"
            self._scope.fault(path, message, remedy)

    def _check_families(self, families: Sequence[int], servers: Servers) -> None:
        for origin, group in groupby(range(len(servers.servers)), key=lambda number: servers.origins[number]):
            server = servers.servers[next(group)]
            if server.address.version not in families:
                place = (*servers.path, origin, "address")
                message = f"{server.address} is IPv{server.address.version}, the service's addresses are not"
                self._scope.fault(place, message, "both sides need the same family, or `forwarding: tunnel`")

    def _sorry_of(self, sorry: SorryServer | None, family: int, path: Path) -> SorryServer | None:
        if sorry is not None and sorry.remote is not None and sorry.remote.address.version != family:
            message = f"the sorry server is not IPv{family}, and an address of the service is"
            self._scope.fault((*path, "sorryServer"), message, "write two virtual services, or a `page`")
        return sorry


def _has_port_to_check(endpoints: Sequence[Endpoint], servers: Servers) -> bool:
    """Whether a check that names no port has one: a server's own, or one that the service writes by itself.

    Where all is UDP or SCTP the question is another: such a check does not apply.
    """
    if servers.servers and all(server.port is not None for server in servers.servers):
        return True
    if endpoints and all(item.single and item.protocol is not Protocol.TCP for item in endpoints):
        return True
    return any(item.single and item.protocol is Protocol.TCP for item in endpoints)


def _name(item: Endpoint) -> str:
    text = endpoint(item.address, item.port) if item.port else f"{item.address} any"
    text = text if item.last_port is None else f"{text}-{item.last_port}"
    return text if item.protocol is Protocol.TCP else f"{text}/{item.protocol.value}"


def _lacks_a_port(check: HealthCheck) -> bool:
    return check.port is None and not isinstance(check.probe, PingProbe | LocalProbe | PortlessProbe)
