"""The links that heartbeats travel on: UDP sockets, one idea of what is sent and received for every kind of link.

A link that cannot be opened (its interface or address is not there yet) is tried again and again and disturbs no
other. Nothing is raised while it runs: what goes wrong is counted, and peers that are not heard speak for themselves.
"""

import asyncio
import contextlib
import errno
import logging
import socket
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address

from vedette.kit import log, net
from vedette.kit.net import IPAddress
from vedette.spec.resolved import Link

logger = logging.getLogger("vedette.links")

RETRY = 0.5
"""Seconds between tries to open a link."""
BURST = 64
"""Datagrams that are read from one link before others have their turn."""
LONGEST = 2048
"""Bytes read of a datagram; the codec refuses anything near it."""
BUFFER = 1 << 18
"""Bytes that the kernel may keep for us: a second of hostile traffic must not push out a second of heartbeats."""
_INTERNETWORK_CONTROL = 0xC0
"""Class selector 6 (RFC 2474): what routing protocols use, so that a busy network drops something else."""
_IP_MULTICAST_ALL = 49


@dataclass(slots=True)
class Statistics:
    """Datagrams and failed calls of one link; ``problem`` is empty, or why the link is not open."""

    sent: int = 0
    received: int = 0
    errors: int = 0
    problem: str = ""


class Links:
    """All links of this node. ``receive`` gets the link's name and each datagram, in the event loop."""

    def __init__(
        self,
        links: tuple[Link, ...],
        *,
        me: str,
        interfaces: Mapping[str, str],
        receive: Callable[[str, bytes], None],
    ) -> None:
        self._links = [_Path(link, me, interfaces, receive) for link in links if me in link.addresses]

    async def open(self) -> None:
        """Open what can be opened; the rest is tried again in the background."""
        for path in self._links:
            path.open()

    def close(self) -> None:
        for path in self._links:
            path.close()

    def send(self, data: bytes, *, to: str | None = None) -> None:
        """Send one datagram on every link, to one node or (``to`` None) to all."""
        for path in self._links:
            path.send(data, to)

    def statistics(self) -> dict[str, Statistics]:
        return {path.link.name: path.statistics for path in self._links}


class _Path:
    """One link's sockets: one that receives and sends, and for groups one more that hears the group."""

    def __init__(
        self, link: Link, me: str, interfaces: Mapping[str, str], receive: Callable[[str, bytes], None]
    ) -> None:
        self.link, self.statistics = link, Statistics()
        self._mine = link.addresses[me]
        self._peers = {name: address for name, address in link.addresses.items() if name != me}
        self._interface = interfaces.get(link.interface, link.interface) if link.interface else None
        self._receive = receive
        self._sockets: list[socket.socket] = []
        self._timer: asyncio.TimerHandle | None = None

    def open(self) -> None:
        self._timer = None
        try:
            for end in self._open():
                self._sockets.append(end)
                asyncio.get_running_loop().add_reader(end, self._readable, end)
        except OSError as error:
            self._close_sockets()
            problem = f"cannot be opened: {error.strerror}"
            if problem != self.statistics.problem:
                log.event(logger, logging.WARNING, "link.closed", link=self.link.name, reason=error.strerror)
            self.statistics.problem = problem
            self._timer = asyncio.get_running_loop().call_later(RETRY, self.open)
            return
        if self.statistics.problem:
            log.event(logger, logging.INFO, "link.open", link=self.link.name)
        self.statistics.problem = ""

    def close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._close_sockets()

    def send(self, data: bytes, to: str | None) -> None:
        if not self._sockets:
            return
        for destination in self._destinations(to):
            try:
                self._sockets[0].sendto(data, destination)
            except OSError as error:
                self.statistics.errors += 1
                if error.errno in (errno.ENODEV, errno.EADDRNOTAVAIL, errno.EBADF):
                    self._reopen()
                    return
            else:
                self.statistics.sent += 1

    def _destinations(self, to: str | None) -> list[tuple[str, int] | tuple[str, int, int, int]]:
        if self.link.multicast is not None:
            return [self._sockaddr(self.link.multicast)]
        if self.link.broadcast:
            return [("255.255.255.255", self.link.port)]
        if to is None:
            return [self._sockaddr(address) for address in self._peers.values()]
        return [self._sockaddr(self._peers[to])] if to in self._peers else []

    def _sockaddr(self, address: IPAddress) -> tuple[str, int] | tuple[str, int, int, int]:
        if isinstance(address, IPv4Address):
            return str(address), self.link.port
        scope = self._index() if address.is_link_local or address.is_multicast else 0
        return str(address), self.link.port, 0, scope

    def _index(self) -> int:
        return socket.if_nametoindex(self._interface) if self._interface else 0

    # sockets

    def _open(self) -> list[socket.socket]:
        group = self.link.multicast
        if group is None and not self.link.broadcast:
            return [self._socket(self._mine)]
        ends = [self._socket(self._mine)]
        try:
            ends.append(self._socket(group if group is not None else IPv4Address("0.0.0.0")))  # noqa: S104
            if group is not None:
                self._join(ends[0], ends[1], group)
            else:
                ends[0].setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        except OSError:
            for end in ends:
                end.close()
            raise
        return ends

    def _socket(self, address: IPAddress) -> socket.socket:
        end = socket.socket(net.family(address), socket.SOCK_DGRAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
        try:
            end.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            end.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER)
            if isinstance(address, IPv4Address):
                end.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, _INTERNETWORK_CONTROL)
            else:
                end.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                end.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_TCLASS, _INTERNETWORK_CONTROL)
            if self._interface is not None:  # a datagram that went round by another cable proves nothing of this one
                end.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, self._interface.encode() + b"\0")
            end.bind(self._sockaddr(address))
        except OSError:
            end.close()
            raise
        return end

    def _join(self, sender: socket.socket, hearer: socket.socket, group: IPAddress) -> None:
        """One hop, not heard by ourselves, and only this group's datagrams (ip(7), ipv6(7))."""
        if isinstance(group, IPv4Address):
            request = struct.pack("=4s4si", group.packed, self._mine.packed, self._index())
            hearer.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, request)
            hearer.setsockopt(socket.IPPROTO_IP, _IP_MULTICAST_ALL, 0)
            sender.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, request)
            sender.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, 1)
            sender.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_LOOP, 0)
            return
        index = self._index()
        hearer.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP, group.packed + struct.pack("=i", index))
        sender.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_IF, index)
        sender.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, 1)
        sender.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_LOOP, 0)

    def _readable(self, end: socket.socket) -> None:
        for _ in range(BURST):
            try:
                data = end.recv(LONGEST)
            except BlockingIOError:
                return
            except OSError:  # an ICMP error of an earlier send, or the interface has gone
                self.statistics.errors += 1
                return
            self.statistics.received += 1
            self._receive(self.link.name, data)
            if end.fileno() < 0:
                return  # what was received made us stop

    def _reopen(self) -> None:
        self._close_sockets()
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(RETRY, self.open)

    def _close_sockets(self) -> None:
        for end in self._sockets:
            with contextlib.suppress(OSError, ValueError):
                asyncio.get_running_loop().remove_reader(end)
            end.close()
        self._sockets.clear()
