"""Addresses that an edit gives to another group, a renamed one for instance: the lease of that says nothing yet.

A lease is for a group, by its name. So two nodes with different documents may hold two groups, rightly, that both have
the address. Who has the new document leaves it alone while a node that may hold a former group is heard to have
another one; unless it holds the former groups itself, so that nobody else does. Until every such node was heard to have
this document, nobody is believed to answer for the address rightly (:attr:`strict`).
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from vedette.addresses.model import Vip
from vedette.kit.net import IPAddress, parse
from vedette.spec.resolved import Group

Holders = Mapping[str, frozenset[str]]
"""Groups, and which nodes may hold each."""


class Moving:
    """Compares each document with the one before."""

    def __init__(self) -> None:
        self._homes: Mapping[IPAddress, Holders] | None = None
        """Of each address of the document its group."""
        self._former: dict[IPAddress, Holders] = {}
        """Of an address, in the document or not, the former groups."""
        self._behind: frozenset[str] | None = None
        """Who has another document; None before anything was heard since the last one came."""

    def note(self, groups: Sequence[Group]) -> None:
        """Take the groups of the document that runs from now on."""
        before, after = (
            self._homes,
            {item.address: {group.name: frozenset(group.nodes)} for group in groups for item in group.addresses},
        )
        for address, home in (before or {}).items():
            if home.keys() != after.get(address, {}).keys():
                self._behind = None
                self._former[address] = _joined(self._former.get(address, {}), home)
        self._homes = after

    def attend(self, *, behind: frozenset[str], same: frozenset[str], present: frozenset[str]) -> bool:
        """Take note of who is heard to have another document, and the same; tell whether that changes anything.

        ``present``: all nodes that there are.
        """
        changed = bool(self._former) and behind != self._behind
        self._behind = behind
        left: dict[IPAddress, Holders] = {
            address: {name: (nodes & present) - same for name, nodes in former.items()}
            for address, former in self._former.items()
        }
        former = {address: groups for address, groups in left.items() if any(groups.values())}
        changed |= former != self._former
        self._former = former
        return changed

    @property
    def strict(self) -> frozenset[IPAddress]:
        """The addresses that a node may still have by a document of before."""
        return frozenset(self._former)

    def waits_for(self, vip: Vip, held: Collection[str]) -> tuple[str, ...]:
        """The nodes for which the address waits, in order; empty where it may be claimed.

        ``held``: the groups that are held here.
        """
        former = [nodes for name, nodes in self._former.get(vip.address, {}).items() if name not in {*held, vip.group}]
        nodes = frozenset[str]().union(*former)
        return tuple(sorted(nodes if self._behind is None else nodes & self._behind))

    # Across a restart

    def plain(self) -> dict[str, Any]:
        """What the next daemon of this boot has to know."""
        homes = self._homes or {}
        return {"homes": _plain(homes), "former": _plain(self._former)}

    def recall(self, plain: Mapping[str, Any]) -> None:
        """Go on where an earlier daemon stopped; raises ``ValueError``, ``TypeError``, ``AttributeError``, ``KeyError``
        for what none has written."""
        self._homes, self._former = _read(plain["homes"]), _read(plain["former"])


def _joined(one: Holders, other: Holders) -> Holders:
    return {name: one.get(name, frozenset()) | other.get(name, frozenset()) for name in {**one, **other}}


def _plain(homes: Mapping[IPAddress, Holders]) -> dict[str, Any]:
    return {str(address): {name: sorted(nodes) for name, nodes in groups.items()} for address, groups in homes.items()}


def _read(plain: Mapping[str, Any]) -> dict[IPAddress, Holders]:
    return {
        parse(address): {str(name): frozenset(map(str, nodes)) for name, nodes in groups.items()}
        for address, groups in plain.items()
    }
