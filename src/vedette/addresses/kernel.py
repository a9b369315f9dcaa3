"""Interfaces and addresses over rtnetlink (rfc3549, linux/rtnetlink.h, linux/if_addr.h).

Every change names the lifetime: an RTM_NEWADDR without IFA_CACHEINFO makes an address permanent
(facts-kernel.md section 1.2). What we put bears our mark, IFA_PROTO 0x56 (``ip -d address``: ``proto 0x56``).
"""

import errno
import socket
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address

from vedette.addresses.model import Assigned, Change, Link, Observed, Remove
from vedette.kit.net import family
from vedette.kit.netlink import CREATE, REPLACE, Events, Message, Requests, attribute, attributes

MARK = 0x56
"""``V``, our IFA_PROTO; kernels before 5.18 drop it, the inventory stands in for it there."""

_NEWLINK, _DELLINK, _GETLINK = 16, 17, 18
_NEWADDR, _DELADDR, _GETADDR = 20, 21, 22
_DELQDISC, _DELFILTER = 37, 45
_ADDRESS_EVENTS = frozenset({_NEWADDR, _DELADDR})
_GUARD_EVENTS = frozenset({_NEWLINK, _DELLINK, _DELQDISC, _DELFILTER})
_MOST_AT_ONCE = 256
"""Datagrams read in one turn of the loop: the kernel sends one for each change."""
_GROUPS = 0x1 | 0x8 | 0x10 | 0x100  # RTMGRP_LINK, _TC, _IPV4_IFADDR, _IPV6_IFADDR
_IFADDRMSG = struct.Struct("=BBBBI")
_IFINFOMSG = struct.Struct("=BxHiII")
_CACHEINFO = struct.Struct("=IIII")
_INFINITY = 0xFFFFFFFF
_NODAD_NOPREFIXROUTE = 0x202
_IFF_UP, _IFF_LOWER_UP = 0x1, 0x10000
_IFLA_ADDRESS, _IFLA_NAME = 1, 3
_IFA_ADDRESS, _IFA_LOCAL, _IFA_CACHEINFO, _IFA_FLAGS, _IFA_PROTO = 1, 2, 6, 8, 11
_GONE = frozenset({errno.EADDRNOTAVAIL, errno.ENODEV})


@dataclass(frozen=True, slots=True)
class Changed:
    """What the kernel's events were about; both are true after an overflow: look at everything again."""

    addresses: bool
    guard: bool


def observe(requests: Requests) -> Observed:
    """Read every interface and address. Raises ``OSError``."""
    links = [
        _link(payload)
        for kind, payload in requests.dump(Message(_GETLINK, 0, _IFINFOMSG.pack(0, 0, 0, 0, 0)))
        if kind == _NEWLINK
    ]
    return Observed({link.index: link for link in links}, observe_addresses(requests))


def observe_addresses(requests: Requests) -> tuple[Assigned, ...]:
    """Read every address. Raises ``OSError``."""
    found = [
        _assigned(payload)
        for kind, payload in requests.dump(Message(_GETADDR, 0, _IFADDRMSG.pack(0, 0, 0, 0, 0)))
        if kind == _NEWADDR
    ]
    return tuple(item for item in found if item is not None)


def perform(requests: Requests, changes: Sequence[Change]) -> dict[Change, int]:
    """Make the changes, in order; return {change: errno} of those that failed. Raises ``OSError``."""
    codes = requests.perform([_message(change) for change in changes])
    failed = {changes[index]: code for index, code in codes.items()}
    return {change: code for change, code in failed.items() if not (isinstance(change, Remove) and code in _GONE)}


def subscribe() -> Events:
    """Hear of changed addresses, interfaces and filters; read with :func:`changed`."""
    return Events(socket.NETLINK_ROUTE, _GROUPS)


def changed(events: Events) -> Changed:
    """Read what has come, a bounded number of datagrams at a time; say what it was about."""
    kinds: set[int] = set()
    for _ in range(_MOST_AT_ONCE):
        batch = events.read()
        if events.overflowed:
            return Changed(addresses=True, guard=True)
        if not batch:
            break
        kinds |= {kind for kind, _ in batch}
    return Changed(bool(kinds & _ADDRESS_EVENTS), bool(kinds & _GUARD_EVENTS))


def _message(change: Change) -> Message:
    v6 = isinstance(change.address, IPv6Address)
    packed = change.address.packed
    head = _IFADDRMSG.pack(family(change.address), change.address.max_prefixlen, 0, 0, change.index)
    names = head + attribute(_IFA_LOCAL, packed) + attribute(_IFA_ADDRESS, packed)
    if isinstance(change, Remove):
        return Message(_DELADDR, 0, names)
    valid = _INFINITY if change.lifetime is None else change.lifetime
    # Never a source address of the node's own connections: IPv6 honours the preferred lifetime, IPv4 ignores it.
    preferred = 0 if v6 else valid
    body = names + attribute(_IFA_CACHEINFO, _CACHEINFO.pack(preferred, valid, 0, 0))
    if v6:
        body += attribute(_IFA_FLAGS, struct.pack("=I", _NODAD_NOPREFIXROUTE))
    return Message(_NEWADDR, CREATE | REPLACE, body + attribute(_IFA_PROTO, bytes([MARK])))


def _link(payload: bytes) -> Link:
    _, _, index, flags, _ = _IFINFOMSG.unpack_from(payload)
    found = attributes(payload[_IFINFOMSG.size :])
    return Link(
        index=index,
        name=found.get(_IFLA_NAME, b"").rstrip(b"\0").decode(errors="replace"),
        mac=found.get(_IFLA_ADDRESS, b""),
        up=bool(flags & _IFF_UP),
        carrier=bool(flags & _IFF_UP) and bool(flags & _IFF_LOWER_UP),
    )


def _assigned(payload: bytes) -> Assigned | None:
    kind, prefix_length, _, _, index = _IFADDRMSG.unpack_from(payload)
    found = attributes(payload[_IFADDRMSG.size :])
    packed = found.get(_IFA_LOCAL, found.get(_IFA_ADDRESS))
    if kind not in (socket.AF_INET, socket.AF_INET6) or packed is None:
        return None
    _, valid, _, _ = _CACHEINFO.unpack_from(found.get(_IFA_CACHEINFO, _CACHEINFO.pack(_INFINITY, _INFINITY, 0, 0)))
    return Assigned(
        address=ip_address(packed),
        prefix_length=prefix_length,
        index=index,
        valid=None if valid == _INFINITY else valid,
        protocol=found.get(_IFA_PROTO, b"\0")[0],
    )
