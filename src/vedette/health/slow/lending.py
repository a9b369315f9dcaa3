"""A connection lent to a library that blocks: what it may read is counted, and it can be taken away.

We connect, the library speaks, in a thread of its own. What a server may say in a check is bounded below the library,
in clear text and over TLS, because libraries believe the lengths that servers announce. When the time is up the
connection is shut down under the library's hands, and so its thread ends.
"""

import contextlib
import os
import socket
import ssl
import threading
from collections.abc import Callable
from typing import Any, TypeVar

from vedette.health.aim import BlockedError
from vedette.health.slow import threads
from vedette.health.slow.check import FailedError, UnableError
from vedette.health.slow.conversation import WHOLE, dial
from vedette.state.health import Target

T = TypeVar("T")


class _Counting:
    """Mixed into sockets: every way in which the libraries read, file objects over the socket included."""

    _taken = 0

    def recv(self, *arguments: Any) -> bytes:
        data: bytes = super().recv(*arguments)  # type: ignore[misc]  # the socket's
        self._count(len(data))
        return data

    def recv_into(self, *arguments: Any) -> int:
        size: int = super().recv_into(*arguments)  # type: ignore[misc]  # the socket's
        self._count(size)
        return size

    def _count(self, size: int) -> None:
        self._taken += size
        if self._taken > WHOLE:
            raise FailedError(f"the answer is longer than {WHOLE >> 10} KiB")


class _Socket(_Counting, socket.socket):
    pass


class _TlsSocket(_Counting, ssl.SSLSocket):
    pass


class Secure:
    """Stands for a context where a library switches to TLS; keeps the sockets that it makes."""

    def __init__(self, context: ssl.SSLContext, name: str, made: list[socket.socket]) -> None:
        self._context, self._name, self._made = context, name, made
        context.sslsocket_class = _TlsSocket  # our contexts make no other sockets

    def wrap_socket(self, plain: socket.socket, server_hostname: str | None = None) -> ssl.SSLSocket:
        """Agree on TLS; whom the certificate must be for is ours to say."""
        wrapped = self._context.wrap_socket(plain, server_hostname=self._name)
        self._made.append(wrapped)
        return wrapped


class Loan:
    """One connection in a library's hands."""

    def __init__(self, connection: socket.socket) -> None:
        self.socket: socket.socket = _Socket(fileno=connection.detach())
        self.socket.setblocking(True)
        self._handle = self.socket.dup()  # for TLS the library makes another socket of the first
        self._made: list[socket.socket] = [self.socket, self._handle]
        self._lock = threading.Lock()

    def secure(self, context: ssl.SSLContext, name: str) -> Secure:
        """What the library may switch to TLS with, for the server called ``name``."""
        return Secure(context, name, self._made)

    def call_in(self) -> None:
        """Shut the connection down, in whatever call the library is; from the loop."""
        with self._lock, contextlib.suppress(OSError):
            self._handle.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Give back every descriptor, also where the library still holds a file object over it."""
        with self._lock:
            for opened in self._made:
                descriptor = opened.detach()
                if descriptor >= 0:
                    os.close(descriptor)
            self._made.clear()


async def lend(target: Target, speak: Callable[[Loan], T]) -> T:
    """Connect to a target and return what ``speak`` returns, in a thread; it may raise what it likes.

    Raises ``OSError`` when there is no connection, :class:`BlockedError` and :class:`UnableError` when that is our own
    machine's fault.
    """
    loan = Loan(await dial(target))

    def call() -> T:
        try:
            return speak(loan)
        finally:
            loan.close()

    try:
        return await threads.run(call, release=loan.call_in)
    except (BlockedError, UnableError):  # no thread has begun
        loan.close()
        raise
