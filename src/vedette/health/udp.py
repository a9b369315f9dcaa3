"""The UDP check: a datagram, and the answer to it where one is expected.

Without an expectation only an ICMP error ("port unreachable", which the kernel hands to a connected socket) is a
failure: many services say nothing to what they do not understand. Then the check lasts as long as its time-out.
"""

import errno
import socket
from functools import partial

from vedette.health import aim as aims
from vedette.health.aim import Aim, BlockedError
from vedette.health.attempt import Finished, Start
from vedette.health.body import Matcher, TooCostlyError
from vedette.health.judge import Outcome
from vedette.health.poller import Poller
from vedette.spec.resolved import UdpProbe
from vedette.state.health import Target

_LARGEST = 64 << 10


def prepare(target: Target) -> Start:
    """Bind everything that stays the same from check to check; raises ``ValueError`` on a broken pattern."""
    probe = target.check.probe
    assert isinstance(probe, UdpProbe)
    matcher = None if probe.expect is None else Matcher(probe.expect)
    return partial(UdpAttempt, probe.send, matcher, aims.at(target))


class UdpAttempt:
    """One datagram and, maybe, its answer."""

    __slots__ = ("_aim", "_finished", "_matcher", "_poller", "_send", "_socket", "done")

    def __init__(self, send: bytes, matcher: Matcher | None, aim: Aim, poller: Poller, finished: Finished) -> None:
        self._send, self._matcher, self._aim, self._finished = send, matcher, aim, finished
        self._poller = poller
        self._socket: socket.SocketType | None = None
        self.done = False

    def begin(self) -> None:
        """Send. May report at once."""
        try:
            self._socket = opened = self._aim.open(socket.SOCK_DGRAM)
            opened.connect(self._aim.peer)
            opened.send(self._send)
        except BlockedError as blocked:
            self._finish(Outcome.BLOCKED, str(blocked))
        except OSError as error:
            self._fail(error.errno or errno.EINVAL)
        else:
            self._poller.add_reader(opened.fileno(), self._readable)

    def expire(self, duration: str) -> None:
        """The time is up: that no answer came is a failure only where one is expected."""
        if self._matcher is None:
            self._finish(Outcome.PASSED, f"no error in {duration}")
        else:
            self._finish(Outcome.FAILED, f"no answer in {duration}")

    def cancel(self) -> None:
        """Stop without a report."""
        if not self.done:
            self.done = True
            self._close()

    def _readable(self) -> None:
        assert self._socket is not None
        try:
            answer = self._socket.recv(_LARGEST)
        except BlockingIOError:  # a datagram with a bad checksum, say (select(2), BUGS)
            return
        except OSError as error:
            self._fail(error.errno or errno.EINVAL)
            return
        try:
            matches = self._matcher is None or self._matcher.found_in_text(_text(answer))
        except TooCostlyError:
            self._finish(Outcome.FAILED, "the pattern for the answer takes too long: simplify it")
            return
        self._finish(*((Outcome.PASSED, "answered") if matches else (Outcome.FAILED, "answer does not match")))

    def _fail(self, error: int) -> None:
        reason = "port unreachable" if error == errno.ECONNREFUSED else aims.reason(error)
        self._finish(Outcome.UNABLE if aims.is_ours(error) else Outcome.FAILED, reason)

    def _finish(self, outcome: Outcome, reason: str) -> None:
        assert not self.done
        self.done = True
        self._close()
        self._finished(outcome, reason)

    def _close(self) -> None:
        opened, self._socket = self._socket, None
        if opened is not None:
            self._poller.forget(opened.fileno())
            opened.close()


def _text(answer: bytes) -> str:
    """An answer as text; one that is not UTF-8 is binary, and each byte a letter for ``\\x00`` to match."""
    try:
        return answer.decode()
    except UnicodeDecodeError:
        return answer.decode("latin-1")
