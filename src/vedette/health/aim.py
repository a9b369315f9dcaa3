"""Where a check goes, and as whom: the socket that every check over IP begins with."""

import errno
import os
import socket
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from vedette.health.ports import ports
from vedette.kit import net
from vedette.kit.net import IPAddress
from vedette.state.health import Behind, Target

_HOPS = 2
_ANY_PORT = 9
"""Nothing is sent there: connecting a socket for datagrams only looks up the route."""
_IP_BIND_ADDRESS_NO_PORT = 24
"""linux/in.h: choose the local port when connecting, where other connections to other peers may share it."""

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


class BlockedError(Exception):
    """The check cannot be made from this machine as it is written; the message is fit for an operator."""


@dataclass(frozen=True, slots=True)
class Aim:
    """``sources``: addresses to come from, the first that this machine has; none = the kernel's choice. ``mark`` 0 =
    none. ``ephemeral``: the peer's port is one that the kernel may choose for our end, too. ``behind``: the real
    server that the mark leads to; the peer is a virtual address, which this machine has too. ``manner`` is everything
    but the peer: a socket of one manner serves all aims of that manner, if it is not for one server (``behind``).
    """

    family: int
    peer: tuple[str, int]
    sources: tuple[str, ...] = ()
    mark: int = 0
    ephemeral: bool = True
    behind: Behind | None = None
    manner: tuple[object, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "manner", (self.family, self.sources, self.mark))

    def open(self, kind: int) -> socket.SocketType:
        """A non-blocking socket of ``kind``, bound and marked; raises ``OSError`` and :class:`BlockedError`."""
        opened = socket.SocketType(self.family, kind | socket.SOCK_NONBLOCK)
        if self.mark or self.sources or self.behind is not None:
            try:
                self._prepare(opened)
            except BaseException:
                opened.close()
                raise
        return opened

    def _prepare(self, opened: socket.SocketType) -> None:
        if self.mark:
            try:
                opened.setsockopt(socket.SOL_SOCKET, socket.SO_MARK, self.mark)
            except PermissionError:
                raise BlockedError(NO_MARKS) from None
        sources, port = self.sources, 0
        if self.behind is not None:
            self._limit(opened, self.behind)
            sources = sources or self._own_address(self.behind)
            port = ports.take(self.behind, self.peer) if opened.type == socket.SOCK_STREAM else 0
        if sources:
            opened.setsockopt(socket.IPPROTO_IP, _IP_BIND_ADDRESS_NO_PORT, 1)
            _bind(opened, sources, port)

    def failed(self, opened: socket.SocketType) -> None:
        """Hear of a connection that did not come about, before it is closed."""
        if self.behind is not None:
            ports.keep(self.behind, self.peer, opened)

    def _limit(self, opened: socket.SocketType, behind: Behind) -> None:
        """Let no server that is near pass the packets on, to a director that has the virtual address, say.

        IPVS takes one hop of the two, and the server is the other.
        """
        if behind.near and self.family == socket.AF_INET:
            opened.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, _HOPS)
        elif behind.near:
            opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_UNICAST_HOPS, _HOPS)

    def _own_address(self, behind: Behind) -> tuple[str, ...]:
        """The address from which this machine speaks to the server; to a virtual one it would speak from that itself,
        and get no answer. Raises ``OSError`` without a way to the server, :class:`BlockedError` without an address.
        """
        if behind.server.version != (4 if self.family == socket.AF_INET else 6):
            raise BlockedError(NO_WAY_BACK)
        with socket.socket(self.family, socket.SOCK_DGRAM) as asked:
            asked.connect((str(behind.server), _ANY_PORT))
            own = str(asked.getsockname()[0])
        if own == self.peer[0]:
            raise BlockedError(f"this machine has no address of its own to ask {behind.server} from")
        return (own,)


def _bind(opened: socket.SocketType, sources: tuple[str, ...], port: int) -> None:
    """Bind to the first address that is here, and to ``port`` if that is free."""
    for source in sources:
        try:
            opened.bind((source, port))
        except OSError as error:
            if port and error.errno == errno.EADDRINUSE:
                _bind(opened, sources, 0)
                return
            if error.errno != errno.EADDRNOTAVAIL:
                raise
        else:
            return
    raise BlockedError(no_source(sources))


NO_WAY_BACK = "the servers have the other address family: write a `sourceAddress` for the checks"
NO_MARKS = "this machine's kernel wants more privilege for firewall marks (Linux before 5.17 does)"


def no_source(sources: tuple[str, ...]) -> str:
    """Why a check cannot come from any of ``sources``."""
    shown = sources[0] if len(sources) == 1 else f"{sources[0]}-{sources[-1]}"
    return f"this machine has no address {shown} to check from"


def at(target: Target) -> Aim:
    """Where the checks of ``target`` go."""
    address, check = target.address, target.check
    return Aim(
        net.family(address),
        (str(address), target.port),
        sources(check.source, address),
        target.mark,
        target.port in _ephemeral_ports(),
        target.behind,
    )


@lru_cache(maxsize=1)
def _ephemeral_ports() -> range:
    """The local ports that the kernel chooses from (ip(7), ip_local_port_range, for IPv6 too), as at the start."""
    try:
        first, last = Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()
        return range(int(first), int(last) + 1)
    except (OSError, ValueError):
        return range(1024, 1 << 16)


def sources(written: tuple[IPAddress, ...], address: IPAddress) -> tuple[str, ...]:
    """Those of the addresses to come from that are of the family of ``address``."""
    return tuple(str(source) for source in written if source.version == address.version)


def is_ours(error: int) -> bool:
    """Whether an error number says something of this machine, not of the server."""
    return error in _OURS


def reason(error: int) -> str:
    """An error number of a socket call in words fit for an operator."""
    return _REASONS.get(error) or os.strerror(error).lower()
