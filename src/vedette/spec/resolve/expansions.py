"""What the lists of real servers came to when they were expanded last: an edited item costs one item's time.

Between two readings the models of items are put on the shelf: their plain values stand in their place, which are kept
anyway. A model takes 700 bytes, and is made from its values again where it is wanted.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from operator import is_
from typing import Any

from vedette.kit.net import IPAddress
from vedette.spec.model import balancing as model
from vedette.spec.resolved import RealServer, ServerName
from vedette.spec.tree import Path

_FREE = frozenset({"weight", "maintenance", "description", "labels"})
"""What no check of a list looks at: everything else of an item may make a fault, of this item or of another."""
_BOUND = tuple(name for name in model.RealServer.model_fields if name not in _FREE)


Item = model.RealServer | Mapping[str, Any]
"""A real server as written: its model, or the plain values of one that is on the shelf."""


def taken(item: Item) -> model.RealServer:
    """The model of an item; its values were found to be good before."""
    return item if isinstance(item, model.RealServer) else model.RealServer.model_validate(item)


@dataclass(frozen=True, slots=True)
class Expansion:
    """A list without a fault: its items as written, and what they mean. ``origins``: the item of each server."""

    items: Sequence[Item]
    servers: tuple[RealServer, ...]
    origins: tuple[int, ...]
    names: tuple[ServerName, ...] = ()


@dataclass(slots=True)
class Expansions:
    """The lists of the last document, by their place. They hold as long as the virtual addresses are the same."""

    _taken: frozenset[IPAddress] = frozenset()
    _former: dict[Path, Expansion] = field(default_factory=dict)
    _lists: dict[Path, Expansion] = field(default_factory=dict)

    def begin(self, taken: Collection[IPAddress]) -> None:
        """Another document, or the same anew, with these virtual addresses."""
        now = frozenset(taken)
        self._former = self._lists if now == self._taken else {}
        self._taken, self._lists = now, {}

    def keep(self, path: Path, expansion: Expansion) -> None:
        self._lists[path] = expansion

    def shelve(self, path: Path, items: Sequence[Item]) -> None:
        """Keep these for the items of a list that was expanded."""
        if path in self._lists:
            self._lists[path] = replace(self._lists[path], items=items)

    def again(
        self, path: Path, items: Sequence[Item], make: Callable[[IPAddress, model.RealServer], RealServer]
    ) -> Expansion | None:
        """What a list comes to that differs from its former self in what nothing depends on; else None.

        Items that are not edited must be the very same objects.
        """
        known = self._former.pop(path, None)
        if known is None or len(known.items) != len(items):
            return None
        edited = [index for index, same in enumerate(map(is_, known.items, items)) if not same]
        if not all(_alike(taken(known.items[index]), taken(items[index])) for index in edited):
            return None
        servers = known.servers
        if edited:
            changed = list(servers)
            for index in edited:
                for number in range(bisect_left(known.origins, index), bisect_right(known.origins, index)):
                    changed[number] = make(changed[number].address, taken(items[index]))
            servers = tuple(changed)
        return Expansion(items, servers, known.origins, known.names)


def _alike(old: model.RealServer, new: model.RealServer) -> bool:
    return new.address is not None and all(getattr(old, name) == getattr(new, name) for name in _BOUND)
