"""Addresses that an edit gives to another group, a renamed one for instance: the lease of that says nothing yet.

A lease is for a group, by its name. So two nodes with different documents may hold two groups, rightly, that both have
the address. Who has the new document leaves it alone while a node that may hold a former group is heard to have
another one; unless it holds the former groups itself, so that nobody else does.
"""

from collections.abc import Collection, Mapping, Sequence

from vedette.addresses.model import Vip
from vedette.kit.net import IPAddress
from vedette.spec.resolved import Group


class Moving:
    """Compares each document with the one before."""

    def __init__(self) -> None:
        self._groups: Mapping[IPAddress, Group] | None = None
        self._former: dict[IPAddress, dict[str, frozenset[str]]] = {}
        """Of an address the former groups, and which nodes may hold them."""
        self._behind: frozenset[str] | None = None
        """Who has another document; None before anything was heard since the last one came."""

    def note(self, groups: Sequence[Group]) -> None:
        """Take the groups of the document that runs from now on."""
        before, self._groups = self._groups, {item.address: group for group in groups for item in group.addresses}
        self._former = {address: former for address, former in self._former.items() if address in self._groups}
        for address, group in self._groups.items():
            former = before.get(address) if before is not None else None
            if former is not None and former.name != group.name:
                self._behind = None
                self._former.setdefault(address, {})[former.name] = frozenset(former.nodes)

    def attend(self, behind: frozenset[str]) -> bool:
        """Take note of who has another document, and tell whether that changes anything."""
        changed = bool(self._former) and behind != self._behind
        self._behind = behind
        self._former = {
            address: former
            for address, former in self._former.items()
            if any(nodes & behind for nodes in former.values())
        }
        return changed

    def waits_for(self, vip: Vip, held: Collection[str]) -> tuple[str, ...]:
        """The nodes for which the address waits, in order; empty where it may be claimed.

        ``held``: the groups that are held here.
        """
        former = {name: nodes for name, nodes in self._former.get(vip.address, {}).items() if name not in held}
        nodes = frozenset().union(*former.values())
        return tuple(sorted(nodes if self._behind is None else nodes & self._behind))
