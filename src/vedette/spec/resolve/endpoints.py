"""Where a virtual service listens: its group, its addresses, its ports."""

from collections.abc import Sequence

from vedette.kit.net import IPAddress, endpoint
from vedette.spec import values, words
from vedette.spec.model import balancing as model
from vedette.spec.resolve.groups import AddressBook, Held
from vedette.spec.resolve.scope import GROUPS, Scope
from vedette.spec.resolved import Endpoint, Group, Protocol
from vedette.spec.tree import Path

LONGEST_PORT_RANGE = 16
"""Ports of one range that this release programs one by one; a longer one needs a firewall mark."""

MOST_ENDPOINTS = 65536
"""Addresses times ports, over all virtual services."""


class Listening:
    """Resolves the endpoints of virtual services and sees that no two services share one."""

    def __init__(self, scope: Scope, groups: Sequence[Group], book: AddressBook) -> None:
        self._scope, self._book = scope, book
        self._groups = {group.name: group for group in groups}
        self._users: dict[Endpoint, Path] = {}
        self._room = MOST_ENDPOINTS

    def resolve(self, service: model.VirtualService, path: Path) -> tuple[str, tuple[Endpoint, ...]]:
        """Return the group and endpoints of a service; empty where a fault was reported."""
        held = [self._find(name, (*path, "addresses", index)) for index, name in enumerate(service.addresses or ())]
        group = self._group(service, held, path)
        if group is None:
            return "", ()
        addresses = self._addresses(service, held, group, path)
        ports = self._ports(service, path)
        self._room -= len(addresses) * len(ports)
        if self._room < 0:
            message = f"more than {MOST_ENDPOINTS} endpoints (addresses × ports) in all"
            self._scope.fault(path, message, "write fewer `addresses` or `ports`")
            return group, ()
        endpoints = tuple(Endpoint(address, port, protocol) for address in addresses for port, protocol in ports)
        self._claim(endpoints, path)
        return group, endpoints

    def _find(self, reference: str, path: Path) -> Sequence[Held]:
        found = self._book.find(reference)
        if not found and self._scope.intact(GROUPS, "addresses"):
            remedy = words.for_reference(reference, list(self._book.by_name))
            if "/" in reference:
                remedy = "write its name, or the address without the prefix length"
            self._scope.fault(path, f"no group has the address `{values.shorten(reference)}`", remedy)
        return found

    def _group(self, service: model.VirtualService, held: Sequence[Sequence[Held]], path: Path) -> str | None:
        if service.group is not None:
            if service.group in self._groups:
                return service.group
            if self._scope.intact(GROUPS, "name"):
                remedy = words.for_reference(service.group, list(self._groups))
                message = f"there is no group `{values.shorten(service.group)}`"
                self._scope.fault((*path, "group"), message, remedy)
            return None
        if not self._scope.sound((*path, "group"), (*path, "addresses")) or not self._scope.intact(GROUPS, "name"):
            return None
        if service.addresses is None:
            if len(self._groups) == 1:
                return next(iter(self._groups))
            self._scope.fault(
                path, "with several groups, `group` or `addresses` must be said", "add `addresses: [...]`"
            )
            return None
        candidates = [{item.group for item in items} for items in held if items]
        if not candidates or len(candidates) < len(held):
            return None
        common = set.intersection(*candidates)
        if not common:
            message = "these addresses belong to different groups, which may be on different nodes"
            self._scope.fault((*path, "addresses"), message, "write one virtual service for each group")
            return None
        if len(common) > 1:
            self._scope.fault(path, "several groups have these addresses: `group` must be said", "add `group`")
            return None
        return common.pop()

    def _addresses(
        self, service: model.VirtualService, held: Sequence[Sequence[Held]], group: str, path: Path
    ) -> list[IPAddress]:
        if service.addresses is None:
            if not self._scope.sound((*path, "addresses")) or not self._scope.intact(GROUPS, "addresses"):
                return []
            return [address.address for address in self._groups[group].addresses]
        found: dict[IPAddress, None] = {}
        for index, (name, items) in enumerate(zip(service.addresses, held, strict=True)):
            here = next((item for item in items if item.group == group), None)
            if here is None:
                if items:
                    remedy = f"it is in group `{items[0].group}`"
                    message = f"group `{group}` does not have the address `{name}`"
                    self._scope.fault((*path, "addresses", index), message, remedy)
                continue
            addresses = [address.address for address in here.addresses]
            if any(address in found for address in addresses):
                self._scope.fault((*path, "addresses", index), f"`{name}` is listed twice", "keep one of them")
            found |= dict.fromkeys(addresses)
        return list(found)

    def _ports(self, service: model.VirtualService, path: Path) -> list[tuple[int, Protocol]]:
        if service.ports is None:
            if service.firewall_mark is None and self._scope.sound((*path, "ports")):
                self._scope.fault(path, "`ports` is missing", "add `ports: [80]`")
            return []
        ports: list[tuple[int, Protocol]] = []
        for index, written in enumerate(service.ports):
            found = values.parse_port(written)
            if len(found) > LONGEST_PORT_RANGE:
                message = f"a range of {len(found)} ports: not supported yet"
                self._scope.fault(
                    (*path, "ports", index), message, f"write at most {LONGEST_PORT_RANGE} ports in a range"
                )
                continue
            for port in range(found.first, found.last + 1):
                if (port, found.protocol) in ports:
                    message = f"{port}/{found.protocol.value} is listed twice"
                    self._scope.fault((*path, "ports", index), message, "keep one of them")
                    break
                ports.append((port, found.protocol))
        return ports

    def _claim(self, endpoints: Sequence[Endpoint], path: Path) -> None:
        """Report the first endpoint that another service has already."""
        for item in endpoints:
            user = self._users.setdefault(item, path)
            if user is not path:
                self._scope.fault(
                    path,
                    f"{endpoint(item.address, item.port)}/{item.protocol.value} is already served by "
                    f"virtualServices[{user[-1]}]",
                    "choose other `addresses` or `ports`",
                )
                return
