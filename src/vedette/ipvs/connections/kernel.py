"""The kernel's side of connections in step: its sync daemons, its list of connections, and what is sent to them."""

import errno
import fcntl
import os
import re
import socket
import struct
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from vedette.ipvs.connections import codec
from vedette.ipvs.connections.model import Daemon, Line
from vedette.ipvs.connections.plan import Start, Step, Stop
from vedette.ipvs.family import open_family
from vedette.ipvs.kernel import KernelTable
from vedette.ipvs.model import Table
from vedette.kit.netlink import Message, Requests

SYSCTLS: Mapping[str, tuple[int, ...]] = MappingProxyType(
    {
        "sync_version": (1,),
        "sync_threshold": (2, 50),
        "sync_refresh_period": (0,),
        "sync_persist_mode": (0,),
        "sync_ports": (1,),
        "backup_only": (0,),
    }
)
"""Of net.ipv4.vs, while connections are kept in step; reasons in docs/design/connections.md."""

_CONNECTIONS = Path("/proc/net/ip_vs_conn")
_SIOCGIFFLAGS, _IFF_RUNNING, _IFREQ = 0x8913, 0x40, struct.Struct("=16sH22x")
_SYSCTL_DIR = Path("/proc/sys/net/ipv4/vs")
_LINE = re.compile(rb"^(\S+ +\S+(?: \S+){6}) +\d+(.*)$", re.MULTILINE)
_MIXED = (
    "the kernel keeps no connections in step while a virtual service has a real server of another address family "
    "(a tunnel): give that service real servers of its own family, or leave `connectionSync` out"
)


class SyncKernel:
    """Of this network namespace. Opened at first use, and again after a socket has failed. Not for several threads at
    once."""

    def __init__(self) -> None:
        self._socket: Requests | None = None
        self._family = 0
        self._table = KernelTable()

    def close(self) -> None:
        self._table.close()
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def daemons(self) -> tuple[Daemon, ...]:
        """Those that run; raises ``OSError``, and :class:`PermanentError` where there is no IPVS."""
        requests = self._open()
        answers = requests.dump(Message(self._family, 0, codec.get()))
        return tuple(codec.read(payload) for kind, payload in answers if kind == self._family)

    def perform(self, step: Step) -> str:
        """Carry a step out; returns why it cannot be, "" when it is done. Raises ``OSError`` for a broken socket.

        A daemon that is stopped before its thread ever ran makes the kernel acknowledge nothing: kthread_stop() gives
        EINTR then, which netlink_rcv_skb() keeps to itself. So it is stopped twice, and the second always answers.
        """
        requests = self._open()
        match step:
            case Stop(role):
                payloads = [codec.stop(role)] * 2
            case Start(daemon):
                payloads = [codec.start(daemon)]
        code = requests.perform([Message(self._family, 0, payload) for payload in payloads]).get(0, 0)
        return _reason(step, code)

    def tune(self) -> tuple[str, ...]:
        """Set the sysctls that differ; returns their names. What the kernel lacks is passed over; raises ``OSError``.

        ``sync_ports`` counts for daemons that are started from then on.
        """
        changed = []
        for name, values in SYSCTLS.items():
            path = _SYSCTL_DIR / name
            try:
                if tuple(map(int, path.read_text().split())) != values:
                    path.write_text(" ".join(map(str, values)))
                    changed.append(f"net.ipv4.vs.{name}")
            except FileNotFoundError:
                continue
        return tuple(changed)

    def lines(self) -> list[Line]:
        """Every connection that the kernel has, for :func:`vedette.ipvs.connections.model.parse`; raises ``OSError``.

        A table without IPVS has none. A hundred thousand cost 60 ms to take apart, and the reading itself grows
        with the square of their number on kernels that begin anew with every page.
        """
        try:
            return _LINE.findall(_CONNECTIONS.read_bytes())
        except FileNotFoundError:
            return []

    def table(self) -> Table:
        """The services, by which a connection's are found; raises as :meth:`daemons`."""
        return self._table.observe()

    def count(self) -> int:
        """How many connections and templates the services' servers have; raises as :meth:`daemons`."""
        found = (it.connections for usage in self._table.inspect().usage.values() for it in usage.destinations.values())
        return sum(it.active + it.inactive + it.persistent for it in found)

    def _open(self) -> Requests:
        if self._socket is None:
            self._socket, self._family = open_family()
        return self._socket


def _reason(step: Step, code: int) -> str:
    if code == 0 or (isinstance(step, Stop) and code == errno.ESRCH):
        return ""
    if isinstance(step, Start):
        interface = step.daemon.interface
        match code:
            case errno.ENODEV:
                return f"there is no interface {interface} here: correct `connectionSync` or the node's `interfaces`"
            case errno.EINVAL:
                return _MIXED
            case errno.EEXIST:
                return "another sync daemon runs, and does not make way"
            case errno.EADDRNOTAVAIL:
                return f"interface {interface} has no address of the group's family"
    return f"the sync daemon cannot be {'stopped' if isinstance(step, Stop) else 'started'}: {os.strerror(code)}"


class Sender:
    """A socket that reaches the other directors' backup daemons as the master daemon ``like`` does.

    Raises ``OSError`` where the interface is not there or has no address. Our own backup daemon hears nothing of it.
    """

    def __init__(self, like: Daemon) -> None:
        index = socket.if_nametoindex(like.interface)
        v6 = like.group.version == 6
        self._socket = socket.socket(socket.AF_INET6 if v6 else socket.AF_INET, socket.SOCK_DGRAM)
        try:
            if v6:
                level = socket.IPPROTO_IPV6
                self._socket.setsockopt(level, socket.IPV6_MULTICAST_IF, index)
                self._socket.setsockopt(level, socket.IPV6_MULTICAST_HOPS, like.ttl)
                self._socket.setsockopt(level, socket.IPV6_MULTICAST_LOOP, 0)
                self._socket.connect((str(like.group), like.port, 0, index))
            else:
                level = socket.IPPROTO_IP
                self._socket.setsockopt(level, socket.IP_MULTICAST_IF, struct.pack("=4s4si", b"", b"", index))
                self._socket.setsockopt(level, socket.IP_MULTICAST_TTL, like.ttl)
                self._socket.setsockopt(level, socket.IP_MULTICAST_LOOP, 0)
                self._socket.connect((str(like.group), like.port))
        except OSError:
            self._socket.close()
            raise

    def send(self, datagram: bytes) -> None:
        self._socket.send(datagram)

    def close(self) -> None:
        self._socket.close()


def index_of(interface: str) -> int | None:
    """An interface's number, which changes when it is made anew; None when it is not there."""
    try:
        return socket.if_nametoindex(interface)
    except OSError:
        return None


def has_carrier(interface: str) -> bool:
    """Whether something is at the other end of the interface's wire; false, too, while it is down or not there.

    By SIOCGIFFLAGS (netdevice(7)) and not by sysfs, which may show another network namespace.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        try:
            answer = fcntl.ioctl(asking, _SIOCGIFFLAGS, _IFREQ.pack(interface.encode(), 0))
        except OSError:
            return False
    return bool(_IFREQ.unpack(answer)[1] & _IFF_RUNNING)
