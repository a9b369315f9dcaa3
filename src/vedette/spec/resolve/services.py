"""Virtual services: settings with their defaults, endpoints and real servers brought together."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import groupby
from typing import Any

from vedette.kit.net import endpoint
from vedette.spec import defaults, values
from vedette.spec.model import balancing as model
from vedette.spec.resolve.checks import Checks, check_headers
from vedette.spec.resolve.cluster import whole_seconds
from vedette.spec.resolve.endpoints import Listening
from vedette.spec.resolve.groups import AddressBook
from vedette.spec.resolve.life import DEFAULTS, Lives, check_weights
from vedette.spec.resolve.scope import Scope
from vedette.spec.resolve.servers import Pools, Servers
from vedette.spec.resolved import (
    Endpoint,
    Forwarding,
    Group,
    HealthCheck,
    OnFailure,
    Protocol,
    RealServer,
    SorryPage,
    SorryServer,
    VirtualService,
)
from vedette.spec.tree import Path

SERVICES: Path = ("spec", "virtualServices")
MOST_DESTINATIONS = 1 << 18
"""Entries of the kernel's table: endpoints times real servers, over all services."""


class Services:
    """Resolves all virtual services of a document."""

    def __init__(self, scope: Scope, groups: Sequence[Group], book: AddressBook) -> None:
        self._scope = scope
        self._checks = Checks(scope)
        self._default_check = (self._checks.default(),)
        self._pools = Pools(scope, book.by_address)
        self._listening = Listening(scope, groups, book)
        shared = scope.spec.defaults.virtual_services if scope.spec.defaults else None
        self._defaults = shared or model.ServiceSettings.model_construct()
        self._lives = Lives(scope, self._defaults)

    def resolve(self) -> tuple[VirtualService, ...]:
        services: list[VirtualService] = []
        destinations = 0
        for index, written in enumerate(self._scope.spec.virtual_services or ()):
            found = self._service(written, (*SERVICES, index))
            services.extend(found)
            destinations += sum(len(service.endpoints) * len(service.real_servers) for service in found)
            if destinations > MOST_DESTINATIONS:
                message = f"more than {MOST_DESTINATIONS} destinations (ports × addresses × real servers)"
                self._scope.fault((*SERVICES, index), message, "write fewer")
                break
        return tuple(services)

    def _service(self, written: model.VirtualService, path: Path) -> list[VirtualService]:
        group, endpoints = self._listening.resolve(written, path)
        servers = self._pools.of(written, path)
        settings = self._settings(written, path)
        self._check_ports(written, endpoints, servers, settings["forwarding"], path)
        service = VirtualService(
            name=written.name or (_name(endpoints[0]) if endpoints else ""),
            group=group,
            endpoints=endpoints,
            real_servers=servers.servers,
            names=servers.names,
            checks=self._service_checks(written, endpoints, path),
            sorry=self._sorry(written, settings["forwarding"], endpoints, path),
            maintenance=bool(written.maintenance),
            **settings,
        )
        check_weights(self._scope, service, path)
        return self._by_family(service, servers, path)

    def _settings(self, written: model.VirtualService, path: Path) -> dict[str, Any]:
        scheduler = self._first(written, "scheduler") or defaults.SCHEDULER
        inherits = written.scheduler is None
        flags = written.scheduler_flags or (self._defaults.scheduler_flags if inherits else None) or ()
        if flags and scheduler not in ("sh", "mh"):
            remedy = "leave them out, or write `scheduler: mh`"
            self._scope.fault((*path, "schedulerFlags"), f"the scheduler `{scheduler}` has no flags", remedy)
        persistence = self._first(written, "persistence")
        timeout = 0
        if persistence is not None:
            written_at = (*path, "persistence", "timeout")
            timeout = whole_seconds(self._scope, persistence.timeout, written_at) or 0
            timeout = defaults.PERSISTENCE if persistence.timeout is None else timeout
        return {
            "scheduler": scheduler,
            "scheduler_flags": tuple(sorted(set(flags))),
            "forwarding": Forwarding(self._first(written, "forwarding") or "masquerade"),
            "persistence_timeout": timeout,
            "on_failure": OnFailure(self._first(written, "on_failure") or "remove"),
            "life": self._lives.of(written, path),
        }

    def _first(self, written: model.VirtualService, name: str) -> Any:
        """Return what is written here, or else in defaults.virtualServices."""
        value = getattr(written, name)
        return getattr(self._defaults, name) if value is None else value

    def _service_checks(
        self, written: model.VirtualService, endpoints: Sequence[Endpoint], path: Path
    ) -> tuple[HealthCheck, ...]:
        if written.checks is None:
            if endpoints and not any(item.protocol is Protocol.TCP for item in endpoints):
                self._scope.findings.warn(
                    path,
                    "no check: a TCP connect says nothing about UDP or SCTP",
                    "write one, like `checks: [{tcp: {}, port: 22}]`, or `checks: []` if none is meant",
                )
                return ()
            return self._default_check if self._scope.sound((*path, "checks")) else ()
        checks = self._checks.resolve(written.checks, (*path, "checks"))
        for index, check in enumerate(written.checks):
            if check.http is not None and check.port is None and any(item.port == 443 for item in endpoints):
                message = "plain HTTP is spoken to port 443 too, which servers with TLS refuse"
                self._scope.findings.warn((*path, "checks", index), message, "say the `port` to check")
        return checks

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
        ports = sorted({item.port for item in endpoints})
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
                    message = f"{endpoint(server.address, server.port or port)} is twice behind port {port}"
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
            if sorry.checks:
                self._scope.fault((*here, "checks"), "a page has no checks: Vedette serves it", "leave them out")
            return SorryServer(page=self._page(page, here))
        if sorry.port and forwarding is not Forwarding.MASQUERADE and any(i.port != sorry.port for i in endpoints):
            self._scope.fault(here, f"{forwarding.value} cannot change the port", "leave the port out")
        checks: tuple[HealthCheck, ...] = self._default_check
        if sorry.checks is not None:
            checks = self._checks.resolve(sorry.checks, (*here, "checks"))
        return SorryServer(RealServer(address=values.parse_address(sorry.address), port=sorry.port), checks=checks)

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

    def _by_family(self, service: VirtualService, servers: Servers, path: Path) -> list[VirtualService]:
        """Split a service with addresses of both families: the kernel forwards IPv4 to IPv4 and IPv6 to IPv6."""
        families = sorted({item.address.version for item in service.endpoints})
        if not families:
            return []
        if not servers.shared:
            self._check_families(families, servers)
        parts = []
        for family in families:
            real_servers = tuple(server for server in service.real_servers if server.address.version == family)
            if service.real_servers and not real_servers and not service.names:
                first = next(item.address for item in service.endpoints if item.address.version == family)
                message = f"no real server is IPv{family}, so nobody answers on {first}"
                remedy = f"add IPv{family} servers, or leave that address out of `addresses`"
                self._scope.findings.warn(path, message, remedy)
            parts.append(
                replace(
                    service,
                    name=service.name if family == families[0] else f"{service.name}/ipv{family}",
                    endpoints=tuple(item for item in service.endpoints if item.address.version == family),
                    real_servers=real_servers,
                    sorry=self._sorry_of(service.sorry, family, path),
                )
            )
        return parts

    def _check_families(self, families: Sequence[int], servers: Servers) -> None:
        for origin, group in groupby(range(len(servers.servers)), key=lambda number: servers.origins[number]):
            server = servers.servers[next(group)]
            if server.address.version not in families:
                place = (*servers.path, origin, "address")
                message = f"{server.address} is IPv{server.address.version}, the service's addresses are not"
                self._scope.fault(place, message, "both sides need the same family")

    def _sorry_of(self, sorry: SorryServer | None, family: int, path: Path) -> SorryServer | None:
        if sorry is not None and sorry.remote is not None and sorry.remote.address.version != family:
            message = f"the sorry server is not IPv{family}, and an address of the service is"
            self._scope.fault((*path, "sorryServer"), message, "write two virtual services, or a `page`")
        return sorry


def _name(item: Endpoint) -> str:
    text = endpoint(item.address, item.port)
    return text if item.protocol is Protocol.TCP else f"{text}/{item.protocol.value}"
