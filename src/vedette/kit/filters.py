"""tc over rtnetlink: BPF filters on an interface (linux/rtnetlink.h, linux/pkt_cls.h, tc-bpf(8)).

``clsact`` gives an interface two hooks in front of everything else that the kernel does with a packet, netfilter and
IPVS included. The filters of a hook are asked in the order of their preference.
"""

import errno
import struct
from dataclasses import dataclass
from enum import Enum

from vedette.kit.errors import PermanentError, TransientError
from vedette.kit.netlink import CREATE, EXCL, REPLACE, Message, Requests, attribute, attributes, nest


class Direction(Enum):
    INGRESS = "ingress"
    EGRESS = "egress"


_NEWQDISC, _GETQDISC = 36, 38
_NEWFILTER, _DELFILTER, _GETFILTER = 44, 45, 46
_TCMSG = struct.Struct("=BxxxiIII")
_CLSACT, _CLSACT_HANDLE = 0xFFFFFFF1, 0xFFFF0000
_PARENT = {Direction.INGRESS: 0xFFFFFFF2, Direction.EGRESS: 0xFFFFFFF3}
_KIND, _OPTIONS = 1, 2
_BPF_DESCRIPTOR, _BPF_NAME, _BPF_FLAGS, _BPF_TAG, _BPF_ID = 6, 7, 8, 10, 11
_DIRECT_ACTION = 1
_HANDLE = 0x56
_ALL_PROTOCOLS = struct.unpack("=H", struct.pack("!H", 3))[0]


@dataclass(frozen=True, slots=True)
class Filter:
    """A filter of ours by its name in ``tc filter show``, its place in the order, and what messages call it."""

    name: str
    preference: int
    title: str


@dataclass(frozen=True, slots=True)
class Installed:
    """The program behind one of our filters."""

    program: int
    tag: bytes


def attach(requests: Requests, kind: Filter, interface: int, direction: Direction, program: int) -> None:
    """Put the program (a descriptor) on the interface; an older one of ours is replaced with no moment between.

    Raises :class:`TransientError` where the interface goes away meanwhile, and :class:`PermanentError` where it has
    an ``ingress`` qdisc of somebody else, which has no egress side and would take both directions as one.
    """
    _prepare(requests, kind, interface)
    options = (
        attribute(_BPF_DESCRIPTOR, struct.pack("=I", program))
        + attribute(_BPF_NAME, kind.name.encode() + b"\0")
        + attribute(_BPF_FLAGS, struct.pack("=I", _DIRECT_ACTION))
    )
    body = attribute(_KIND, b"bpf\0") + nest(_OPTIONS, options)
    for code in requests.perform(
        [Message(_NEWFILTER, CREATE | REPLACE, _head(kind, interface, direction) + body)]
    ).values():
        _refuse(code, kind, interface)


def _prepare(requests: Requests, kind: Filter, interface: int) -> None:
    """Give the interface its clsact qdisc, unless it has one."""
    head = _TCMSG.pack(0, interface, _CLSACT_HANDLE, _CLSACT, 0)
    codes = requests.perform([Message(_NEWQDISC, CREATE | EXCL, head + attribute(_KIND, b"clsact\0"))])
    for code in codes.values():
        if code != errno.EEXIST:
            _refuse(code, kind, interface)
        if interface not in prepared(requests):
            raise PermanentError(
                f"interface {interface} has an ingress qdisc in the place of the clsact of {kind.title}"
            )


def detach(requests: Requests, kind: Filter, interface: int, direction: Direction) -> None:
    """Take our filter off; it, or the whole interface, may be gone already."""
    codes = requests.perform([Message(_DELFILTER, 0, _head(kind, interface, direction) + attribute(_KIND, b"bpf\0"))])
    for code in codes.values():
        if code not in (errno.ENOENT, errno.ENODEV, errno.EINVAL):
            _refuse(code, kind, interface)


def installed(requests: Requests, kind: Filter, interface: int, direction: Direction) -> Installed | None:
    """What is behind our filter on this interface; ``None`` where there is none."""
    head = _TCMSG.pack(0, interface, 0, _PARENT[direction], 0)
    try:
        answers = requests.dump(Message(_GETFILTER, 0, head))
    except OSError as error:
        if error.errno in (errno.ENODEV, errno.EINVAL, errno.ENOENT):
            return None
        raise
    for message, payload in answers:
        found = _ours(kind, payload) if message == _NEWFILTER else None
        if found is not None:
            return found
    return None


def prepared(requests: Requests) -> frozenset[int]:
    """The interfaces that have a clsact qdisc, and so may have filters."""
    found = set()
    for kind, payload in requests.dump(Message(_GETQDISC, 0, _TCMSG.pack(0, 0, 0, 0, 0))):
        if kind == _NEWQDISC and attributes(payload[_TCMSG.size :]).get(_KIND) == b"clsact\0":
            found.add(_TCMSG.unpack_from(payload)[1])
    return frozenset(found)


def _head(kind: Filter, interface: int, direction: Direction) -> bytes:
    return _TCMSG.pack(0, interface, _HANDLE, _PARENT[direction], kind.preference << 16 | _ALL_PROTOCOLS)


def _ours(kind: Filter, payload: bytes) -> Installed | None:
    found = attributes(payload[_TCMSG.size :])
    if found.get(_KIND) != b"bpf\0" or _OPTIONS not in found:
        return None
    options = attributes(found[_OPTIONS])
    if options.get(_BPF_NAME) != kind.name.encode() + b"\0" or _BPF_ID not in options:
        return None
    return Installed(struct.unpack("=I", options[_BPF_ID])[0], options.get(_BPF_TAG, b""))


def _refuse(code: int, kind: Filter, interface: int) -> None:
    name = errno.errorcode.get(code, str(code))
    if code in (errno.ENODEV, errno.EBUSY, errno.ENOMEM, errno.ENOBUFS, errno.EINTR, errno.EAGAIN):
        raise TransientError(f"{kind.title} cannot be put on interface {interface} yet: {name}")
    raise PermanentError(f"{kind.title} cannot be put on interface {interface}: {name}")
