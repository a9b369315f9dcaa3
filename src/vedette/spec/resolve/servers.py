"""Real servers: ranges expanded, pools followed, and every server once."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from vedette.kit.net import IPAddress, endpoint
from vedette.spec import hosts, server_list, values, words
from vedette.spec.model import balancing as model
from vedette.spec.resolve.expansions import Expansion, Item, taken
from vedette.spec.resolve.scope import Scope
from vedette.spec.resolved import NameKind, RealServer, ServerName
from vedette.spec.tree import Path

POOLS: Path = ("spec", "serverPools")
MOST_SERVERS = 65536
"""Real servers of a document, once ranges are expanded; those of a pool count once."""


@dataclass(frozen=True, slots=True)
class Servers:
    """Real servers and where they are written. ``origins`` runs parallel to ``servers``: the index of the item."""

    servers: tuple[RealServer, ...] = ()
    origins: tuple[int, ...] = ()
    path: Path = ()
    shared: bool = False
    names: tuple[ServerName, ...] = ()

    def place(self, number: int) -> Path:
        """Return where server ``number`` is written."""
        return (*self.path, self.origins[number])


class Pools:
    """The server pools of a document, each resolved once."""

    def __init__(self, scope: Scope, taken: Collection[IPAddress]) -> None:
        self._scope, self._taken = scope, taken
        scope.expansions.begin(taken)
        self._room = MOST_SERVERS
        self._pools = {
            pool.name: self._pool(pool, (*POOLS, index)) for index, pool in enumerate(scope.spec.server_pools or ())
        }

    def of(self, service: model.VirtualService, path: Path) -> Servers:
        """Return the servers of a virtual service; a dangling reference is reported."""
        if service.real_servers is not None:
            return self._warned(self.expand(service.real_servers, (*path, "realServers"), shared=False))
        if service.real_servers_file is not None:
            return self._listed((*path, "realServersFile"))
        if service.server_pool is None:
            return Servers(path=path)
        pool = self._pools.get(service.server_pool)
        if pool is None:
            if self._scope.intact(POOLS, "name"):
                remedy = words.for_reference(service.server_pool, list(self._pools)) or "add it to spec.serverPools"
                message = f"there is no server pool `{values.shorten(service.server_pool)}`"
                self._scope.fault((*path, "serverPool"), message, remedy)
            return Servers(path=path)
        return pool

    def _pool(self, pool: model.ServerPool, path: Path) -> Servers:
        if pool.real_servers is not None:
            return self._warned(self.expand(pool.real_servers, (*path, "realServers"), shared=True))
        return self._listed((*path, "realServersFile")) if pool.real_servers_file is not None else Servers(path=path)

    def _listed(self, path: Path) -> Servers:
        """Read the servers of the file that ``path`` names; faults are reported at the file's own lines."""
        companion = self._scope.companions.get(path)
        servers: dict[tuple[IPAddress, int | None], tuple[RealServer, int]] = {}
        if companion is None:
            return Servers(path=path, shared=True)

        def fault(number: int, message: str, remedy: str) -> None:
            self._scope.findings.add_elsewhere(companion.file, number, message, remedy)

        for line in server_list.lines(companion.text):
            if isinstance(line, server_list.BadLine):
                fault(line.number, line.message, line.remedy)
                continue
            if len(line.addresses) > self._room:
                fault(line.number, f"more than {MOST_SERVERS} real servers", "write fewer")
                break
            self._room -= len(line.addresses)
            for address in line.addresses.expand():
                _, first = servers.get((address, line.port), (None, line.number))
                wrong = self._unfit(address)
                if first != line.number:
                    wrong = f"{_text(address, line.port)} is already in line {first}", "keep one of them"
                if wrong is not None:
                    fault(line.number, *wrong)
                    break
                weight = 1 if line.weight is None else line.weight
                servers[address, line.port] = RealServer(address, line.port, weight), line.number
        found = tuple(server for server, _ in servers.values())
        listed = Servers(found, (0,) * len(found), path, shared=True)
        return self._warned(listed) if next(server_list.lines(companion.text), None) is None else listed

    def _warned(self, found: Servers) -> Servers:
        """Warn of a list without a server, unless those that were in it were faulty."""
        if not found.servers and not found.names and self._scope.sound(found.path):
            message = "there is no real server in it, so clients find nobody but the sorry server"
            self._scope.findings.warn(found.path, message, "write one, or leave this out until there is one")
        return found

    def _unfit(self, address: IPAddress) -> tuple[str, str] | None:
        """Why an address cannot be a real server's, and what to do, if so."""
        return hosts.unfit(address, self._taken, "a real server")

    def expand(self, items: Sequence[Item], path: Path, *, shared: bool) -> Servers:
        """Return all servers of a list; one that stood here before, but for weights, is not gone through again."""
        known = self._scope.expansions.again(path, items, _server)
        if known is not None and len(known.servers) <= self._room:
            self._room -= len(known.servers)
        else:
            faults = len(self._scope.findings.problems)
            known = self._expand(items, path)
            if len(self._scope.findings.problems) > faults:
                return Servers(known.servers, known.origins, path, shared, known.names)
        self._scope.expansions.keep(path, known)
        return Servers(known.servers, known.origins, path, shared, known.names)

    def _expand(self, items: Sequence[Item], path: Path) -> Expansion:
        servers: list[RealServer] = []
        origins: list[int] = []
        seen: dict[tuple[IPAddress, int | None], int] = {}
        names: dict[tuple[str, int | None], ServerName] = {}
        for index, item in enumerate(map(taken, items)):
            if item.address is None:
                self._named(item, names, (*path, index))
                continue
            found = values.parse_range(item.address)
            if len(found) > self._room:
                self._scope.fault((*path, index), f"more than {MOST_SERVERS} real servers", "write shorter ranges")
                break
            self._room -= len(found)
            fault = None
            for address in found.expand():
                first = seen.setdefault((address, item.port), index)
                if first != index:
                    fault = f"{_text(address, item.port)} is already in realServers[{first}]", "keep one of them"
                else:
                    fault = self._unfit(address) or fault
                servers.append(_server(address, item))
                origins.append(index)
            if fault:
                self._scope.fault((*path, index, "address"), *fault)
            self._check_limits(item, (*path, index))
        return Expansion(items, tuple(servers), tuple(origins), tuple(names.values()))

    def _named(self, item: model.RealServer, names: dict[tuple[str, int | None], ServerName], path: Path) -> None:
        """A name stands for servers that are not known before it is looked up."""
        written = item.hostname or item.srv
        if written is None:
            return
        kind = NameKind.HOST if item.hostname is not None else NameKind.SRV
        name = values.parse_host_name(written)
        if kind is NameKind.SRV and item.port is not None:
            self._scope.fault((*path, "port"), "SRV records say the port themselves", "leave `port` out")
        if (name, item.port) in names:
            self._scope.fault((*path, kind.value), f"{name} is listed twice", "keep one of them")
        self._check_limits(item, path)
        names[name, item.port] = ServerName(
            by=kind,
            name=name,
            port=item.port,
            weight=item.weight,
            maintenance=bool(item.maintenance),
            description=item.description or "",
            max_connections=item.max_connections or 0,
            min_connections=item.min_connections or 0,
        )

    def _check_limits(self, item: model.RealServer, path: Path) -> None:
        """Report thresholds of connections that never let go, or never take hold."""
        if item.min_connections is None:
            return
        if item.max_connections is None:
            message = "`minConnections` says when a server that was full takes connections again"
            self._scope.fault((*path, "minConnections"), message, "add `maxConnections`, or leave it out")
        elif item.min_connections >= item.max_connections:
            message = f"minConnections {item.min_connections} is not below maxConnections {item.max_connections}"
            self._scope.fault((*path, "minConnections"), message, f"write less than {item.max_connections}")


def _text(address: IPAddress, port: int | None) -> str:
    return str(address) if port is None else endpoint(address, port)


def _server(address: IPAddress, item: model.RealServer) -> RealServer:
    return RealServer(
        address=address,
        port=item.port,
        weight=1 if item.weight is None else item.weight,
        maintenance=bool(item.maintenance),
        description=item.description or "",
        max_connections=item.max_connections or 0,
        min_connections=item.min_connections or 0,
    )
