"""Addresses that an edit gives to another group, a renamed one for instance: the lease of that says nothing yet.

A lease is for a group, by its name. So two nodes with different documents may hold two groups, rightly, that both have
the address. Who has the new document leaves it alone while a node that may hold the former group is heard to have
another one.
"""

from collections.abc import Mapping, Sequence

from vedette.addresses.model import Vip
from vedette.kit.net import IPAddress
from vedette.spec.resolved import Group


class Moving:
    """Compares each document with the one before."""

    def __init__(self) -> None:
        self._groups: Mapping[IPAddress, Group] | None = None
        self._former: dict[IPAddress, frozenset[str]] = {}
        """Which nodes may hold it by a former document."""
        self._behind: frozenset[str] | None = None
        """Who has another document; None before anything was heard since the last one came."""

    def note(self, groups: Sequence[Group]) -> None:
        """Take the groups of the document that runs from now on."""
        before, self._groups = self._groups, {item.address: group for group in groups for item in group.addresses}
        self._former = {address: nodes for address, nodes in self._former.items() if address in self._groups}
        for address, group in self._groups.items():
            former = before.get(address) if before is not None else None
            if former is not None and former.name != group.name:
                self._behind = None
                self._former[address] = self._former.get(address, frozenset()) | frozenset(former.nodes)

    def attend(self, behind: frozenset[str]) -> bool:
        """Take note of who has another document, and tell whether an address waits no more."""
        self._behind = behind
        free = [address for address, nodes in self._former.items() if not nodes & behind]
        for address in free:
            del self._former[address]
        return bool(free)

    def waits_for(self, vip: Vip) -> tuple[str, ...]:
        """The nodes that may hold the address by their document, in order; empty where it may be claimed."""
        former = self._former.get(vip.address, frozenset())
        return tuple(sorted(former if self._behind is None else former & self._behind))
