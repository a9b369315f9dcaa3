"""Who serves which port: no two virtual services may share one."""

from vedette.kit.net import IPAddress
from vedette.spec.resolved import Endpoint, Protocol
from vedette.spec.tree import Path

Claim = tuple[Endpoint, Path]


class Claims:
    """The endpoints of all virtual services so far.

    Every port of an address may be one service's and single ports of it another's: the more particular one wins.
    """

    def __init__(self) -> None:
        self._single: dict[Endpoint, Path] = {}
        self._ranges: dict[tuple[IPAddress, Protocol], list[Claim]] = {}
        self._ports: dict[tuple[IPAddress, Protocol], set[int]] = {}

    def take(self, item: Endpoint, path: Path) -> Path | None:
        """Claim an endpoint for the service at ``path``; returns the service that has it already."""
        where = (item.address, item.protocol)
        if item.port == 0:
            return _other(self._single.setdefault(item, path), path)
        last = item.last_port or item.port
        for other, user in self._ranges.get(where, ()):
            if user is not path and other.port <= last and item.port <= (other.last_port or other.port):
                return user
        ports = self._ports.setdefault(where, set())
        if item.last_port is None:
            ports.add(item.port)
            return _other(self._single.setdefault(item, path), path)
        self._ranges.setdefault(where, []).append((item, path))
        users = (
            self._single[Endpoint(item.address, port, item.protocol)] for port in ports if item.port <= port <= last
        )
        return next((user for user in users if user is not path), None)


def _other(user: Path, path: Path) -> Path | None:
    return None if user is path else user
