"""Watches the lab's wires: who speaks for each virtual address, asked for and unasked.

``python -m vedette.lab.wirewatch PLAN RECORDS`` runs in the namespace of the bridges. It hears every frame of each
bridge (AF_PACKET, promiscuous), keeps those in which somebody speaks for a watched address, and asks for every
address all the time (ARP request, neighbour solicitation), so that a machine which *would* answer is seen to.

The questions come from the bridge's own MAC and an address that nobody has: an answer to them refreshes nobody
else's neighbour entry, so that the watch cannot hide a missing announcement. Nothing asks the daemons.
"""

import ctypes
import json
import os
import select
import signal
import socket
import struct
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path

from vedette.kit import privileges
from vedette.kit.net import IPAddress, parse
from vedette.kit.units import MILLISECOND, SECOND
from vedette.lab import frames, sightings
from vedette.lab.sightings import Sighting, Speech

PERIOD = 20 * MILLISECOND
"""Between two questions for one address; with more than :data:`A_SECOND` questions a second, longer."""
A_SECOND = 500
THIN = 5 * MILLISECOND
"""Of frames by one machine for one address, one in this time is kept. A frame by another machine is always kept,
so a double of any length is seen."""
FLUSH = 50 * MILLISECOND
LONGEST_RUN = 3600 * SECOND

_ALL, _OUTGOING = 0x0003, 4
_SOL_PACKET, _ADD_MEMBERSHIP, _PROMISCUOUS = 263, 1, 1
_TIMESTAMPNS, _ATTACH_FILTER, _RCVBUFFORCE = 35, 26, 33
_AT_ONCE = 512
_MOST_FILTERED = 50
"""Addresses up to which the kernel sorts the frames out; beyond, this process does."""


@dataclass(frozen=True, slots=True)
class Segment:
    """One bridge: its interface, the addresses to watch, and the address to ask from (None: IPv6 only)."""

    interface: str
    addresses: tuple[IPAddress, ...]
    asker: IPv4Address | None = None


def dump(segments: Sequence[Segment]) -> str:
    """The plan as the process reads it."""
    return json.dumps(
        [
            {
                "interface": segment.interface,
                "addresses": [str(address) for address in segment.addresses],
                "asker": None if segment.asker is None else str(segment.asker),
            }
            for segment in segments
        ]
    )


def load(text: str) -> list[Segment]:
    """The inverse of :func:`dump`."""
    return [
        Segment(
            interface=item["interface"],
            addresses=tuple(parse(address) for address in item["addresses"]),
            asker=None if item["asker"] is None else IPv4Address(item["asker"]),
        )
        for item in json.loads(text)
    ]


class Ear:
    """The sniffing and asking socket of one segment."""

    def __init__(self, segment: Segment) -> None:
        self.segment = segment
        self._watched = {address.packed: address for address in segment.addresses}
        self._last: dict[bytes, tuple[bytes, int]] = {}
        self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_CLOEXEC, 0)
        if len(segment.addresses) <= _MOST_FILTERED:
            self._attach(frames.filter_of(segment.addresses))
        self.socket.setsockopt(socket.SOL_SOCKET, _RCVBUFFORCE, 8 << 20)
        self.socket.setsockopt(socket.SOL_SOCKET, _TIMESTAMPNS, 1)
        self.socket.bind((segment.interface, _ALL))
        index = socket.if_nametoindex(segment.interface)
        self.socket.setsockopt(_SOL_PACKET, _ADD_MEMBERSHIP, struct.pack("=iHH8s", index, _PROMISCUOUS, 0, b""))
        self.socket.setblocking(False)
        self._mac: bytes = self.socket.getsockname()[4]

    def _attach(self, program: bytes) -> None:
        code = ctypes.create_string_buffer(program)
        self.socket.setsockopt(
            socket.SOL_SOCKET, _ATTACH_FILTER, struct.pack("HP", len(program) // 8, ctypes.addressof(code))
        )

    def hear(self, realtime_offset: int) -> tuple[list[Sighting], bool]:
        """Take in what has come, and whether that was all; ``realtime_offset`` turns the kernel's stamps into
        CLOCK_MONOTONIC."""
        heard: list[Sighting] = []
        for _ in range(_AT_ONCE):
            try:
                frame, ancillary, _, sender = self.socket.recvmsg(128, 64)
            except BlockingIOError:
                return heard, True
            if sender[2] != _OUTGOING:
                seconds_, nanoseconds = struct.unpack("=qq", ancillary[0][2])
                sighting = self._sort(frame, seconds_ * SECOND + nanoseconds - realtime_offset)
                heard += [sighting] if sighting else []
        return heard, False

    def _sort(self, frame: bytes, at: int) -> Sighting | None:
        spoken = frames.speaker(frame)
        if spoken is None:
            return None
        speech, mac, packed = spoken
        address = self._watched.get(packed)
        if address is None:
            return None
        last_mac, last_at = self._last.get(packed, (b"", 0))
        if mac == last_mac and at - last_at < THIN and speech is Speech.PACKET:
            return None
        self._last[packed] = mac, at
        return Sighting(at=at, speech=speech, mac=mac.hex(":"), address=address)

    def ask(self, address: IPAddress) -> None:
        """Ask who has ``address``; a full queue loses the question."""
        if isinstance(address, IPv6Address):
            frame = frames.neighbour_solicitation(self._mac, address)
        elif self.segment.asker is not None:
            frame = frames.arp_request(self._mac, self.segment.asker, address)
        else:
            return
        try:
            self.socket.send(frame)
        except OSError:
            return


class Watch:
    """Listens and asks until stopped; appends sightings and marks to ``records``."""

    def __init__(self, segments: Sequence[Segment], records: Path) -> None:
        self._ears = [Ear(segment) for segment in segments]
        self._questions = [(ear, address) for ear in self._ears for address in ear.segment.addresses]
        self._period = max(PERIOD, len(self._questions) * SECOND // A_SECOND)
        self._out = records.open("ab", buffering=0)
        self._buffer = bytearray()
        self._stopped = False
        self._seen_until = 0

    def stop(self, *_: object) -> None:
        self._stopped = True

    def run(self) -> None:
        poll = select.poll()
        for ear in self._ears:
            poll.register(ear.socket, select.POLLIN)
        begun = time.monotonic_ns()
        step = self._period // max(1, len(self._questions))
        due = [begun + index * step for index in range(len(self._questions))]
        flush_at = begun + FLUSH
        while not self._stopped and time.monotonic_ns() < begun + LONGEST_RUN:
            now = time.monotonic_ns()
            poll.poll(max(0, min([flush_at, *due]) - now) / MILLISECOND)
            now = time.monotonic_ns()
            self._hear(now)
            for index, (ear, address) in enumerate(self._questions):
                if due[index] <= now:
                    ear.ask(address)
                    due[index] = max(due[index] + self._period, now)
            if flush_at <= now:
                self._flush()
                flush_at = now + FLUSH
        self._flush()

    def _hear(self, now: int) -> None:
        """Take in everything that crossed the bridges before ``now``, and say so when nothing is left behind."""
        offset = time.clock_gettime_ns(time.CLOCK_REALTIME) - time.monotonic_ns()
        complete = True
        for ear in self._ears:
            heard, emptied = ear.hear(offset)
            self._buffer += b"".join(map(sightings.encode, heard))
            complete = complete and emptied
        if complete:
            self._seen_until = now

    def _flush(self) -> None:
        self._buffer += sightings.mark(self._seen_until)
        self._out.write(self._buffer)
        self._buffer.clear()


def main() -> int:
    privileges.die_with_parent(os.getppid())
    plan, records = sys.argv[1:3]
    watch = Watch(load(Path(plan).read_text()), Path(records))
    signal.signal(signal.SIGTERM, watch.stop)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a Ctrl-C is the rehearsal's business
    watch.run()
    return 0


if __name__ == "__main__":
    sys.exit(main())
