"""Serves sorry pages on virtual addresses: bounded, impatient, and never blocking.

When all real servers are down, everyone comes here at once, and some of them slowly or with bad intentions. So each
connection has a few seconds in all, there is a limit to their number, and when it is reached the oldest makes room.
"""

import asyncio
import errno
import os
import socket
from collections import OrderedDict
from collections.abc import Callable, Mapping
from email.utils import formatdate

from vedette.kit import net
from vedette.sorry import page as pages
from vedette.sorry.page import Place
from vedette.spec.resolved import SorryPage

PATIENCE = 5.0
"""Seconds for a client to ask, and as many to take the answer."""
CONNECTIONS = 4096
"""At most this many clients at a time."""
RETRY = 1.0
"""Seconds between attempts to listen where it was refused."""
PAUSE = 0.1
"""Seconds without accepting when the machine is out of descriptors or memory."""

_ACCEPTS = 32
_RECEIVE = 16 << 10
_IP_FREEBIND = 15
_IPV6_FREEBIND = 78
"""linux/in.h, linux/in6.h: bind to an address that is not here yet, so that the page is there before the traffic."""


class Server:
    """Listens where pages are wanted. ``changed`` is called when :attr:`listening` or :attr:`problems` changes."""

    def __init__(self, changed: Callable[[], None], *, connections: int = CONNECTIONS) -> None:
        self._changed, self._most = changed, connections
        self._loop = asyncio.get_running_loop()
        self._pages: dict[Place, SorryPage] = {}
        self._listeners: dict[Place, socket.socket] = {}
        self._open: OrderedDict[_Connection, None] = OrderedDict()
        """In the order of their deadlines."""
        self._timer: asyncio.TimerHandle | None = None
        self._retry: asyncio.TimerHandle | None = None
        self.problems: dict[Place, str] = {}

    @property
    def listening(self) -> frozenset[Place]:
        """Where pages are served."""
        return frozenset(self._listeners)

    @property
    def clients(self) -> int:
        """How many are connected."""
        return len(self._open)

    def apply(self, wanted: Mapping[Place, SorryPage]) -> None:
        """Serve exactly these pages; a page that only changes is changed without a gap."""
        self._pages = dict(wanted)
        for place in [place for place in self._listeners if place not in wanted]:
            self._unlisten(place)
        self.problems = {place: problem for place, problem in self.problems.items() if place in wanted}
        self._listen()
        self._changed()

    def close(self) -> None:
        """Stop everything."""
        self.apply({})
        for connection in list(self._open):
            connection.close()
        for timer in (self._timer, self._retry):
            if timer is not None:
                timer.cancel()

    def _listen(self) -> None:
        """Listen wherever it is wanted and not yet so; try again later where it fails."""
        for place in self._pages:
            if place not in self._listeners:
                try:
                    listener = _listener(place)
                except OSError as error:
                    self.problems[place] = _explain(place, error)
                    continue
                self.problems.pop(place, None)
                self._listeners[place] = listener
                self._loop.add_reader(listener, self._accept, place, listener)
        if self._retry is not None:
            self._retry.cancel()
            self._retry = None
        if self.problems:
            self._retry = self._loop.call_later(RETRY, self._listen_again)

    def _listen_again(self) -> None:
        before = dict(self.problems)
        self._listen()
        if self.problems != before:
            self._changed()

    def _unlisten(self, place: Place) -> None:
        listener = self._listeners.pop(place)
        self._loop.remove_reader(listener)
        listener.close()

    def _accept(self, place: Place, listener: socket.socket) -> None:
        for _ in range(_ACCEPTS):
            try:
                accepted, _ = listener.accept()
            except (BlockingIOError, ConnectionAbortedError):
                return
            except OSError:
                self._loop.remove_reader(listener)
                self._loop.call_later(PAUSE, self._resume, place, listener)
                return
            accepted.setblocking(False)
            _Connection(self, accepted, self._pages[place]).begin()

    def _resume(self, place: Place, listener: socket.socket) -> None:
        if self._listeners.get(place) is listener:
            self._loop.add_reader(listener, self._accept, place, listener)

    def wait_for(self, connection: "_Connection") -> None:
        """Give a connection :data:`PATIENCE` from now, and the oldest its leave if there are too many."""
        connection.deadline = self._loop.time() + PATIENCE
        self._open[connection] = None
        self._open.move_to_end(connection)
        if len(self._open) > self._most:
            next(iter(self._open)).close()
        if self._timer is None:
            self._timer = self._loop.call_at(connection.deadline, self._sweep)

    def forget(self, connection: "_Connection") -> None:
        """A connection is over."""
        del self._open[connection]

    def _sweep(self) -> None:
        self._timer = None
        now = self._loop.time()
        while self._open:
            oldest = next(iter(self._open))
            if oldest.deadline > now:
                self._timer = self._loop.call_at(oldest.deadline, self._sweep)
                return
            oldest.close()


class _Connection:
    """One client: it asks, gets its answer, and leaves or is made to."""

    __slots__ = ("_asked", "_leaving", "_loop", "_page", "_server", "_socket", "_unsent", "deadline")

    def __init__(self, server: Server, accepted: socket.socket, page: SorryPage) -> None:
        self._server, self._socket, self._page = server, accepted, page
        self._loop = asyncio.get_running_loop()
        self._asked = bytearray()
        self._unsent: bytes | None = None
        self._leaving = False
        self.deadline = 0.0

    def begin(self) -> None:
        """Wait for the request."""
        self._server.wait_for(self)
        self._loop.add_reader(self._socket, self._readable)

    def close(self) -> None:
        """The end, whatever the client still wants."""
        self._server.forget(self)
        self._loop.remove_reader(self._socket)
        self._loop.remove_writer(self._socket)
        self._socket.close()

    def _readable(self) -> None:
        try:
            data = self._socket.recv(_RECEIVE)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data and self._unsent:
            self._leaving = True  # it has closed its own side only, and still listens
            self._loop.remove_reader(self._socket)
        elif not data:
            self.close()
        elif self._unsent is None:
            self._asked += data
            self._consider()
        # What comes after the request is read and dropped: closing with it unread would reset the connection,
        # and the client could lose the answer that it has not read yet (RFC 9112 section 9.6).

    def _consider(self) -> None:
        try:
            method = pages.method(bytes(self._asked))
        except pages.NotHttpError:
            self.close()
            return
        if method is not None:
            self._unsent = pages.render(self._page, method, formatdate(usegmt=True))
            self._asked.clear()
            self._server.wait_for(self)
            self._loop.add_writer(self._socket, self._writable)

    def _writable(self) -> None:
        assert self._unsent is not None
        try:
            self._unsent = self._unsent[self._socket.send(self._unsent) :]
            if not self._unsent:
                self._loop.remove_writer(self._socket)
                self._socket.shutdown(socket.SHUT_WR)
        except BlockingIOError:
            return
        except OSError:
            self._leaving, self._unsent = True, b""
        if self._leaving and not self._unsent:
            self.close()


def _listener(place: Place) -> socket.socket:
    address, port = place
    family = net.family(address)
    listener = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            listener.setsockopt(socket.IPPROTO_IPV6, _IPV6_FREEBIND, 1)
        else:
            listener.setsockopt(socket.IPPROTO_IP, _IP_FREEBIND, 1)
        listener.bind((str(address), port))
        listener.listen(1024)
    except OSError:
        listener.close()
        raise
    return listener


def _explain(place: Place, error: OSError) -> str:
    where = net.endpoint(*place)
    match error.errno:
        case errno.EADDRINUSE:
            return f"another program listens on {where}: stop it, or bind it to another address"
        case errno.EACCES:
            return f"not allowed to listen on {where}: the capability CAP_NET_BIND_SERVICE is missing"
        case number:
            return f"cannot listen on {where}: {os.strerror(number or 0).lower()}"
