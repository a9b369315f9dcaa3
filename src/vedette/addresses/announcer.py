"""Tells neighbours where the held VIPs are, by the schedule, and notices who else claims them or those asked about."""

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address

from vedette.addresses import claims, frames
from vedette.addresses.announce import Kind, Schedule
from vedette.addresses.model import Link
from vedette.addresses.packets import Sender, Watcher
from vedette.kit.clock import boottime
from vedette.kit.log import event
from vedette.kit.net import IPAddress
from vedette.kit.units import seconds

_log = logging.getLogger("vedette.addresses")

_PAUSE = 0.01
"""Seconds for which a watcher that gave all that it may at once is not read."""


@dataclass(slots=True)
class _Held:
    link: Link
    schedule: Schedule


class Announcer:
    """Hears each claim by a MAC that is none of this machine's.

    ``conflict(address, mac)`` is called for those to a held address, ``claimed(interface, claim)`` for those to one of
    :attr:`asked`.
    """

    def __init__(
        self, conflict: Callable[[IPAddress, bytes], None], claimed: Callable[[str, frames.Claim], None]
    ) -> None:
        self._conflict, self._claimed = conflict, claimed
        self._asked: frozenset[IPAddress] = frozenset()
        self._loop = asyncio.get_running_loop()
        self._sender = Sender()
        self._watchers: dict[int, Watcher] = {}
        self._paused: dict[Watcher, asyncio.TimerHandle] = {}
        self._held: dict[IPAddress, _Held] = {}
        self._own_macs: frozenset[bytes] = frozenset()
        self._timer: asyncio.TimerHandle | None = None
        self._soon: asyncio.Handle | None = None
        self.router = False
        self.problem = ""
        """Why claims of others are not heard."""

    def close(self) -> None:
        for timer in (self._timer, self._soon, *self._paused.values()):
            if timer is not None:
                timer.cancel()
        for watcher in self._watchers.values():
            self._loop.remove_reader(watcher.fileno())
            watcher.close()
        self._watchers.clear()
        self._sender.close()

    def keep(self, held: Mapping[IPAddress, Link], *, own_macs: frozenset[bytes]) -> None:
        """Announce exactly these, beginning at once with those that are new or whose interface has changed."""
        now, watched = boottime(), frozenset(self._held)
        self._own_macs = own_macs
        # An interface without an Ethernet address has no neighbours to tell.
        links = {address: link for address, link in held.items() if len(link.mac) == frames.MAC_SIZE}
        self._held = {
            address: known
            if (known := self._held.get(address)) is not None and known.link == link
            else _Held(link, Schedule(now))
            for address, link in links.items()
        }
        self._send_due()
        if watched != self._held.keys():
            self._watch_soon()

    def attend(self, asked: frozenset[IPAddress]) -> None:
        """Listen for claims to these, too."""
        if asked != self._asked:
            self._asked = asked
            self._watch_soon()

    def probe(self, link: Link, address: IPAddress) -> bool:
        """Ask whether anybody has the address; whether that could be sent."""
        return self._emit(link, address, frames.probe(link.mac, address))

    def listen(self) -> bool:
        """Hear what has come by now; whether that was all."""
        if self._soon is not None or self._paused:
            return False
        for watcher in self._watchers.values():
            self._read(watcher)
        return not self._paused

    def again(self, address: IPAddress) -> None:
        """Begin the address's announcements again at once."""
        if address in self._held:
            self._held[address].schedule = Schedule(boottime())
            self._send_due()

    def _send_due(self) -> None:
        now = boottime()
        for address, held in self._held.items():
            while held.schedule.at <= now:
                self._send(address, held)
                held.schedule = held.schedule.advance(now)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._held:
            following = min(held.schedule.at for held in self._held.values())
            self._timer = self._loop.call_later(seconds(max(0, following - now)), self._send_due)

    def _send(self, address: IPAddress, held: _Held) -> None:
        link = held.link
        if held.schedule.kind is Kind.PROBE:
            frame = frames.probe(link.mac, address)
        else:
            frame = frames.announcement(link.mac, address, router=self.router)
        self._emit(link, address, frame)

    def _emit(self, link: Link, address: IPAddress, frame: bytes) -> bool:
        try:
            self._sender.send(link.name, frame)
            return True
        except OSError as error:
            event(_log, logging.DEBUG, "announcement.not_sent", address=address, reason=error.strerror)
            return False

    def _watch_soon(self) -> None:
        """Not now: opening and closing packet sockets waits for all processors (synchronize_net), and a hand-over may
        wait for who calls this."""
        if self._soon is None:
            self._soon = self._loop.call_soon(self._watch)

    def _watch(self) -> None:
        """Listen for claims to exactly the addresses that are held or asked about."""
        self._soon = None
        watched = [*self._held, *(self._asked - self._held.keys())]
        v4 = [address for address in watched if isinstance(address, IPv4Address)]
        v6 = [address for address in watched if isinstance(address, IPv6Address)]
        try:
            self._listen(frames.ARP, claims.arp(v4), wanted=bool(v4))
            self._listen(frames.IPV6, claims.advertisements(v6), wanted=bool(v6))
            self.problem = ""
        except OSError as error:
            self.problem = f"whether somebody else has it cannot be heard: {error.strerror}"

    def _listen(self, ethertype: int, code: bytes, *, wanted: bool) -> None:
        """Open a watcher when it is first needed. It stays, deaf: closing a packet socket waits for an RCU period."""
        watcher = self._watchers.get(ethertype)
        if watcher is not None:
            watcher.filter(code)
        elif wanted:
            watcher = self._watchers[ethertype] = Watcher(ethertype, code)
            self._loop.add_reader(watcher.fileno(), self._read, watcher)

    def _read(self, watcher: Watcher) -> None:
        """Hear some claims. After a full helping there is a pause, in which the kernel drops what is too much.

        Somebody who floods the network must not take the time of the process that keeps time.
        """
        if watcher.read(self._hear) and watcher not in self._paused:
            self._loop.remove_reader(watcher.fileno())
            self._paused[watcher] = self._loop.call_later(_PAUSE, self._resume, watcher)

    def _resume(self, watcher: Watcher) -> None:
        del self._paused[watcher]
        self._loop.add_reader(watcher.fileno(), self._read, watcher)

    def _hear(self, interface: str, claim: frames.Claim) -> None:
        held = self._held.get(claim.address)
        if claim.mac in self._own_macs:
            return
        if held is None:
            self._claimed(interface, claim)
            return
        if held.link.name != interface:
            return
        defended = held.schedule.defend(boottime())
        if defended is not held.schedule:
            held.schedule = defended
            self._send_due()
        self._conflict(claim.address, claim.mac)
