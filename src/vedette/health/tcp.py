"""The TCP check: the server must accept a connection.

Checks are plain callbacks of a :class:`Poller`: no task, no stream, no transport, which costs a quarter to a third of
the processor time of coroutines (facts-checks.md section 1). The other checks over TCP build on :class:`TcpAttempt`.
"""

import errno
import os
import socket
import struct
from functools import partial

from vedette.health.attempt import Finished, Start
from vedette.health.judge import Outcome
from vedette.health.poller import Poller
from vedette.kit import net
from vedette.state.health import Target

_STREAM = socket.SOCK_STREAM | socket.SOCK_NONBLOCK
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)
"""struct linger. Zero seconds: no TIME_WAIT for thousands of checks a second. More than zero would make close(2)
wait for the peer even on a non-blocking socket, and one cut cable would stop every check (facts-checks.md 4.1)."""

_UNPRIVILEGED = 1024
"""The kernel chooses local ports from here up (ip(7), ip_local_port_range)."""

_OURS = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM, errno.EADDRNOTAVAIL, errno.EAGAIN})
"""Errors that say something of this machine (no descriptors, memory or local ports left), not of the server."""

_REASONS = {
    errno.ECONNREFUSED: "connection refused",
    errno.ECONNRESET: "connection reset",
    errno.EPIPE: "connection reset",
    errno.ETIMEDOUT: "no answer",
    errno.EHOSTUNREACH: "host unreachable",
    errno.ENETUNREACH: "no route to the server",
    errno.EACCES: "blocked by this machine's firewall",
    errno.EPERM: "blocked by this machine's firewall",
    errno.EAFNOSUPPORT: "this machine does not speak the address family",
}


def prepare(target: Target) -> Start:
    """Bind everything that stays the same from check to check."""
    family, peer = address(target)
    return partial(TcpAttempt, family, peer)


def address(target: Target) -> tuple[int, tuple[str, int]]:
    """The socket family and address to connect to."""
    return net.family(target.address), (str(target.address), target.port)


class TcpAttempt:
    """A connection that is opened and, when it stands, handed to :meth:`connected`."""

    __slots__ = ("_descriptor", "_family", "_finished", "_peer", "_poller", "_socket", "done")

    def __init__(self, family: int, peer: tuple[str, int], poller: Poller, finished: Finished) -> None:
        self._family, self._peer, self._poller, self._finished = family, peer, poller, finished
        self._socket: socket.SocketType | None = None
        self._descriptor = -1
        self.done = False

    def begin(self) -> None:
        """Connect. May report at once."""
        try:
            self._socket = connection = socket.SocketType(self._family, _STREAM)
            self._descriptor = connection.fileno()
            error = connection.connect_ex(self._peer)
        except OSError as problem:
            error = problem.errno or errno.EINVAL
        if error in (errno.EINPROGRESS, 0):
            self._poller.add_writer(self._descriptor, self._established)
        else:
            self.fail(error)

    def expire(self, duration: str) -> None:
        """The time is up; ``duration`` is the time-out as people write it."""
        self.finish(Outcome.FAILED, self.overdue(duration))

    def cancel(self) -> None:
        """Stop without a report."""
        if not self.done:
            self.done = True
            self._close()

    def finish(self, outcome: Outcome, reason: str) -> None:
        """Report and close."""
        assert not self.done
        self.done = True
        self._close()
        self._finished(outcome, reason)

    def fail(self, error: int) -> None:
        """Report an error number of a socket call."""
        reason = _REASONS.get(error) or os.strerror(error).lower()
        self.finish(Outcome.UNABLE if error in _OURS else Outcome.FAILED, reason)

    # What the checks that speak over the connection replace

    def connected(self, connection: socket.SocketType) -> None:
        """The server has accepted; nothing more is asked of it here."""
        self.finish(Outcome.PASSED, "connection accepted")

    def overdue(self, duration: str) -> str:
        """Why an attempt that has run out of time has failed."""
        return f"no answer in {duration}"

    # End of what they replace

    def _established(self) -> None:
        connection = self._socket
        assert connection is not None
        error = connection.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if error:
            self.fail(error)
        elif self._peer[1] >= _UNPRIVILEGED and _talks_to_itself(connection, self._peer[1]):
            self.fail(errno.ECONNREFUSED)
        else:
            self.connected(connection)

    def _close(self) -> None:
        connection, self._socket = self._socket, None
        if connection is not None:
            self._poller.forget(self._descriptor)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
            connection.close()


def _talks_to_itself(connection: socket.SocketType, port: int) -> bool:
    """Whether the kernel chose for us the very port that we connect to: then TCP talks to itself (RFC 9293, 3.5)."""
    own = connection.getsockname()
    return bool(own[1] == port and own == connection.getpeername())
