"""TCP sockets that go from one check to the next.

Much of what a check costs the kernel is to make a socket, to watch it and to take it down. ``connect(2)`` to an address
of the family AF_UNSPEC dissolves a connection instead: it is reset, as by a close with SO_LINGER {1, 0}, nothing of it
is left in the socket (tcp_disconnect in net/ipv4/tcp.c), and the socket connects to the next server.

Only sockets whose connection came about are used again; all others are closed, and so are those beyond :data:`MOST`
and those of checks through a service, whose mark is good for one server alone.
"""

import ctypes
import socket
import struct
from typing import Protocol

from vedette.health.aim import Aim

MOST = 256
"""Sockets of one manner that wait for the next check."""
_NOWHERE = struct.pack("=H14x", socket.AF_UNSPEC)
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)
"""struct linger. Zero seconds: no TIME_WAIT for thousands of checks a second. More than zero would make close(2)
wait for the peer even on a non-blocking socket, and one cut cable would stop every check (facts-checks.md 4.1)."""

# Python's own connect takes addresses of the socket's family only.
_connect = ctypes.PyDLL(None).connect
_connect.argtypes = (ctypes.c_int, ctypes.c_char_p, ctypes.c_uint)
_connect.restype = ctypes.c_int


class Keeper(Protocol):
    """Who watches the sockets."""

    def keep(self, descriptor: int) -> None: ...
    def drop(self, descriptor: int) -> None: ...
    def forget(self, descriptor: int) -> None: ...


class Sockets:
    """Sockets by their manner: family, source and mark."""

    def __init__(self, keeper: Keeper) -> None:
        self._keeper = keeper
        self._idle: dict[tuple[object, ...], list[socket.SocketType]] = {}

    def take(self, aim: Aim) -> socket.SocketType:
        """A socket that is not connected; raises what :meth:`Aim.open` does."""
        idle = self._idle.get(aim.manner)
        if idle:
            return idle.pop()
        opened = aim.open(socket.SOCK_STREAM)
        self._keeper.keep(opened.fileno())
        return opened

    def give_back(self, used: socket.SocketType, aim: Aim, *, usable: bool) -> None:
        """Reset the connection, and put the socket by for the next check if it is ``usable``."""
        descriptor = used.fileno()
        if not usable:
            aim.failed(used)
        idle = self._idle.setdefault(aim.manner, [])
        if usable and aim.behind is None and len(idle) < MOST and _connect(descriptor, _NOWHERE, len(_NOWHERE)) == 0:
            self._keeper.forget(descriptor)
            idle.append(used)
        else:
            self._keeper.drop(descriptor)
            used.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
            used.close()

    def close(self) -> None:
        """Close what nobody uses."""
        for idle in self._idle.values():
            for unused in idle:
                self._keeper.drop(unused.fileno())
                unused.close()
        self._idle.clear()
