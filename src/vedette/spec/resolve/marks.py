"""Firewall marks: which services need one, and which number it is.

IPVS finds a service by protocol, address and port, or by the mark of the packet. What is more than a port of an address
(a long range, every port, several ports that share their persistence) is found by a mark that Vedette sets. Its
number follows from the service's name, so that both directors have the same and no edit elsewhere changes it.
"""

from collections.abc import Sequence
from hashlib import blake2b

from vedette.kit.net import endpoint
from vedette.spec.marks import OURS, SERVICES
from vedette.spec.model import balancing as model
from vedette.spec.resolve.persistence import Persistence
from vedette.spec.resolve.scope import Scope
from vedette.spec.resolved import Endpoint, Mark
from vedette.spec.tree import Path

OWN = f"the marks from {OURS.start:#x} to {OURS.stop - 1:#x} are Vedette's own", "choose a smaller number"
"""What is said of one that somebody else wants: message and remedy."""


class Marks:
    """Gives each service of a document its mark, if it needs one."""

    def __init__(self, scope: Scope) -> None:
        self._scope = scope
        self._written: dict[int, Path] = {}
        self._taken: set[int] = set()

    def of(
        self, written: model.VirtualService, name: str, endpoints: Sequence[Endpoint], lasting: Persistence, path: Path
    ) -> Mark | None:
        """The mark of a service; its ``version`` is not yet that of an address family."""
        if written.firewall_mark is not None:
            self._check(written, written.firewall_mark, path)
            return Mark(4, written.firewall_mark, ours=False)
        if _needed(endpoints, lasting):
            return Mark(4, self._number(name), ours=True)
        return None

    def _check(self, written: model.VirtualService, number: int, path: Path) -> None:
        for key in ("addresses", "ports"):
            if getattr(written, key) is not None:
                message = f"`firewallMark` and `{key}` exclude each other: the mark says which packets are meant"
                self._scope.fault((*path, key), message, "keep one of them", at_key=True)
        here = (*path, "firewallMark")
        if number in OURS:
            self._scope.fault(here, *OWN)
        user = self._written.setdefault(number, path)
        if user is not path:
            message = f"the mark {number} is taken by virtualServices[{user[-1]}]"
            self._scope.fault(here, message, "choose another")

    def _number(self, name: str) -> int:
        digest = int.from_bytes(blake2b(name.encode(), digest_size=3).digest(), "big")
        size = len(SERVICES)
        number = next(number for step in range(size) if (number := SERVICES[(digest + step) % size]) not in self._taken)
        self._taken.add(number)
        return number


def _needed(endpoints: Sequence[Endpoint], lasting: Persistence) -> bool:
    """The kernel has a port 0, which means every port, but only for services with persistence."""
    if any(item.last_port is not None or (item.port == 0 and not lasting.timeout) for item in endpoints):
        return True
    return lasting.across and len({(item.port, item.protocol) for item in endpoints}) > 1


def describe(item: Endpoint) -> str:
    """An endpoint in the words of a document."""
    if item.port == 0:
        where = f"any port of {item.address}"
    elif item.last_port is not None:
        where = f"{endpoint(item.address, item.port)}-{item.last_port}"
    else:
        where = endpoint(item.address, item.port)
    return f"{where}/{item.protocol.value}"
