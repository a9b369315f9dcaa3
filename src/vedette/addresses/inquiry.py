"""Whether a stranger has a VIP that may be claimed here: a record of what was asked and heard (RFC 5227, RFC 4862).

Before an address is claimed, nobody else may answer for it: not the load balancer that this one replaces, not a machine
that somebody gave the address by hand. The cluster's own nodes are kept apart by leases and gates, not by this. What
one of them answers while it holds the address's group makes its MAC known, for this address in this group, and who is
known is no stranger: a switch that answers on behalf of a node that has died must not hold up who takes over.

Everything is asked as soon as it is in the document, so that a takeover finds the answer here and loses no time.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from vedette.addresses.frames import MAC_SIZE, Claim
from vedette.addresses.model import Link, Vip
from vedette.addresses.plan import Seat
from vedette.kit.net import IPAddress
from vedette.kit.units import MILLISECOND, SECOND

ROUND = 3
"""Probes, of which none may be answered."""
GAP = 50 * MILLISECOND
"""Between two probes of a round, and after the last one (ns): an answer takes a thousandth of it."""
PRESSING = 200 * MILLISECOND
"""From an answer to the next round (ns), while the address is wanted here."""
IDLE = 5 * SECOND
"""Between two rounds (ns) for an address that nobody has, and that nobody wants here."""
MOST_KNOWN = 32
"""MACs of nodes that have held an address; the oldest is forgotten first."""


@dataclass(slots=True)
class _Question:
    """``left`` probes of this round are to be sent, the next one at ``at`` (ns); then it is over.

    ``settled``: the last round that ended was met with silence, and nobody was heard since. ``stranger``: who was.
    ``known``: the MACs of nodes that have held it.
    """

    group: str
    link: Link
    at: int
    left: int = ROUND
    settled: bool = False
    stranger: bytes = b""
    known: dict[bytes, None] = field(default_factory=dict)

    def ask(self, now: int) -> None:
        self.at, self.left = now, ROUND

    def know(self, mac: bytes) -> None:
        """It is a node's, and nobody that is in the way."""
        while len(self.known) >= MOST_KNOWN:
            del self.known[next(iter(self.known))]
        self.known[mac] = None
        if self.stranger == mac:
            self.settled, self.stranger = True, b""


class Inquiry:
    """All instants are CLOCK_BOOTTIME ns."""

    def __init__(self) -> None:
        self._questions: dict[IPAddress, _Question] = {}
        self._elsewhere: frozenset[str] = frozenset()
        self._free: frozenset[str] = frozenset()
        self._wanted: frozenset[str] = frozenset()

    def keep(self, seats: Iterable[Seat], now: int) -> None:
        """Ask about exactly these, beginning with those that are new, or whose interface has changed."""
        former, self._questions = self._questions, {}
        for seat in seats:
            if seat.link is None or not _asks(seat.vip, seat.link):
                continue
            known = former.get(seat.vip.address)
            if known is None or known.group != seat.vip.group:
                known = _Question(seat.vip.group, seat.link, now)
            elif known.link != seat.link:
                known = _Question(seat.vip.group, seat.link, now, known=known.known)
            self._questions[seat.vip.address] = known

    def attend(self, holders: Mapping[str, str | None], *, me: str, now: int) -> None:
        """Take note of who holds each group, as far as it is known here: what that node answers is its business."""
        elsewhere = frozenset(group for group, holder in holders.items() if holder not in (None, me))
        free = frozenset(group for group, holder in holders.items() if holder is None)
        for question in self._questions.values():
            group = question.group
            if group in elsewhere and question.stranger:
                question.know(question.stranger)
            if group in (elsewhere - self._elsewhere) | (free - self._free):
                question.ask(now)
        self._elsewhere, self._free = elsewhere, free

    def want(self, groups: frozenset[str], now: int) -> None:
        """These are to be claimed here: what is in doubt about them is asked at once."""
        for question in self._questions.values():
            new = question.group in groups - self._wanted
            if new and not question.settled and question.at > now + GAP:
                question.ask(now)
        self._wanted = groups

    def hear(self, interface: str, claim: Claim, now: int) -> None:
        """Somebody that is not this machine has the address."""
        question = self._questions.get(claim.address)
        if question is None or question.link.name != interface or claim.mac in question.known:
            return
        if question.group in self._elsewhere:
            question.know(claim.mac)
            return
        question.settled, question.stranger = False, claim.mac
        pause = PRESSING if question.group in self._wanted else IDLE
        question.at, question.left = now + pause, ROUND

    def due(self, now: int) -> list[tuple[Link, IPAddress]]:
        """The probes to be sent now. A round that has ended is judged."""
        found = []
        for address, question in self._questions.items():
            if question.at > now:
                continue
            if question.left:
                question.left -= 1
                question.at = now + GAP
                found.append((question.link, address))
            else:
                question.settled, question.stranger = True, b""
                question.at, question.left = now + IDLE, ROUND if question.group in self._free else 0
        return found

    @property
    def at(self) -> int | None:
        """When :meth:`due` has something to do."""
        return min((question.at for question in self._questions.values()), default=None)

    @property
    def asked(self) -> frozenset[IPAddress]:
        """What claims are listened for."""
        return frozenset(self._questions)

    @property
    def vacant(self) -> frozenset[IPAddress]:
        """What was asked about, and nobody has."""
        return frozenset(address for address, question in self._questions.items() if question.settled)

    def doubts(self, seat: Seat) -> bool:
        """Whether the VIP must not be claimed now: somebody has it, or it is not known yet that nobody has."""
        question = self._questions.get(seat.vip.address)
        return seat.link is not None and _asks(seat.vip, seat.link) and not (question and question.settled)

    def stranger(self, address: IPAddress) -> bytes:
        """The MAC of the stranger that has it; empty where nobody is known to."""
        question = self._questions.get(address)
        return question.stranger if question is not None else b""


def _asks(vip: Vip, link: Link) -> bool:
    """An interface without an Ethernet address has no neighbours to ask."""
    return vip.ask_first and len(link.mac) == MAC_SIZE
