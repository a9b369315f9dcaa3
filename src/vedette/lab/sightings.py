"""Who answered for a virtual address on the wire, and when two machines did: pure.

A *sighting* is a frame in which a machine speaks for an address: an ARP reply or request with it as the sender, a
neighbour advertisement for it, or a packet from it. Frames of real servers in direct routing carry their own MAC
and are no sightings of a router; they are left out before analysis.
"""

import struct
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from ipaddress import IPv4Address, IPv6Address
from itertools import pairwise
from pathlib import Path

from vedette.kit.net import IPAddress
from vedette.kit.units import MILLISECOND
from vedette.lab.tail import Tail

_RECORD = struct.Struct("=QBB6s16s")
SIZE = _RECORD.size

PRESENCE = 250 * MILLISECOND
"""A machine whose frames follow each other within this time is taken to answer all the time between them. The
watch asks for every address each 20 ms, so a machine that answers is seen a dozen times in it."""


class Speech(IntEnum):
    """``MARK`` is no frame: it says that everything seen before its instant is recorded."""

    MARK = 0
    ARP_REPLY = 1
    ARP_REQUEST = 2
    ADVERTISEMENT = 3
    PACKET = 4


ANSWERS = frozenset({Speech.ARP_REPLY, Speech.ADVERTISEMENT})
"""What tells a neighbour where an address lives because it asked."""


@dataclass(frozen=True, slots=True)
class Sighting:
    """``at`` is CLOCK_MONOTONIC in ns, stamped by the host's kernel when the frame crossed the bridge."""

    at: int
    speech: Speech
    mac: str
    address: IPAddress


@dataclass(frozen=True, slots=True)
class Double:
    """Two machines spoke for one address for ``length`` ns, in ``frames`` frames together; ``first`` came first."""

    address: IPAddress
    first: str
    second: str
    start: int
    length: int
    frames: int


@dataclass(frozen=True, slots=True)
class Presence:
    """A machine answered for an address from ``first`` to ``last``."""

    first: int
    last: int
    sightings: tuple[int, ...]


def encode(sighting: Sighting) -> bytes:
    mac = bytes.fromhex(sighting.mac.replace(":", ""))
    return _RECORD.pack(sighting.at, sighting.speech, sighting.address.version, mac, sighting.address.packed)


def mark(at: int) -> bytes:
    """The record that says: nothing seen before ``at`` is missing."""
    return _RECORD.pack(at, Speech.MARK, 0, b"", b"")


def decode(data: bytes) -> Iterator[Sighting | int]:
    """The sightings, and marks as bare instants; an unfinished record at the end is left out."""
    whole = len(data) - len(data) % SIZE
    for at, speech, version, mac, packed in _RECORD.iter_unpack(data[:whole]):
        if speech == Speech.MARK:
            yield at
        else:
            address = IPv4Address(packed[:4]) if version == 4 else IPv6Address(packed)
            yield Sighting(at, Speech(speech), mac.hex(":"), address)


class Logbook:
    """Reads a growing file of sightings, once each."""

    def __init__(self, path: Path) -> None:
        self._tail = Tail(path, SIZE)
        self._sightings: list[Sighting] = []
        self.complete_until = 0

    def read(self) -> None:
        """Take in what was written since the last call."""
        for item in decode(self._tail.read()):
            if isinstance(item, int):
                self.complete_until = max(self.complete_until, item)
            else:
                self._sightings.append(item)

    def between(self, since: int, until: int) -> list[Sighting]:
        return [sighting for sighting in self._sightings if since <= sighting.at <= until]

    def forget(self, before: int) -> None:
        self._sightings = [sighting for sighting in self._sightings if sighting.at >= before]


def presences(instants: Iterable[int], *, within: int = PRESENCE) -> list[Presence]:
    """Join instants (any order) that follow each other within ``within`` ns."""
    found: list[Presence] = []
    run: list[int] = []
    for instant in sorted(instants):
        if run and instant - run[-1] > within:
            found.append(Presence(run[0], run[-1], tuple(run)))
            run = []
        run.append(instant)
    if run:
        found.append(Presence(run[0], run[-1], tuple(run)))
    return found


def doubles(sightings: Iterable[Sighting], machines: Mapping[str, str]) -> list[Double]:
    """Every pair of machines that spoke for one address at a time; ``machines`` maps a MAC to its machine.

    A hand-over (A, A, B, B) and a hand-over and back (A, B, A) are no doubles as long as whoever comes second has
    not spoken before the first fell silent: while one machine's presence lasts, any frame of another is one.
    """
    spoken: dict[IPAddress, dict[str, list[int]]] = {}
    for sighting in sightings:
        machine = machines.get(sighting.mac)
        if machine is not None:
            spoken.setdefault(sighting.address, {}).setdefault(machine, []).append(sighting.at)
    found: list[Double] = []
    for address, by_machine in spoken.items():
        present = {machine: presences(instants) for machine, instants in by_machine.items()}
        names = sorted(present)
        for index, one in enumerate(names):
            for other in names[index + 1 :]:
                found += _overlaps(address, one, present[one], other, present[other])
    return sorted(found, key=lambda double: double.start)


def _overlaps(
    address: IPAddress, one: str, ones: Sequence[Presence], other: str, others: Sequence[Presence]
) -> Iterator[Double]:
    for left in ones:
        for right in others:
            start, end = max(left.first, right.first), min(left.last, right.last)
            if start <= end:
                first, second = (one, other) if left.first <= right.first else (other, one)
                frames = sum(start <= at <= end for at in left.sightings + right.sightings)
                yield Double(address, first, second, start, end - start, frames)


def silence(sightings: Iterable[Sighting], address: IPAddress, *, since: int, until: int) -> int:
    """The longest time (ns) in which nobody answered a question for ``address``; an unended one counts in full."""
    instants = sorted(
        sighting.at
        for sighting in sightings
        if sighting.address == address and sighting.speech in ANSWERS and since <= sighting.at <= until
    )
    points = [since, *instants, until]
    return max(later - earlier for earlier, later in pairwise(points))
