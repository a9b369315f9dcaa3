"""The ping check: an ICMP echo must be answered.

All pings share two raw sockets, one for each version of IP, because a socket of its own for each check would get a
copy of the answers to all others. They are opened before the process gives up its privileges, and kept.
"""

import errno
import secrets
import socket
import struct
from collections.abc import Callable
from contextlib import closing
from functools import partial
from weakref import WeakKeyDictionary

from vedette.health import aim as aims
from vedette.health import echo, icmp
from vedette.health.aim import Aim
from vedette.health.attempt import Finished, Start
from vedette.health.judge import Outcome
from vedette.health.poller import Poller
from vedette.kit import net
from vedette.kit.net import IPAddress
from vedette.state.health import Target

AT_ONCE = 64
"""Replies read in one turn of the loop."""
_BUFFER = 1 << 20
"""Bytes of replies that may wait: those of a few thousand pings."""

_IP_PKTINFO = 8
"""linux/in.h; Python 3.11 does not name it."""

Answered = Callable[[], None]


class Echoes:
    """The raw sockets of a process, and who waits for which reply."""

    def __init__(self) -> None:
        self.identifier = secrets.randbits(16)
        self._sequence = 0
        self._sockets: dict[int, socket.socket] = {}
        self._problems: dict[int, OSError] = {}
        self._waiting: dict[bytes, tuple[str, Answered]] = {}
        self._watched: WeakKeyDictionary[Poller, set[int]] = WeakKeyDictionary()

    def open(self) -> None:
        """Open what is not open; to be called while there is the privilege. A failure shows when something pings."""
        for version in (4, 6):
            if version not in self._sockets:
                try:
                    opened = self._sockets[version] = icmp.open_echo(version)
                    opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER)
                except OSError as error:
                    self._problems[version] = error

    def ask(self, address: IPAddress, aim: Aim, answered: Answered, poller: Poller) -> bytes:
        """Send a request; returns its token. Raises ``OSError``, ``BlockedError``."""
        self.open()
        if address.version not in self._sockets:
            raise aims.BlockedError(f"this machine does not allow pings: {self._problems[address.version].strerror}")
        self._watch(address.version, poller)
        token = secrets.token_bytes(echo.TOKEN)
        self._sequence += 1
        packet = echo.request(address, identifier=self.identifier, sequence=self._sequence, token=token)
        _send(self._sockets[address.version], packet, aim)
        self._waiting[token] = str(address), answered
        return token

    def close(self) -> None:
        """Close the sockets; nobody waits any more."""
        for opened in self._sockets.values():
            opened.close()
        self._sockets.clear()

    def forget(self, token: bytes) -> None:
        """Wait for the reply with ``token`` no longer."""
        self._waiting.pop(token, None)

    def _watch(self, version: int, poller: Poller) -> None:
        watched = self._watched.setdefault(poller, set())
        if version not in watched:
            watched.add(version)
            poller.add_reader(self._sockets[version].fileno(), self._read, version)

    def _read(self, version: int) -> None:
        for _ in range(AT_ONCE):
            try:
                packet, source = self._sockets[version].recvfrom(icmp.LARGEST)
            except OSError:  # nothing left, or an error of an earlier request
                return
            token = echo.token_of(packet, version=version, identifier=self.identifier)
            if token is None or token not in self._waiting:
                continue
            address, answered = self._waiting[token]
            if source[0].partition("%")[0] == address:
                del self._waiting[token]
                answered()


echoes = Echoes()
"""Those of this process."""


def prepare(target: Target) -> Start:
    """Bind everything that stays the same from check to check."""
    return partial(PingAttempt, target.address, aims.at(target))


class PingAttempt:
    """One echo request and its reply."""

    __slots__ = ("_address", "_aim", "_finished", "_poller", "_token", "done")

    def __init__(self, address: IPAddress, aim: Aim, poller: Poller, finished: Finished) -> None:
        self._address, self._aim, self._poller, self._finished = address, aim, poller, finished
        self._token = b""
        self.done = False

    def begin(self) -> None:
        """Ask. May report at once."""
        try:
            self._token = echoes.ask(self._address, self._aim, self._answered, self._poller)
        except aims.BlockedError as blocked:
            self._finish(Outcome.BLOCKED, str(blocked))
        except OSError as error:
            number = error.errno or errno.EINVAL
            self._finish(Outcome.UNABLE if aims.is_ours(number) else Outcome.FAILED, aims.reason(number))

    def expire(self, duration: str) -> None:
        """The time is up."""
        self._finish(Outcome.FAILED, f"no answer in {duration}")

    def cancel(self) -> None:
        """Stop without a report."""
        self.done = True
        echoes.forget(self._token)

    def _answered(self) -> None:
        self._finish(Outcome.PASSED, "answered")

    def _finish(self, outcome: Outcome, reason: str) -> None:
        assert not self.done
        self.done = True
        echoes.forget(self._token)
        self._finished(outcome, reason)


def _send(opened: socket.socket, packet: bytes, aim: Aim) -> None:
    """Send one request, marked and from a certain address where that is wanted."""
    said = []
    if aim.mark:
        said.append((socket.SOL_SOCKET, socket.SO_MARK, struct.pack("@I", aim.mark)))
    if aim.sources:
        with closing(aim.open(socket.SOCK_DGRAM)) as bound:  # which of them this machine has
            said.append(_from(bound.getsockname()[0]))
    try:
        opened.sendmsg([packet], said, 0, (aim.peer[0], 0))
    except PermissionError as error:
        if aim.mark and error.errno == errno.EPERM:
            raise aims.BlockedError(aims.NO_MARKS) from None
        raise


def _from(source: str) -> tuple[int, int, bytes]:
    """Ancillary data that say where a packet comes from (ip(7) IP_PKTINFO, RFC 3542 section 6.2)."""
    address = net.parse(source)
    if address.version == 4:
        return socket.IPPROTO_IP, _IP_PKTINFO, struct.pack("@i4s4s", 0, address.packed, bytes(4))
    return socket.IPPROTO_IPV6, socket.IPV6_PKTINFO, struct.pack("@16si", address.packed, 0)
