"""Whether a stranger has a VIP that may be claimed here: a record of what was asked and heard (RFC 5227, RFC 4862).

Before an address is claimed, nobody else may answer for it: not the load balancer that this one replaces, not a machine
that somebody gave the address by hand. The cluster's own nodes are kept apart by leases and gates, not by this. They
say in their heartbeats with which MACs they answer, and so are no strangers: a switch that answers on behalf of a node
that has died must not hold up who takes over.

Everything is asked as soon as it is in the document, so that a takeover finds the answer here and loses no time.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

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
BURST, BREATH = 32, 10 * MILLISECOND
"""Probes sent at once, and the time (ns) until the next: all may be answered at once, and must be heard."""
MOST_UNSENT = 20
"""A probe that cannot be sent so often is given up: an address must not be on nobody because nobody can be asked."""


@dataclass(slots=True)
class _Question:
    """``left`` probes of this round are to be sent, the next one at ``at`` (ns); then it is over.

    ``settled``: the last round that ended was met with silence, and nobody was heard since. ``stranger``: who was.
    """

    group: str
    link: Link
    at: int
    left: int = ROUND
    unsent: int = 0
    settled: bool = False
    stranger: bytes = b""

    def ask(self, now: int) -> None:
        self.at, self.left = now, ROUND


class Inquiry:
    """All instants are CLOCK_BOOTTIME ns. ``changes`` grows whenever it is another thing what may be claimed."""

    def __init__(self) -> None:
        self._questions: dict[IPAddress, _Question] = {}
        self._nodes: frozenset[bytes] = frozenset()
        self._strict: frozenset[IPAddress] = frozenset()
        self._free: frozenset[str] = frozenset()
        self._wanted: frozenset[str] = frozenset()
        self._resume = 0
        self.changes = 0

    def keep(self, seats: Iterable[Seat], now: int) -> None:
        """Ask about exactly these, beginning with those that are new, or whose group or interface has changed."""
        former, self._questions = self._questions, {}
        for seat in seats:
            if seat.link is None or not _asks(seat.vip, seat.link):
                continue
            known = former.get(seat.vip.address)
            same = known is not None and (known.group, known.link) == (seat.vip.group, seat.link)
            self._questions[seat.vip.address] = known if known and same else _Question(seat.vip.group, seat.link, now)

    def attend(
        self, holders: Mapping[str, str | None], *, nodes: frozenset[bytes], strict: frozenset[IPAddress], now: int
    ) -> None:
        """Take note of who holds each group, as far as it is known here, and of the MACs of the cluster's ``nodes``.

        ``strict``: addresses for which a node may answer that should not, by a document of before.
        """
        free = frozenset(group for group, holder in holders.items() if holder is None)
        self._nodes, self._strict = nodes, strict
        for address, question in self._questions.items():
            if question.stranger and not self._in_the_way(address, question.stranger):
                self._settle(question)
            if question.group in free - self._free:
                question.ask(now)
        self._free = free

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
        if question is None or question.link.name != interface or not self._in_the_way(claim.address, claim.mac):
            return
        if question.settled or question.stranger != claim.mac:
            self.changes += 1
        question.settled, question.stranger = False, claim.mac
        question.at = now + (PRESSING if question.group in self._wanted else IDLE)
        question.left = ROUND

    def due(self, now: int, *, deaf: bool = False) -> list[tuple[Link, IPAddress]]:
        """The probes to be sent now. A round that has ended is judged, unless there is something left to hear."""
        found: list[tuple[Link, IPAddress]] = []
        crowded = False
        for address, question in self._questions.items():
            if question.at > now:
                continue
            if not question.left:
                self._end(question, now, deaf=deaf)
            elif len(found) < BURST:
                question.left -= 1
                question.at = now + GAP
                found.append((question.link, address))
            else:
                crowded = True
        self._resume = now + BREATH if crowded else 0
        return found

    def unsent(self, address: IPAddress) -> None:
        """The probe that was due could not be sent; it is tried again."""
        question = self._questions[address]
        question.unsent += 1
        if question.unsent <= MOST_UNSENT:
            question.left += 1

    @property
    def at(self) -> int | None:
        """When :meth:`due` has something to do."""
        first = min((question.at for question in self._questions.values()), default=None)
        return None if first is None else max(first, self._resume)

    @property
    def asked(self) -> frozenset[IPAddress]:
        """What claims are listened for."""
        return frozenset(self._questions)

    def doubts(self, seat: Seat) -> bool:
        """Whether the VIP must not be claimed now: somebody has it, or it is not known yet that nobody has."""
        if seat.link is None or not _asks(seat.vip, seat.link):
            return False
        question = self._questions.get(seat.vip.address)
        known = question is not None and (question.group, question.link) == (seat.vip.group, seat.link)
        return not (known and question is not None and question.settled)

    def stranger(self, address: IPAddress) -> bytes:
        """The MAC of the stranger that has it; empty where nobody is known to."""
        question = self._questions.get(address)
        return question.stranger if question is not None else b""

    def _in_the_way(self, address: IPAddress, mac: bytes) -> bool:
        return mac not in self._nodes or address in self._strict

    def _end(self, question: _Question, now: int, *, deaf: bool) -> None:
        if deaf:
            question.at = now + GAP
            return
        self._settle(question)
        question.unsent = 0
        question.at, question.left = now + IDLE, ROUND if question.group in self._free else 0

    def _settle(self, question: _Question) -> None:
        self.changes += not question.settled
        question.settled, question.stranger = True, b""


def _asks(vip: Vip, link: Link) -> bool:
    """An interface without an Ethernet address has no neighbours to ask."""
    return vip.ask_first and len(link.mac) == MAC_SIZE
