"""Sync daemons in the IPVS family of generic netlink (IPVS_DAEMON_ATTR_* of linux/ip_vs.h).

The port is the machine's order here, unlike every other port of the family; the IPv4 group is in network order.
"""

import struct
from ipaddress import IPv4Address, IPv6Address

from vedette.ipvs.connections.model import Daemon, Role
from vedette.kit.net import IPAddress
from vedette.kit.netlink import attribute, attributes, nest

_NEW, _DELETE, _GET = 9, 10, 11
"""IPVS_CMD_*_DAEMON"""
_DAEMON = 3
"""IPVS_CMD_ATTR_DAEMON"""
_STATE, _INTERFACE, _ID, _LARGEST, _GROUP, _GROUP6, _PORT, _TTL = range(1, 9)
_U8, _U16, _U32 = struct.Struct("=B"), struct.Struct("=H"), struct.Struct("=I")


def start(daemon: Daemon) -> bytes:
    """Start a daemon; the kernel answers EEXIST while one of its role runs, ENODEV without the interface, and EINVAL
    where a service has a server of another address family."""
    inner = (
        attribute(_STATE, _U32.pack(daemon.role.value))
        + attribute(_INTERFACE, daemon.interface.encode() + b"\0")
        + attribute(_ID, _U32.pack(daemon.id))
        + attribute(_GROUP if daemon.group.version == 4 else _GROUP6, daemon.group.packed)
        + attribute(_PORT, _U16.pack(daemon.port))
        + attribute(_TTL, _U8.pack(daemon.ttl))
    )
    return _command(_NEW) + nest(_DAEMON, inner)


def stop(role: Role) -> bytes:
    """Stop the daemon of a role; ESRCH when none runs."""
    return _command(_DELETE) + nest(_DAEMON, attribute(_STATE, _U32.pack(role.value)))


def get() -> bytes:
    """Dump the daemons of this network namespace: at most one of each role."""
    return _command(_GET)


def read(payload: bytes) -> Daemon:
    """Decode one answer to :func:`get`. Kernels before 4.3 tell neither group, port nor TTL: theirs are fixed."""
    found = attributes(attributes(payload[4:])[_DAEMON])
    group: IPAddress = IPv4Address("224.0.0.81")
    if _GROUP6 in found:
        group = IPv6Address(found[_GROUP6])
    elif _GROUP in found:
        group = IPv4Address(found[_GROUP])
    return Daemon(
        role=Role(_U32.unpack(found[_STATE])[0]),
        interface=found[_INTERFACE].partition(b"\0")[0].decode("ascii", "replace"),
        id=_U32.unpack(found[_ID])[0],
        group=group,
        port=_U16.unpack(found[_PORT])[0] if _PORT in found else 8848,
        ttl=_U8.unpack(found[_TTL])[0] if _TTL in found else 1,
    )


def _command(command: int) -> bytes:
    """struct genlmsghdr: command, version, reserved."""
    return struct.pack("=BBH", command, 1, 0)
