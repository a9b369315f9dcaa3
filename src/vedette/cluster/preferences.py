"""What operators wish at run time: a group elsewhere, a node on standby or in maintenance, a real server drained
(rule 25).

A table of entries, each with a version; of two for the same thing the higher version wins, then the higher origin.
Merging is commutative, so nodes that were told different things agree as soon as they hear each other, and no wish
is lost because another one was spoken elsewhere at the same time.

A wish may end by itself. Each node counts down on its own clock; the first whose time is over says so, and for all
others it has ended, too: two nodes that disagreed about it would hand a group to and fro.

A wish that was taken back stays as a mark, so that no node brings it up again. Of real servers there are more than
there is room for marks: the oldest is forgotten then, by every node the same.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, replace

from vedette.cluster.config import tag
from vedette.cluster.messages import About, State, Wish, Wishes
from vedette.cluster.wire import clip
from vedette.kit.units import MILLISECOND

MOST = 80
"""One for every group's place, every node, and every group's maintenance."""
MOST_SERVERS, MOST_DRAINED = 160, 128
"""Wishes about real servers, and how many of them may stand; many servers are taken out in the document."""
Key = tuple[About, int]


@dataclass(slots=True)
class _Entry:
    """``ends``: when it ends by itself (CLOCK_BOOTTIME ns), ``None`` = when it is taken back."""

    wish: Wish
    ends: int | None


class Preferences:
    """``changed`` is set by whatever must be persisted, ``news`` by what was wished here and nobody else knows.

    ``version`` rises with every change. ``entries``: what was stored; their remaining time counts from ``now``.
    """

    def __init__(self, entries: Iterable[Wish] = (), now: int = 0) -> None:
        self._entries: dict[Key, _Entry] = {}
        self._digest: int | None = None
        self.version = 0
        self.changed = self.news = False
        for wish in list(entries)[: MOST + MOST_SERVERS]:
            if self._room(wish):
                self._enter(wish, now)

    def table(self, now: int) -> Wishes:
        """What is sent to others, and stored."""
        return Wishes(tuple(_left(self._entries[key], now) for key in sorted(self._entries)))

    @property
    def entries(self) -> tuple[Wish, ...]:
        """All of them, without the time that remains."""
        return tuple(self._entries[key].wish for key in sorted(self._entries))

    def standing(self) -> list[tuple[Wish, int]]:
        """The wishes that count now, each with its end (CLOCK_BOOTTIME ns, 0 = none)."""
        found = [self._entries[key] for key in sorted(self._entries)]
        return [(entry.wish, entry.ends or 0) for entry in found if entry.wish.value and not entry.wish.ended]

    @property
    def digest(self) -> int:
        """Of the entries; nodes whose digests differ send each other their tables. 0 = empty."""
        if self._digest is None:
            text = repr([list(map(int, (*_rank(wish), wish.kind, wish.about))) for wish in self.entries])
            self._digest = int.from_bytes(hashlib.sha256(text.encode()).digest()[:4]) if self._entries else 0
        return self._digest

    def wish(
        self, about: About, name: str, value: int, *, origin: int, author: str, reason: str, now: int, lasts: int = 0
    ) -> Wish | None:
        """Enter a wish that ends after ``lasts`` ns (0 = never); ``None`` when it changes nothing or the table is full.

        ``value`` 0 takes an earlier one back.
        """
        key = (about, tag(name))
        before = self._entries.get(key)
        stands = before.wish.value if before is not None and not before.wish.ended else 0
        timed = bool(lasts) or (before is not None and before.ends is not None and bool(stands))
        if stands == value and not (value and timed):
            return None
        version = 1 + max((entry.wish.version for entry in self._entries.values()), default=0)
        wish = Wish(about, tag(name), version, origin, value, remaining=lasts, author=clip(author), reason=clip(reason))
        if about is About.SERVER and value and not stands and self._drained() >= MOST_DRAINED:
            return None
        if not self._room(wish):
            return None
        self._enter(wish, now)
        self.changed = self.news = True
        return wish

    def merge(self, table: Wishes, now: int) -> list[Wish]:
        """Take over what is newer in another node's table; return it."""
        newer = []
        for wish in table.entries:
            before = self._entries.get((wish.kind, wish.about))
            if before is None and not self._room(wish):
                continue
            if before is None or _rank(wish) > _rank(before.wish):
                self._enter(wish, now)
                newer.append(wish)
        self.changed = self.changed or bool(newer)
        return newer

    def expire(self, now: int) -> list[Wish]:
        """End what has lasted its time; return it."""
        over = [entry for entry in self._entries.values() if entry.ends is not None and now >= entry.ends]
        for entry in over:
            entry.wish, entry.ends = replace(entry.wish, ended=True), None
            self._altered()
            self.changed = True
        return [entry.wish for entry in over]

    def next_at(self) -> list[int]:
        """When :meth:`expire` has something to do."""
        return [entry.ends for entry in self._entries.values() if entry.ends is not None]

    # What counts now

    def wanted_on(self, group: str) -> int:
        """The tag of the node where an operator wants the group, 0 = nowhere in particular."""
        return self._value(About.PLACE, group)

    def standby(self, node: str) -> bool:
        return self._value(About.NODE, node) == State.STANDBY

    def maintained(self, node: str) -> bool:
        return self._value(About.NODE, node) == State.MAINTENANCE

    def paused(self, group: str) -> bool:
        return self._value(About.GROUP, group) == State.MAINTENANCE

    def _drained(self) -> int:
        return sum(key[0] is About.SERVER and _stands(entry.wish) for key, entry in self._entries.items())

    def _room(self, wish: Wish) -> bool:
        """Whether there is room for ``wish``, or could be made by forgetting what was taken back before it was."""
        if (wish.kind, wish.about) in self._entries:
            return True
        servers = [entry.wish for key, entry in self._entries.items() if key[0] is About.SERVER]
        if wish.kind is not About.SERVER:
            return len(self._entries) - len(servers) < MOST
        if len(servers) < MOST_SERVERS:
            return True
        oldest = min((item for item in (*servers, wish) if not _stands(item)), key=_age, default=wish)
        if oldest is wish:
            return False
        del self._entries[About.SERVER, oldest.about]
        self._digest, self.changed = None, True
        return True

    def _value(self, about: About, name: str) -> int:
        entry = self._entries.get((about, tag(name)))
        return entry.wish.value if entry is not None and not entry.wish.ended else 0

    def _enter(self, wish: Wish, now: int) -> None:
        ends = now + wish.remaining if wish.remaining and not wish.ended else None
        self._entries[wish.kind, wish.about] = _Entry(replace(wish, remaining=0), ends)
        self._altered()

    def _altered(self) -> None:
        self._digest = None
        self.version += 1


def _stands(wish: Wish) -> bool:
    return bool(wish.value) and not wish.ended


def _age(wish: Wish) -> tuple[int, int, int]:
    """Wishes in the order in which they were made."""
    return wish.version, wish.origin, wish.about


def _rank(wish: Wish) -> tuple[int, int, bool, int]:
    """Of two for the same thing the higher counts; of the same one, that it has ended."""
    return wish.version, wish.origin, wish.ended, wish.value


def _left(entry: _Entry, now: int) -> Wish:
    """With the time that remains; with words only while it stands."""
    if entry.wish.ended or not entry.wish.value:
        return replace(entry.wish, author="", reason="")
    return replace(entry.wish, remaining=max(entry.ends - now, MILLISECOND) if entry.ends is not None else 0)
