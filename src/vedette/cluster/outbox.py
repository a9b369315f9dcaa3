"""What goes out: sequence numbers and when they were used, announcements and their repeats, chunks (rules 4, 18)."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from vedette.cluster import wire
from vedette.cluster.ballot import Ballot
from vedette.cluster.config import REPEATS, tag
from vedette.cluster.events import Outgoing
from vedette.cluster.messages import Echo, Flag, Item, Message, Wishes
from vedette.cluster.peers import Peer

MOST_SENT = 4096
MOST_RENEWALS = 256
MOST_SAID = 128
"""Items of an announcement at most; what is beyond them the receivers learn when the records end."""


@dataclass(slots=True)
class Renewal:
    """One periodic heartbeat: when it was sent, what it renews by position and for how long (``lease``, ns), and who
    has acknowledged what. How long is what the voters that saw it record, whatever the timings are when they answer."""

    sent: int
    groups: tuple[tuple[int, Ballot], ...]
    lease: int
    acks: dict[int, set[str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Letterhead:
    """What every datagram of one call shares: how things stand here, and to whom and with what key it goes."""

    state: Message
    table: Wishes
    echoes: Mapping[str, tuple[Echo, ...]]
    cluster: bytes
    secret: bytes


@dataclass(slots=True)
class _Announcement:
    """Something that all should know soon: said at ``started`` and again until everyone alive has echoed it."""

    started: int
    sequence: int
    items: tuple[Item, ...]
    table: bool
    repeats: int = 0

    def next(self) -> int:
        return self.started + REPEATS[self.repeats]


class Outbox:
    """Collects what a call wants to say; :meth:`flush` turns it into datagrams with the ``now`` of that call."""

    def __init__(self, *, dead_after: int) -> None:
        self._dead_after = dead_after
        self._sequence = 0
        self._sent: dict[int, int] = {}
        self._said: _Announcement | None = None
        self.renewals: dict[int, Renewal] = {}
        self._announce = False
        self._table = False
        self._items: list[Item] = []
        self._everyone: list[Item] = []
        self._single: dict[str, list[Item]] = {}
        self._tables: set[str] = set()

    def remember_for(self, dead_after: int) -> None:
        """What was sent longer ago (ns) proves nothing."""
        self._dead_after = dead_after

    # What a call wants to say

    def announce(self, *items: Item, table: bool = False) -> None:
        """Tell everyone at once how things stand, with these items, and again until it is echoed."""
        self._announce = True
        self._table = self._table or table
        self._items += items

    def broadcast(self, item: Item) -> None:
        """Tell everyone once."""
        self._everyone.append(item)

    def answer(self, peer: str, *items: Item) -> None:
        """Tell one peer how things stand, with these items."""
        self._single.setdefault(peer, []).extend(items)

    def send_table(self, peer: str) -> None:
        """Send one peer this node's preferences."""
        self._tables.add(peer)

    # What has been said

    def sent_at(self, sequence: int) -> int | None:
        """When that sequence number was used, if it was at most D ago."""
        return self._sent.get(sequence)

    def repeat_at(self) -> int | None:
        """When the announcement is to be said again."""
        return self._said.next() if self._said is not None else None

    @property
    def settled(self) -> bool:
        """Nothing waits to be said or repeated."""
        return self._said is None and not self._announce

    def flush(
        self, now: int, write: Callable[[bool], Letterhead], *, renewal: Renewal | None, alive: list[Peer]
    ) -> tuple[Outgoing, ...]:
        """Make the datagrams of this call; ``renewal``: the periodic heartbeat that is due with it.

        ``write`` makes their head, with the table or without; most calls need none.
        One for everyone, or, when somebody is to be answered too, one for each: of two datagrams that leave together
        the second could overtake the first, which would then not count.
        """
        self._forget(now)
        repeating = self._repeat(now, alive)
        said = self._said
        items = self._everyone + self._items + (list(said.items) if repeating and said is not None else [])
        everyone = renewal is not None or self._announce or repeating or bool(items)
        table = self._table or (repeating and said is not None and said.table)
        first = self._sequence + 1
        out: tuple[Outgoing, ...] = ()
        if everyone or self._single or self._tables:
            head = write(table or bool(self._tables))
            out = tuple(self._written(now, head, items, renewal=renewal, table=table, everyone=everyone))
        self._settle(now, first)
        return out

    def _written(
        self, now: int, head: Letterhead, items: list[Item], *, renewal: Renewal | None, table: bool, everyone: bool
    ) -> Iterable[Outgoing]:
        known = head.echoes.keys()  # who has parted in this call is told nothing more
        if not known:
            return
        if everyone and not self._tables and not any(self._single.values()):
            yield from self._letters(now, head, items, renewal=renewal, table=table)
            return
        for name in sorted(known if everyone else known & (self._single.keys() | self._tables)):
            said_to = items + self._single.get(name, [])
            taught = table or name in self._tables
            yield from self._letters(now, head, said_to, to=name, renewal=renewal, table=taught)

    def _letters(
        self,
        now: int,
        head: Letterhead,
        items: list[Item],
        *,
        renewal: Renewal | None,
        table: bool,
        to: str | None = None,
    ) -> Iterable[Outgoing]:
        """As many datagrams as the items need; the first also says how things stand, and has the table if it fits."""
        full = head.state._replace(table=head.table) if table else head.state
        state = _addressed(full, head, to)
        apart = table and wire.size(state) > wire.LARGEST
        state = _addressed(head.state, head, to) if apart else state
        if renewal is not None:
            self.renewals[self._sequence + 1] = renewal
            state = state._replace(flags=state.flags | {Flag.PERIODIC})
        items = list(dict.fromkeys(items))
        while True:
            room = _fitting(items, wire.LARGEST - wire.size(state))
            yield self._send(now, head, state._replace(items=tuple(items[:room])), to)
            items = items[room:]
            if not items:
                break
            state = _addressed(_bare(head.state), head, to)
        if apart:
            yield from self._table_apart(now, head, to)

    def _table_apart(self, now: int, head: Letterhead, to: str | None) -> Iterable[Outgoing]:
        """The table by itself, in as many datagrams as it needs: it is merged entry by entry."""
        entries, bare = head.table.entries, _addressed(_bare(head.state, table=Wishes(())), head, to)
        while entries:
            room = wire.LARGEST - wire.size(bare)
            count = 0
            while count < len(entries) and (room := room - wire.wish_size(entries[count])) >= 0:
                count += 1
            yield self._send(now, head, bare._replace(table=Wishes(entries[:count])), to)
            entries = entries[count:]

    def _send(self, now: int, head: Letterhead, message: Message, to: str | None) -> Outgoing:
        self._sequence += 1
        self._sent[self._sequence] = now
        numbered = message._replace(sequence=self._sequence)
        data = wire.encode(numbered, cluster=head.cluster, secret=head.secret)
        assert len(data) <= wire.LARGEST
        return Outgoing(data=data, to=to)

    def _repeat(self, now: int, alive: list[Peer]) -> bool:
        """Whether the announcement is due again; it ends when everyone alive has echoed it, or after the last.

        An echo is of the highest number heard: that a state was heard at least as new, but not that a datagram with
        these items was, which another may have overtaken. So items are always said as often as they can be.
        """
        said = self._said
        if said is None:
            return False
        told = not said.items and not said.table and all(peer.echoed >= said.sequence for peer in alive)
        if alive and told:
            self._said = None
            return False
        if now < said.next():
            return False
        said.repeats += 1
        return True

    def _settle(self, now: int, first: int) -> None:
        said = self._said
        if self._announce:
            earlier = said.items if said is not None else ()
            table = self._table or (said is not None and said.table)
            items = tuple(dict.fromkeys((*earlier, *self._items)))[-MOST_SAID:]
            self._said = _Announcement(started=now, sequence=first, items=items, table=table)
        elif said is not None and said.repeats >= len(REPEATS):
            self._said = None
        self._announce = self._table = False
        self._items, self._everyone = [], []
        self._single, self._tables = {}, set()

    def _forget(self, now: int) -> None:
        """Drop what can prove nothing any more, and what would grow without bound."""
        for book, most in ((self._sent, MOST_SENT), (self.renewals, MOST_RENEWALS)):
            for sequence in list(book)[:-most] if len(book) > most else ():
                del book[sequence]
        while self._sent and now - self._sent[oldest := next(iter(self._sent))] > self._dead_after:
            del self._sent[oldest]
        while self.renewals and now - self.renewals[oldest := next(iter(self.renewals))].sent > self._dead_after:
            del self.renewals[oldest]


def _addressed(message: Message, head: Letterhead, to: str | None) -> Message:
    """Echo whom it goes to.

    Where many have restarted at once, two echoes for each do not fit: who has yet to prove itself was greeted with
    a datagram of its own.
    """
    names = sorted(head.echoes) if to is None else [to]
    echoes = tuple([echo for name in names for echo in head.echoes[name]])
    both = message._replace(to=tag(to) if to is not None else 0, echoes=echoes)
    if wire.size(both) <= wire.LARGEST:
        return both
    return both._replace(echoes=tuple([echo for name in names for echo in head.echoes[name][:1]]))


def _fitting(items: list[Item], space: int) -> int:
    """How many of the items go into so many bytes."""
    count = 0
    for item in items[: wire.MOST_ITEMS]:
        space -= wire.item_size(item)
        if space < 0:
            break
        count += 1
    return count


def _bare(state: Message, *, table: Wishes | None = None) -> Message:
    """Without how things stand: for what did not fit into the first datagram."""
    return state._replace(flags=state.flags - {Flag.STATE}, own=(), holds=(), table=table)
