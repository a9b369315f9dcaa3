"""Interfaces, addresses, tunnel devices, GUE ports and settings of one kernel.

rtnetlink(7), linux/if_link.h, linux/if_tunnel.h (IFLA_IPTUN_*, IFLA_GRE_*), linux/if_addr.h, linux/fou.h, and
/proc/sys/net. Raises ``OSError`` with the kernel's errno.
"""

import contextlib
import errno
import os
import shutil
import socket
import struct
import subprocess
from collections.abc import Iterable
from ipaddress import ip_address
from pathlib import Path

from vedette.kit.errors import PermanentError
from vedette.kit.net import AF_INET, AF_INET6, family
from vedette.kit.netlink import (
    CREATE,
    EXCL,
    GENERIC,
    REPLACE,
    ROUTE,
    Events,
    Message,
    Requests,
    attribute,
    attributes,
    generic_family,
    nest,
)
from vedette.realserver import arp
from vedette.realserver.model import (
    ALIAS,
    LOOPBACK,
    MARK,
    Assigned,
    Close,
    Device,
    Kind,
    Link,
    Make,
    Observed,
    Open,
    Port,
    Put,
    Raise,
    Remove,
    Restore,
    Set,
    Step,
    Unmake,
)

SETTINGS = Path("/proc/sys/net")
NAMES = ("arp_ignore", "arp_announce", "rp_filter")
"""What is read of each interface."""
LABEL = "lo:vedette"
"""How tools that know only labels show a VIP (IFA_LABEL, 15 bytes at most)."""

_NEWLINK, _DELLINK, _GETLINK = 16, 17, 18
_NEWADDR, _DELADDR, _GETADDR = 20, 21, 22
_GROUPS = 0x1 | 0x10 | 0x100  # RTMGRP_LINK, _IPV4_IFADDR, _IPV6_IFADDR
_IFADDRMSG = struct.Struct("=BBBBI")
_IFINFOMSG = struct.Struct("=BxHiII")
_CACHEINFO = struct.Struct("=IIII")
_INFINITY = 0xFFFFFFFF
_NODAD = 0x2
_SCOPE_HOST = 254
_IFF_UP, _IFF_LOOPBACK, _IFF_NOARP = 0x1, 0x8, 0x80
_IFLA_NAME, _IFLA_LINKINFO, _IFLA_IFALIAS = 3, 18, 20
_INFO_KIND, _INFO_DATA = 1, 2
_IPTUN_LOCAL, _IPTUN_FLAGS, _IPTUN_PROTO = 2, 8, 9
_ALLOW_LOCAL_REMOTE = 0x40
"""IP6_TNL_F_ALLOW_LOCAL_REMOTE: a director may choose the VIP, which is ours too, as the sender of its packets."""
_GRE_IFLAGS, _GRE_LOCAL = 2, 6
_GRE_CSUM = b"\x80\x00"
_IFA_ADDRESS, _IFA_LOCAL, _IFA_LABEL, _IFA_CACHEINFO, _IFA_FLAGS, _IFA_PROTO = 1, 2, 3, 6, 8, 11
_GRES = frozenset({"gre", "ip6gre"})
_TUNNELS = frozenset(kind.value for kind in Kind)

_FOU_ADD, _FOU_DEL, _FOU_GET = 1, 2, 3
_FOU_PORT, _FOU_AF, _FOU_TYPE = 1, 2, 4
_FOU_GUE = 2
_GENL = struct.Struct("=BBH")
_MOST_AT_ONCE = 256
"""Datagrams read in one turn of the loop."""
_GONE = frozenset({errno.EADDRNOTAVAIL, errno.ENODEV, errno.ENOENT})


class Kernel:
    """The kernel of this network namespace."""

    def __init__(self, *, settings: Path = SETTINGS) -> None:
        self._settings = settings
        self._requests = Requests(ROUTE)
        self._generic = Requests(GENERIC)

    def close(self) -> None:
        self._requests.close()
        self._generic.close()

    def observe(self) -> Observed:
        """Read everything that matters here."""
        links = [
            _link(payload)
            for kind, payload in self._requests.dump(Message(_GETLINK, 0, _IFINFOMSG.pack(0, 0, 0, 0, 0)))
            if kind == _NEWLINK
        ]
        found = [
            _assigned(payload)
            for kind, payload in self._requests.dump(Message(_GETADDR, 0, _IFADDRMSG.pack(0, 0, 0, 0, 0)))
            if kind == _NEWADDR
        ]
        return Observed(
            links={link.index: link for link in links},
            addresses=tuple(item for item in found if item is not None),
            settings=self._read(link.name for link in links),
            ports=self._ports(),
        )

    def perform(self, step: Step) -> None:
        """Perform one step; what is gone already need not be removed."""
        match step:
            case Set(setting, value) | Restore(setting, value):
                (self._settings / setting).write_text(value)
            case Make(device):
                self._ask(Message(_NEWLINK, CREATE | EXCL, _make(device)))
                self._ask(Message(_NEWLINK, 0, _named(device) + attribute(_IFLA_IFALIAS, ALIAS.encode())))
            case Raise(_, index):
                self._ask(Message(_NEWLINK, 0, _IFINFOMSG.pack(0, 0, index, _IFF_UP, _IFF_UP)))
            case Unmake(_, index):
                self._ask(Message(_DELLINK, 0, _IFINFOMSG.pack(0, 0, index, 0, 0)), gone=True)
            case Put():
                self._ask(Message(_NEWADDR, CREATE | REPLACE, _put(step)))
            case Remove(address, _, index):
                head = _IFADDRMSG.pack(family(address), address.max_prefixlen, 0, 0, index)
                self._ask(Message(_DELADDR, 0, head + attribute(_IFA_LOCAL, address.packed)), gone=True)
            case Open(port):
                self._fou(_FOU_ADD, port, attribute(_FOU_TYPE, bytes([_FOU_GUE])))
            case Close(port):
                self._fou(_FOU_DEL, port)

    def _ask(self, message: Message, *, gone: bool = False) -> None:
        code = self._requests.perform([message]).get(0, 0)
        if code and not (gone and code in _GONE):
            raise OSError(code, os.strerror(code))

    def _read(self, interfaces: Iterable[str]) -> dict[str, str]:
        found = {}
        for interface in ("all", *interfaces):
            for name in NAMES:
                with contextlib.suppress(OSError):
                    setting = arp.setting(interface, name)
                    found[setting] = (self._settings / setting).read_text().strip()
        return found

    # GUE

    def _family(self) -> int | None:
        try:
            return generic_family(self._generic, "fou")
        except PermanentError:
            return None

    def _ports(self) -> dict[Port, bool]:
        """Ports where FOU or GUE are taken apart; none while nobody has loaded the module."""
        number = self._family()
        if number is None:
            return {}
        found = {}
        for _, payload in self._generic.dump(Message(number, 0, _GENL.pack(_FOU_GET, 1, 0))):
            items = attributes(payload[_GENL.size :])
            version = 6 if items.get(_FOU_AF, b"\0")[0] == AF_INET6 else 4
            port = Port(version, int.from_bytes(items.get(_FOU_PORT, b"\0\0"), "big"))
            found[port] = items.get(_FOU_TYPE, b"\0")[0] == _FOU_GUE
        return found

    def _fou(self, command: int, port: Port, more: bytes = b"") -> None:
        number = self._family()
        if number is None and command == _FOU_ADD:
            load("fou")
            number = self._family()
        if number is None:
            raise OSError(errno.EOPNOTSUPP, "the kernel has no module fou")
        body = attribute(_FOU_PORT, port.number.to_bytes(2, "big"))
        body += attribute(_FOU_AF, bytes([AF_INET if port.version == 4 else AF_INET6]))
        code = self._generic.perform([Message(number, 0, _GENL.pack(command, 1, 0) + body + more)]).get(0, 0)
        if code and not (command == _FOU_DEL and code in _GONE):
            raise OSError(code, os.strerror(code))


def load(module: str) -> None:
    """Have a module loaded that the kernel does not load by itself; whether it worked shows afterwards."""
    program = shutil.which("modprobe")
    if program is not None:
        subprocess.run([program, module], check=False, capture_output=True, timeout=20)


def subscribe() -> Events:
    """Hear of changed interfaces and addresses; read with :func:`stirred`."""
    return Events(socket.NETLINK_ROUTE, _GROUPS)


def stirred(events: Events) -> None:
    """Read what has come, a bounded number of datagrams at a time; what it says does not matter."""
    for _ in range(_MOST_AT_ONCE):
        if not events.read() and not events.overflowed:
            return


def _make(device: Device) -> bytes:
    if device.kind.value in _GRES:
        data = attribute(_GRE_LOCAL, device.local.packed)
        data += attribute(_GRE_IFLAGS, _GRE_CSUM) if device.checksum else b""
    else:
        data = attribute(_IPTUN_LOCAL, device.local.packed)
        if device.kind is Kind.IP6TNL:
            data += attribute(_IPTUN_PROTO, b"\0")  # any protocol inside
            data += attribute(_IPTUN_FLAGS, struct.pack("=I", _ALLOW_LOCAL_REMOTE))
    info = attribute(_INFO_KIND, device.kind.value.encode()) + nest(_INFO_DATA, data)
    return _named(device) + nest(_IFLA_LINKINFO, info)


def _named(device: Device) -> bytes:
    """A device by its name. Its alias cannot be given when it is made (rtnl_create_link), only later."""
    return _IFINFOMSG.pack(0, 0, 0, 0, 0) + attribute(_IFLA_NAME, device.name.encode() + b"\0")


def _put(step: Put) -> bytes:
    """Scope host (IPv4) and a preferred lifetime of 0 (IPv6) keep it from becoming a source address by itself."""
    v6 = step.address.version == 6
    packed = step.address.packed
    body = _IFADDRMSG.pack(family(step.address), step.address.max_prefixlen, 0, _SCOPE_HOST, step.index)
    body += attribute(_IFA_LOCAL, packed) + attribute(_IFA_ADDRESS, packed)
    body += attribute(_IFA_CACHEINFO, _CACHEINFO.pack(0 if v6 else _INFINITY, _INFINITY, 0, 0))
    if v6:
        body += attribute(_IFA_FLAGS, struct.pack("=I", _NODAD))
    elif step.index == LOOPBACK:
        body += attribute(_IFA_LABEL, LABEL.encode() + b"\0")
    return body + attribute(_IFA_PROTO, bytes([MARK]))


def _link(payload: bytes) -> Link:
    _, _, index, flags, _ = _IFINFOMSG.unpack_from(payload)
    found = attributes(payload[_IFINFOMSG.size :])
    info = attributes(found.get(_IFLA_LINKINFO, b""))
    kind = _text(info.get(_INFO_KIND, b""))
    data = attributes(info.get(_INFO_DATA, b"")) if kind in _TUNNELS else {}
    local = data.get(_GRE_LOCAL if kind in _GRES else _IPTUN_LOCAL, b"")
    return Link(
        index=index,
        name=_text(found.get(_IFLA_NAME, b"")),
        up=bool(flags & _IFF_UP),
        neighbours=not flags & (_IFF_LOOPBACK | _IFF_NOARP),
        kind=kind,
        alias=_text(found.get(_IFLA_IFALIAS, b"")),
        local=ip_address(local) if len(local) in (4, 16) else None,
        checksum=kind in _GRES and bool(data.get(_GRE_IFLAGS, b"\0")[0] & 0x80),
    )


def _assigned(payload: bytes) -> Assigned | None:
    kind, prefix_length, _, scope, index = _IFADDRMSG.unpack_from(payload)
    found = attributes(payload[_IFADDRMSG.size :])
    packed = found.get(_IFA_LOCAL, found.get(_IFA_ADDRESS))
    if kind not in (AF_INET, AF_INET6) or packed is None:
        return None
    return Assigned(ip_address(packed), prefix_length, index, scope, found.get(_IFA_PROTO, b"\0")[0])


def _text(data: bytes) -> str:
    return data.rstrip(b"\0").decode(errors="replace")
