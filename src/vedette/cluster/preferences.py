"""What operators wish at run time: a group elsewhere, a node on standby (rule 25).

A table of entries, each with a version; of two for the same thing the higher version wins, then the higher origin.
Merging is commutative, so nodes that were told different things agree as soon as they hear each other, and no wish
is lost because another one was spoken elsewhere at the same time.
"""

import hashlib

from vedette.cluster.config import tag
from vedette.cluster.messages import Wish, Wishes

MOST = 48
Key = tuple[bool, int]


class Preferences:
    """``changed`` is set by whatever must be persisted, ``news`` by what was wished here and nobody else knows."""

    def __init__(self, entries: tuple[Wish, ...]) -> None:
        self._wishes: dict[Key, Wish] = {(wish.node, wish.about): wish for wish in entries[:MOST]}
        self._author = self._reason = ""
        self.changed = self.news = False

    @property
    def entries(self) -> tuple[Wish, ...]:
        return tuple(self._wishes[key] for key in sorted(self._wishes))

    @property
    def table(self) -> Wishes:
        """What is sent to others."""
        return Wishes(self.entries, self._author, self._reason)

    @property
    def digest(self) -> int:
        """Of the entries; nodes whose digests differ send each other their tables. 0 = empty."""
        if not self._wishes:
            return 0
        text = repr([tuple(getattr(wish, name) for name in Wish.__slots__) for wish in self.entries])
        return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4])

    def wish(self, about: str, value: int, *, node: bool, origin: int, author: str, reason: str) -> Wish | None:
        """Enter a wish; ``None`` when it changes nothing or the table is full."""
        key = (node, tag(about))
        before = self._wishes.get(key)
        if (before.value if before is not None else 0) == value or (before is None and len(self._wishes) >= MOST):
            return None
        version = 1 + max((wish.version for wish in self._wishes.values()), default=0)
        wish = Wish(node, tag(about), version, origin, value)
        self._wishes[key] = wish
        self._author, self._reason = author, reason
        self.changed = self.news = True
        return wish

    def merge(self, table: Wishes) -> list[Wish]:
        """Take over what is newer in another node's table; return it."""
        newer = []
        for wish in table.entries:
            key = (wish.node, wish.about)
            before = self._wishes.get(key)
            if before is None and len(self._wishes) >= MOST:
                continue
            if before is None or (wish.version, wish.origin, wish.value) > (
                before.version,
                before.origin,
                before.value,
            ):
                self._wishes[key] = wish
                newer.append(wish)
        if newer:
            self._author, self._reason, self.changed = table.author, table.reason, True
        return newer

    def wanted_on(self, group: str) -> int:
        """The tag of the node where an operator wants the group, 0 = nowhere in particular."""
        wish = self._wishes.get((False, tag(group)))
        return wish.value if wish is not None else 0

    def standby(self, node: str) -> bool:
        wish = self._wishes.get((True, tag(node)))
        return wish is not None and wish.value == 1
