"""The links: UDP sockets around the sans-IO core (the one impure module of this package).

Every datagram goes out on every link. On a unicast link it goes to each node's address; on a multicast or broadcast
link it goes to all, also what is meant for one. A link whose address or interface is not there (yet) is tried again
every second; nothing that happens to a link is fatal, everything is counted. Links may be changed while they are
used: a socket that can stay as it is stays open.
"""

import asyncio
import contextlib
import errno
import socket
import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from vedette.cluster.wire import LARGEST
from vedette.kit import clock
from vedette.kit.datagrams import Batch, Pace
from vedette.kit.net import IPAddress, family
from vedette.kit.units import SECOND, seconds
from vedette.spec.resolved import Link

Receive = Callable[[str, bytes], None]
Endpoint = tuple[str, int] | tuple[str, int, int, int]

RETRY = SECOND
"""How often (ns) a link that could not be opened is tried again."""
AT_ONCE = 64
"""Datagrams read from one socket before the others, and everything else, have their turn."""
RECEIVE_BUFFER = 1 << 18
"""Bytes: some hundred datagrams. A flood or a long pause must not queue up more than can be read at once."""

_GONE = frozenset({errno.ENODEV, errno.ENXIO})
_CS6 = 0xC0
"""Class selector 6, network control (RFC 4594 section 3): heartbeats go before the traffic that they protect."""
_IP_MULTICAST_ALL, _IPV6_MULTICAST_ALL = 49, 29
_BROADCAST = "255.255.255.255"


@dataclass(slots=True)
class LinkStatistics:
    """One link. ``problem`` says why it is not open now, "" when it is. ``opened``: CLOCK_BOOTTIME ns, 0 = never."""

    name: str
    kind: str
    open: bool = False
    opened: int = 0
    problem: str = ""
    sent: int = 0
    received: int = 0
    send_errors: int = 0
    receive_errors: int = 0


@dataclass(slots=True)
class _Path:
    """A link as this node uses it. ``targets``: where a datagram for a node goes; ``everyone``: one for all.

    ``index``: the number of the interface when the link was opened; an interface that is made anew has another.
    """

    link: Link
    statistics: LinkStatistics
    interface: str | None
    end: socket.socket | None = None
    index: int = 0
    everyone: tuple[Endpoint, ...] = ()
    targets: dict[str, Endpoint] = field(default_factory=dict)
    pace: Pace = field(default_factory=lambda: Pace(AT_ONCE))
    resting: bool = False

    @property
    def shared(self) -> bool:
        return self.link.multicast is not None or self.link.broadcast


class Links:
    """All links of one node. ``receive`` is called with (link name, data); :attr:`read_at` is the time for it.

    ``interfaces`` maps the document's logical interface names to this node's (``Node.interfaces``).
    """

    def __init__(
        self, links: Sequence[Link], *, me: str, receive: Receive, interfaces: Mapping[str, str] | None = None
    ) -> None:
        self._me, self._receive = me, receive
        self._paths = self._mine(links, interfaces or {})
        self._retries: dict[str, asyncio.TimerHandle] = {}
        self._batch = Batch(AT_ONCE, LARGEST + 1)
        self.read_at = 0
        """CLOCK_BOOTTIME (ns), read after what ``receive`` is just called with had come."""

    async def open(self) -> None:
        """Open what can be opened now; the rest follows by itself."""
        for path in self._paths:
            self._open(path)

    def change(self, links: Sequence[Link], *, interfaces: Mapping[str, str]) -> None:
        """Use these links from now on. What is the same goes on untouched, counters included.

        Where only the others' addresses differ the socket stays, too; of what is closed everything that has arrived is
        read first.
        """
        former = {path.link.name: path for path in self._paths}
        paths = self._mine(links, interfaces)
        for number, path in enumerate(paths):
            old = former.get(path.link.name)
            if old is not None and _same_end(old, path, self._me):
                old.link = path.link
                self._aim(old)
                paths[number] = former.pop(path.link.name)
        for path in former.values():
            self._read(path)
            self._forget(path)
        self._paths = paths
        for path in paths:
            if path.end is None and path.link.name not in self._retries:
                self._open(path)

    def close(self) -> None:
        for timer in self._retries.values():
            timer.cancel()
        self._retries.clear()
        for path in self._paths:
            self._close(path)

    def send(self, data: bytes, *, to: str | None = None) -> None:
        """Send on every link to every other node, or to one."""
        for path in self._paths:
            if path.end is None:
                continue
            endpoints = path.everyone
            if to is not None and not path.shared:
                endpoints = (path.targets[to],) if to in path.targets else ()
            for endpoint in endpoints:
                self._send(path, data, endpoint)

    def statistics(self) -> tuple[LinkStatistics, ...]:
        return tuple(path.statistics for path in self._paths)

    # Inside

    def _mine(self, links: Sequence[Link], interfaces: Mapping[str, str]) -> list[_Path]:
        """The links that this node is on."""
        return [
            _Path(
                link,
                LinkStatistics(link.name, kind(link)),
                interfaces.get(link.interface, link.interface) if link.interface else None,
            )
            for link in links
            if self._me in link.addresses or link.multicast is not None or link.broadcast
        ]

    def _aim(self, path: _Path) -> None:
        if path.end is not None:
            try:
                _aim(path, self._me)
            except OSError as error:
                self._fail(path, error)

    def _forget(self, path: _Path) -> None:
        timer = self._retries.pop(path.link.name, None)
        if timer is not None:
            timer.cancel()
        self._close(path)

    def _send(self, path: _Path, data: bytes, endpoint: Endpoint) -> None:
        if path.end is None:
            return
        try:
            path.end.sendto(data, endpoint)
        except OSError as error:
            path.statistics.send_errors += 1
            if error.errno in _GONE or _index(path) != path.index:
                self._fail(path, error)
        else:
            path.statistics.sent += 1

    def _read(self, path: _Path) -> None:
        """Read what has arrived, with one look at the clock after it: in a flood every system call counts."""
        if path.end is None:
            return
        found: list[bytes] = []
        try:
            found = self._batch.receive(path.end.fileno())
        except OSError as error:
            path.statistics.receive_errors += 1
            if error.errno in _GONE:
                self._fail(path, error)
                return
        self.read_at = clock.boottime()
        path.statistics.received += len(found)
        self._rest(path, path.end, path.pace.rest(len(found), self.read_at))
        for data in found:
            self._receive(path.link.name, data)

    def _rest(self, path: _Path, end: socket.socket, duration: int | None) -> None:
        """Leave a flooded link alone for so long (ns); None: hear of whatever comes."""
        loop = asyncio.get_running_loop()
        if duration is not None:
            loop.call_later(seconds(duration), self._resume, path, end)
        if path.resting == (duration is not None):
            return
        path.resting = not path.resting
        if path.resting:
            loop.remove_reader(end)
        else:
            loop.add_reader(end, self._read, path)

    def _resume(self, path: _Path, end: socket.socket) -> None:
        if path.end is end:
            self._read(path)

    def _open(self, path: _Path) -> None:
        self._retries.pop(path.link.name, None)
        try:
            path.end = _connected(path, self._me)
        except OSError as error:
            self._fail(path, error)
            return
        path.statistics.open, path.statistics.problem = True, ""
        path.statistics.opened = clock.boottime()
        path.pace, path.resting = Pace(AT_ONCE), False
        asyncio.get_running_loop().add_reader(path.end, self._read, path)

    def _fail(self, path: _Path, error: OSError) -> None:
        """Close the link and try again soon."""
        self._close(path)
        path.statistics.problem = error.strerror or str(error)
        loop = asyncio.get_running_loop()
        self._retries[path.link.name] = loop.call_later(seconds(RETRY), self._open, path)

    def _close(self, path: _Path) -> None:
        if path.end is not None:
            asyncio.get_running_loop().remove_reader(path.end)
            path.end.close()
            path.end = None
        path.statistics.open = False


def _connected(path: _Path, me: str) -> socket.socket:
    """Make the socket of a link and fill in where it sends to; raises ``OSError``."""
    link = path.link
    path.index = _index(path)
    with contextlib.ExitStack() as undo:
        if link.broadcast:
            opened = undo.enter_context(_socket(socket.AF_INET))
            _open_broadcast(opened, path)
        elif link.multicast is not None:
            opened = undo.enter_context(_socket(family(link.multicast)))
            _open_multicast(opened, path, link.multicast)
        else:
            opened = undo.enter_context(_socket(family(link.addresses[me])))
            opened.bind(_endpoint(link.addresses[me], path))
            _aim(path, me)
        undo.pop_all()
    return opened


def _index(path: _Path) -> int:
    """The number of the link's interface now; 0 when it has none or that is gone."""
    try:
        return socket.if_nametoindex(path.interface) if path.interface is not None else 0
    except OSError:
        return 0


def _aim(path: _Path, me: str) -> None:
    """Fill in where a unicast link sends to; raises ``OSError`` where a link-local address lacks its interface."""
    if path.shared:
        return
    others = sorted(set(path.link.addresses) - {me})
    path.targets = {name: _endpoint(path.link.addresses[name], path) for name in others}
    path.everyone = tuple(path.targets.values())


def _same_end(one: _Path, other: _Path, me: str) -> bool:
    """Whether one socket serves both: everything but the addresses of the others is equal."""
    return (one.interface, *_end(one.link, me)) == (other.interface, *_end(other.link, me))


def _end(link: Link, me: str) -> tuple[object, ...]:
    shared = link.multicast is not None or link.broadcast
    return link.port, link.multicast, link.broadcast, None if shared else link.addresses[me]


def kind(link: Link) -> str:
    """The word that the document has for this kind of link."""
    return "multicast" if link.multicast is not None else "broadcast" if link.broadcast else "unicast"


def _socket(address_family: int) -> socket.socket:
    made = socket.socket(address_family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
    if address_family == socket.AF_INET:
        made.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, _CS6)
    else:
        made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_TCLASS, _CS6)
        made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    return made


def _open_broadcast(opened: socket.socket, path: _Path) -> None:
    """255.255.255.255 out of one interface (socket(7), SO_BINDTODEVICE): no need to know its subnets."""
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
    if path.interface is not None:
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, path.interface.encode() + b"\0")
    opened.bind(("", path.link.port))
    path.everyone = ((_BROADCAST, path.link.port),)


def _open_multicast(opened: socket.socket, path: _Path, group: IPAddress) -> None:
    """Join on one interface, send there, one hop far, and do not hear oneself (ip(7), ipv6(7))."""
    index = socket.if_nametoindex(path.interface) if path.interface is not None else 0
    if group.version == 4:
        member = struct.pack("@4s4si", group.packed, bytes(4), index)
        opened.setsockopt(socket.IPPROTO_IP, _IP_MULTICAST_ALL, 0)
        opened.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, 1)
        opened.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_LOOP, 0)
        opened.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, member)
        opened.bind((str(group), path.link.port))
        opened.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, member)
        path.everyone = ((str(group), path.link.port),)
        return
    opened.setsockopt(socket.IPPROTO_IPV6, _IPV6_MULTICAST_ALL, 0)
    opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, 1)
    opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_LOOP, 0)
    opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_IF, index)
    opened.bind((str(group), path.link.port, 0, index))
    opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP, group.packed + struct.pack("@I", index))
    path.everyone = ((str(group), path.link.port, 0, index),)


def _endpoint(address: IPAddress, path: _Path) -> Endpoint:
    """A socket address; a link-local one needs its interface (RFC 4007 section 6)."""
    if address.version == 4:
        return str(address), path.link.port
    scope = 0
    if address.is_link_local and path.interface is not None:
        scope = socket.if_nametoindex(path.interface)
    return str(address), path.link.port, 0, scope
