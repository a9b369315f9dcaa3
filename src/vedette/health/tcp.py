"""The TCP check: the server must accept a connection.

Checks are plain callbacks of a :class:`Poller`: no task, no stream, no transport, which costs a quarter to a third of
the processor time of coroutines (facts-checks.md section 1). The other checks over TCP build on :class:`TcpAttempt`.
"""

import errno
import socket
from functools import partial

from vedette.health import aim as aims
from vedette.health.aim import Aim, BlockedError
from vedette.health.attempt import Finished, Start
from vedette.health.judge import Outcome
from vedette.health.poller import Poller
from vedette.state.health import Target

_FAILED, _PASSED, _UNABLE = Outcome.FAILED, Outcome.PASSED, Outcome.UNABLE


def prepare(target: Target) -> Start:
    """Bind everything that stays the same from check to check."""
    return partial(TcpAttempt, aims.at(target))


class TcpAttempt:
    """A connection that is opened and, when it stands, handed to :meth:`connected`."""

    __slots__ = ("_aim", "_descriptor", "_finished", "_poller", "_socket", "_stands", "done")

    def __init__(self, aim: Aim, poller: Poller, finished: Finished) -> None:
        self._aim, self._finished = aim, finished
        self._poller = poller
        self._socket: socket.SocketType | None = None
        self._descriptor = -1
        self._stands = False
        """Whether the connection has come about."""
        self.done = False

    def begin(self) -> None:
        """Connect. May report at once."""
        aim = self._aim
        try:
            self._stands = False
            self._socket = connection = self._poller.sockets.take(aim)
            self._descriptor = connection.fileno()
            error = connection.connect_ex(aim.peer)
        except BlockedError as blocked:
            self.finish(Outcome.BLOCKED, str(blocked))
            return
        except OSError as problem:
            error = problem.errno or errno.EINVAL
        if error in (errno.EINPROGRESS, 0):
            self._poller.add_connecting(self._descriptor, self._established)
        else:
            self.fail(error)

    def expire(self, duration: str) -> None:
        """The time is up; ``duration`` is the time-out as people write it."""
        self.finish(_FAILED, self.overdue(duration))

    def cancel(self) -> None:
        """Stop without a report."""
        if not self.done:
            self.done = True
            self.close()

    def finish(self, outcome: Outcome, reason: str, notice: str = "") -> None:
        """Report and close."""
        assert not self.done
        self.done = True
        self.close()
        if notice:
            self._finished(outcome, reason, notice=notice)
        else:
            self._finished(outcome, reason)

    def fail(self, error: int) -> None:
        """Report an error number of a socket call."""
        self.finish(_UNABLE if aims.is_ours(error) else _FAILED, aims.reason(error))

    def close(self) -> None:
        """End the connection by a reset."""
        connection, self._socket = self._socket, None
        if connection is not None:
            self._poller.sockets.give_back(connection, self._aim, usable=self._stands)

    # What the checks that speak over the connection replace

    def connected(self, connection: socket.SocketType) -> None:
        """The server has accepted; nothing more is asked of it here."""
        self.finish(_PASSED, "connection accepted")

    def overdue(self, duration: str) -> str:
        """Why an attempt that has run out of time has failed."""
        return f"no answer in {duration}"

    # End of what they replace

    def _established(self, trouble: bool) -> None:
        connection = self._socket
        assert connection is not None
        error = connection.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) if trouble else 0
        if error:
            self.fail(error)
        elif self._aim.ephemeral and self._is_its_own_peer(connection):
            # The kernel chose for us the very port that we connect to, and TCP talks to itself (RFC 9293, 3.5).
            self.fail(errno.ECONNREFUSED)
        else:
            self._stands = True
            self.connected(connection)

    def _is_its_own_peer(self, connection: socket.SocketType) -> bool:
        own = connection.getsockname()
        return own[1] == self._aim.peer[1] and bool(own == connection.getpeername())
