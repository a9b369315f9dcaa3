"""Sending connections to the other directors' kernels: all of them for one that has come up, young ones always.

The kernel tells of a connection once it has seen its second packet, but keeps that back until a datagram is full or
two to three seconds are over (ip_vs_sync.c, IPVS_SYNC_FLUSH_TIME). In a quiet service that is the whole delay: what is
younger would not survive. So what is new in the table is sent here again, a few times a second.
"""

import asyncio
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from vedette.ipvs.connections import wire
from vedette.ipvs.connections.kernel import Sender, SyncKernel
from vedette.ipvs.connections.model import (
    ANY,
    ENDED,
    GOING,
    LASTING,
    Connection,
    Daemon,
    Line,
    parse,
    text,
    virtual_text,
)
from vedette.ipvs.connections.plea import Sent
from vedette.ipvs.connections.services import Services
from vedette.kit.units import MILLISECOND, SECOND, seconds

RATE = 500
"""Datagrams a second: more overflow the receiving daemon's buffer (facts-kernel.md section 3.2)."""
BURST = 5
LOOK = 250 * MILLISECOND
"""Between two looks for young connections (ns)."""
SHARE = 20
"""Looking for them takes at most this part of the time: one twentieth."""
LONGEST_LOOK = 2 * SECOND
"""Beyond this distance (ns) it is of no use: a table so large fills the kernel's datagrams faster."""
SERVICES_KEPT = 5 * SECOND
"""How long (ns) one look at the services serves for the young."""


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """What another director holds, and therefore knows better: virtual addresses (packed) and firewall marks."""

    addresses: frozenset[bytes] = frozenset()
    marks: frozenset[int] = frozenset()

    def __contains__(self, item: Connection) -> bool:
        if item.protocol == ANY:
            return int.from_bytes(item.virtual[:4]) in self.marks
        return item.virtual in self.addresses


class Young:
    """What is new in the table since the last look. The first look after a pause finds nothing new."""

    def __init__(self) -> None:
        self._known: Collection[Line] | None = None

    def fresh(self, lines: Sequence[Line]) -> list[Line]:
        """A line is an entry with its state: a handshake that has ended is new, too."""
        former, self._known = self._known, frozenset(lines)
        return [] if former is None else [line for line in lines if line not in former]

    def forget(self) -> None:
        self._known = None


class Dumps:
    """Reads, encodes and sends. One thing at a time; the work on large tables is done in a thread."""

    def __init__(self, kernel: SyncKernel | None = None, *, sender: Callable[[Daemon], Sender] = Sender) -> None:
        self._kernel = kernel or SyncKernel()
        self._sender = sender
        self._busy = asyncio.Lock()
        self._young = Young()
        self._services: tuple[int, Services] | None = None
        self.sent_young = 0

    def close(self) -> None:
        self._kernel.close()

    async def count(self) -> int:
        """How many connections the services' servers have; raises ``OSError``, ``VedetteError``.

        The list itself would be the longer way: each page of it makes the kernel begin anew (ip_vs_conn_seq_start).
        """
        async with self._busy:
            return await asyncio.to_thread(self._kernel.count)

    async def everything(self, daemon: Daemon, but: Elsewhere) -> Sent:
        """Send all connections that can go on, except those that others hold. Raises ``OSError``, ``VedetteError``.

        Those that somebody would miss go first: should all of them take too long, these have arrived.
        """
        async with self._busy:
            begun = time.monotonic_ns()
            services, lines = await asyncio.to_thread(self._look)
            count = sent = 0
            for part in _by_urgency(lines):
                number, datagrams = await asyncio.to_thread(_encode, part, services, daemon, but)
                await self.send(daemon, datagrams)
                count, sent = count + number, sent + len(datagrams)
            return Sent(count, sent, (time.monotonic_ns() - begun) // MILLISECOND)

    async def young(self, daemon: Daemon, but: Elsewhere) -> int:
        """Send what has become established since the last look; returns how long (ns) to wait before the next one."""
        async with self._busy:
            begun = time.monotonic_ns()
            datagrams = await asyncio.to_thread(self._fresh, daemon, but)
            took = time.monotonic_ns() - begun
            await self.send(daemon, datagrams)
        return max(LOOK, took * SHARE)

    def forget_young(self) -> None:
        """Nobody is there to hear now: what is found when somebody is again is not young."""
        self._young.forget()

    def _look(self) -> tuple[Services, list[Line]]:
        return Services(self._kernel.table()), self._kernel.lines()

    def _fresh(self, daemon: Daemon, but: Elsewhere) -> list[bytes]:
        theirs = frozenset(map(text, but.addresses))
        lines = [
            line
            for line in self._young.fresh(self._kernel.lines())
            if line[0].endswith(GOING) and virtual_text(line) not in theirs
        ]
        found = [item for item in parse(lines) if item not in but]
        self.sent_young += len(found)
        if not found:
            return []
        return list(wire.datagrams(self._known_services().entries(found), id=daemon.id))

    def _known_services(self) -> Services:
        now = time.monotonic_ns()
        if self._services is None or now - self._services[0] > SERVICES_KEPT:
            self._services = now, Services(self._kernel.table())
        return self._services[1]

    async def send(self, daemon: Daemon, datagrams: Sequence[bytes]) -> None:
        """At a pace that the receivers' kernels keep up with."""
        if not datagrams:
            return
        sender = self._sender(daemon)
        try:
            due = time.monotonic_ns()
            for start in range(0, len(datagrams), BURST):
                for datagram in datagrams[start : start + BURST]:
                    sender.send(datagram)
                due += BURST * SECOND // RATE
                if start + BURST < len(datagrams):
                    await asyncio.sleep(seconds(max(0, due - time.monotonic_ns())))
        finally:
            sender.close()


def _by_urgency(lines: Sequence[Line]) -> tuple[list[Line], list[Line]]:
    """Established ones and templates; and what is forming, closing, or a datagram's. What has ended is left out."""
    first = [line for line in lines if line[0].endswith(LASTING)]
    return first, [line for line in lines if not line[0].endswith(LASTING + ENDED)]


def _encode(lines: Sequence[Line], services: Services, daemon: Daemon, but: Elsewhere) -> tuple[int, list[bytes]]:
    entries = services.entries(item for item in parse(lines) if not item.over and item not in but)
    return len(entries), list(wire.datagrams(entries, id=daemon.id))
