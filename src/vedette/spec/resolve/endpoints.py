"""Where a virtual service listens: its group, its addresses, its ports."""

from collections.abc import Sequence

from vedette.kit.net import IPAddress
from vedette.spec import values, words
from vedette.spec.model import balancing as model
from vedette.spec.resolve.claims import Claims
from vedette.spec.resolve.groups import AddressBook, Held
from vedette.spec.resolve.marks import describe
from vedette.spec.resolve.scope import GROUPS, Scope
from vedette.spec.resolved import Endpoint, Group
from vedette.spec.tree import Path
from vedette.spec.values import PortRange

LONGEST_PORT_RANGE = 16
"""Ports of one range that are programmed one by one; a longer one becomes one entry, by a firewall mark."""

MOST_ENDPOINTS = 65536
"""Addresses times ports, over all virtual services."""


class Listening:
    """Resolves the endpoints of virtual services and sees that no two services share one."""

    def __init__(self, scope: Scope, groups: Sequence[Group], book: AddressBook) -> None:
        self._scope, self._book = scope, book
        self._groups = {group.name: group for group in groups}
        self._claims = Claims()
        self._room = MOST_ENDPOINTS

    def resolve(self, service: model.VirtualService, path: Path) -> tuple[str, tuple[Endpoint, ...]]:
        """Return the group and endpoints of a service; empty where a fault was reported."""
        held = [self._find(name, (*path, "addresses", index)) for index, name in enumerate(service.addresses or ())]
        group = self._group(service, held, path)
        if group is None:
            return "", ()
        if service.firewall_mark is not None:
            return group, ()
        addresses = self._addresses(service, held, group, path)
        ports = self._ports(service, path)
        self._room -= len(addresses) * len(ports)
        if self._room < 0:
            message = f"more than {MOST_ENDPOINTS} endpoints (addresses × ports) in all"
            self._scope.fault(path, message, "write fewer `addresses` or `ports`")
            return group, ()
        endpoints = tuple(
            Endpoint(address, port.first, port.protocol, None if port.first == port.last else port.last)
            for address in addresses
            for port in ports
        )
        self._claim(endpoints, path)
        return group, endpoints

    def families(self, group: str, endpoints: Sequence[Endpoint]) -> list[int]:
        """The address families of a service: those of its endpoints, or else of its group's addresses."""
        if endpoints or group not in self._groups:
            return sorted({item.address.version for item in endpoints})
        return sorted({item.address.version for item in self._groups[group].addresses})

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
            if service.firewall_mark is not None:
                message = "with several groups, `group` must be said: a mark has no address that tells who holds it"
                self._scope.fault(path, message, "add `group`")
                return None
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

    def _ports(self, service: model.VirtualService, path: Path) -> list[PortRange]:
        """Every port by itself, but long ranges as they are."""
        if service.ports is None:
            if self._scope.sound((*path, "ports"), (*path, "firewallMark")):
                self._scope.fault(path, "`ports` is missing", "add `ports: [80]`")
            return []
        ports: list[PortRange] = []
        for index, written in enumerate(service.ports):
            found = values.parse_port(written)
            double = next((other for other in ports if _overlap(found, other)), None)
            if double is not None:
                same = _text(found) == _text(double)
                message = f"{_text(found)} is listed twice" if same else f"{_text(found)} and {_text(double)} overlap"
                self._scope.fault((*path, "ports", index), message, "keep one of them")
            elif len(found) > LONGEST_PORT_RANGE:
                ports.append(found)
            else:
                ports += [PortRange(port, port, found.protocol) for port in range(found.first, found.last + 1)]
        return ports

    def _claim(self, endpoints: Sequence[Endpoint], path: Path) -> None:
        """Report the first endpoint that another service has already."""
        for item in endpoints:
            user = self._claims.take(item, path)
            if user is not None:
                message = f"{describe(item)} is already served by virtualServices[{user[-1]}]"
                self._scope.fault(path, message, "choose other `addresses` or `ports`")
                return


def _overlap(one: PortRange, other: PortRange) -> bool:
    if one.protocol is not other.protocol:
        return False
    return 0 in (one.first, other.first) or (one.first <= other.last and other.first <= one.last)


def _text(ports: PortRange) -> str:
    numbers = str(ports.first) if ports.first == ports.last else f"{ports.first}-{ports.last}"
    return f"{numbers if ports.first else 'any'}/{ports.protocol.value}"
