"""Real servers: ranges expanded, pools followed, and every server once."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from vedette.kit.net import IPAddress, endpoint
from vedette.spec import values, words
from vedette.spec.model import balancing as model
from vedette.spec.resolve.expansions import Expansion
from vedette.spec.resolve.scope import Scope
from vedette.spec.resolved import RealServer
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
            pool.name: self.expand(pool.real_servers, (*POOLS, index, "realServers"), shared=True)
            for index, pool in enumerate(scope.spec.server_pools or ())
        }

    def of(self, service: model.VirtualService, path: Path) -> Servers:
        """Return the servers of a virtual service; a dangling reference is reported."""
        if service.real_servers is not None:
            return self.expand(service.real_servers, (*path, "realServers"), shared=False)
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

    def expand(self, items: Sequence[model.RealServer], path: Path, *, shared: bool) -> Servers:
        """Return all servers of a list; one that stood here before, but for weights, is not gone through again."""
        known = self._scope.expansions.again(path, items, _server)
        if known is not None and len(known.servers) <= self._room:
            self._room -= len(known.servers)
        else:
            faults = len(self._scope.findings.problems)
            known = self._expand(items, path)
            if len(self._scope.findings.problems) > faults:
                return Servers(known.servers, known.origins, path, shared)
        self._scope.expansions.keep(path, known)
        return Servers(known.servers, known.origins, path, shared)

    def _expand(self, items: Sequence[model.RealServer], path: Path) -> Expansion:
        servers: list[RealServer] = []
        origins: list[int] = []
        seen: dict[tuple[IPAddress, int | None], int] = {}
        for index, item in enumerate(items):
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
                elif address in self._taken:
                    fault = (
                        f"{address} is a virtual address",
                        "write the server's own address",
                    )
                elif address.is_multicast or address.is_unspecified:
                    fault = f"{address} cannot be a real server", "write the address of one host"
                servers.append(_server(address, item))
                origins.append(index)
            if fault:
                self._scope.fault((*path, index, "address"), *fault)
        return Expansion(items, tuple(servers), tuple(origins))


def _text(address: IPAddress, port: int | None) -> str:
    return str(address) if port is None else endpoint(address, port)


def _server(address: IPAddress, item: model.RealServer) -> RealServer:
    return RealServer(
        address=address,
        port=item.port,
        weight=1 if item.weight is None else item.weight,
        maintenance=bool(item.maintenance),
        description=item.description or "",
    )
