"""What is known of the other nodes: sessions, sequence numbers, freshness by echo, liveness (rules 5 and 6)."""

from dataclasses import dataclass, field
from enum import Enum

from vedette.cluster.ballot import Ballot
from vedette.cluster.config import MOST_SCORE
from vedette.cluster.messages import Echo, Flag, Message

DUPLICATE_WINDOW = 64
"""A copy of one of this many latest datagrams is the other link's; anything older is a replay."""


class Verdict(Enum):
    """What a datagram is worth. Only ``FRESH`` ones may change anything but the echo slot."""

    FRESH = "fresh"
    UNPROVEN = "unproven"
    DUPLICATE = "duplicate"
    REPLAY = "replay"
    STALE = "stale"


@dataclass(slots=True)
class Slot:
    """One session of a peer. ``acked``/``groups``: the latest renewal of it that was voted on here."""

    session: int
    incarnation: int
    sequence: int
    heard: int
    acked: int = 0
    groups: int = 0

    def echo(self, node: int) -> Echo:
        return Echo(node, self.session, self.sequence, self.acked, self.groups)


@dataclass(slots=True)
class Peer:
    """Another node. ``current`` is its session; ``candidate`` one that has yet to prove that it is alive.

    A peer that is new here, has restarted, or whose disk was rolled back is first echoed from the candidate slot;
    when it echoes our own session in return, it becomes the current one. ``heard`` is the last authentic datagram,
    ``fresh`` the last that counted and ``signed`` the key of it; ``greeted``, ``taught`` and ``advised``: when an echo,
    a table of preferences or a charter was last sent; ``born``: when its newest session was first heard; ``refused``:
    when a datagram with an unknown key last named it.
    ``watchdog`` (ns) is what it advertised last, 0 = nothing: that word outlives its silence, and ends with its goodbye
    and with its next start. ``ethernet`` has the MACs with which it answers.
    """

    name: str
    tag: int
    current: Slot | None = None
    candidate: Slot | None = None
    proven: bool = False
    alive_until: int = 0
    heard: int = 0
    fresh: int = 0
    left: bool = False
    ready: bool = False
    ready_since: int = 0
    silent: bool = False
    score: int = MOST_SCORE
    score_since: int = 0
    own: dict[int, Ballot] = field(default_factory=dict)
    holds: frozenset[int] = frozenset()
    wishes: int = 0
    revision: int = 0
    digest: bytes = b""
    watchdog: int = 0
    ethernet: tuple[bytes, ...] = ()
    config: bytes = b""
    keys: tuple[bytes, ...] = ()
    signed: bytes = b""
    links: dict[str, int] = field(default_factory=dict)
    echoed: int = 0
    greeted: int | None = None
    taught: int | None = None
    advised: int | None = None
    born: int = 0
    refused: int = 0

    def alive(self, now: int) -> bool:
        """Until the time I sent what it echoed + D, not from receipt."""
        return now < self.alive_until

    def usable(self, now: int) -> bool:
        """Alive and ready to hold."""
        return self.ready and self.alive(now)

    @property
    def incarnation(self) -> int:
        return self.current.incarnation if self.current is not None else 0

    def echoes(self) -> list[Echo]:
        return [slot.echo(self.tag) for slot in (self.current, self.candidate) if slot is not None]

    def receive(self, message: Message, *, link: str, sent: int | None, now: int, dead_after: int) -> Verdict:
        """Judge a datagram and note its session; ``sent``: when I sent what it echoes (``None``: it does not)."""
        fresh = sent is not None and now - sent <= dead_after
        slot = self._slot(message.session)
        if slot is not None and message.sequence <= slot.sequence:
            return self._again(slot, message, link=link, now=now)
        older = self.current is not None and message.incarnation < self.current.incarnation
        same = self.current is not None and message.incarnation == self.current.incarnation
        if slot is not self.current and (older or same) and self.alive(now):
            return Verdict.STALE
        if slot is None and not self._open(message, now, dead_after):
            return Verdict.STALE
        slot = self._slot(message.session)
        assert slot is not None
        slot.sequence, slot.heard = message.sequence, now
        self.heard = now
        self.links[link] = now
        self.keys = message.keys
        if not fresh:
            return Verdict.UNPROVEN
        if slot is self.candidate:
            self._promote()
        self.proven, self.fresh = True, now
        assert sent is not None
        if Flag.GOODBYE not in message.flags:
            self.alive_until = max(self.alive_until, sent + dead_after)
            self.left = False
        return Verdict.FRESH

    def copied(self, link: str, now: int) -> None:
        """A datagram that has counted came once more: that link works too."""
        if self.alive(now):
            self.links[link] = now

    def leave(self) -> None:
        """A goodbye: it is away at once, and what it said no longer counts."""
        self.alive_until = 0
        self.left = True
        self._reset()

    def fall(self) -> None:
        """It is confirmed to be off: what it said no longer counts."""
        self.alive_until = 0
        self._reset()

    def _slot(self, session: int) -> Slot | None:
        for slot in (self.current, self.candidate):
            if slot is not None and slot.session == session:
                return slot
        return None

    def _again(self, slot: Slot, message: Message, *, link: str, now: int) -> Verdict:
        if message.sequence <= slot.sequence - DUPLICATE_WINDOW:
            return Verdict.REPLAY
        if slot is self.current:
            self.copied(link, now)
        return Verdict.DUPLICATE

    def _open(self, message: Message, now: int, dead_after: int) -> bool:
        """Give a session that is new here a slot; False when a better one is waiting in it."""
        slot = Slot(session=message.session, incarnation=message.incarnation, sequence=0, heard=now)
        self.born = now
        if self.current is None:
            self.current = slot
            return True
        waiting = self.candidate
        if waiting is not None and waiting.incarnation > slot.incarnation and now - waiting.heard <= dead_after:
            return False
        self.candidate = slot
        return True

    def _promote(self) -> None:
        self.current, self.candidate = self.candidate, None
        self.alive_until = 0
        self._reset()

    def _reset(self) -> None:
        self.ready, self.silent = False, False
        self.own, self.holds = {}, frozenset()
        self.watchdog = 0
        self.echoed = 0
