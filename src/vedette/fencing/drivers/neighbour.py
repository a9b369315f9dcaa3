"""Whether a machine on a link of ours still answers for its address, as the kernel's neighbour table has it.

That a port is silent proves nothing: a firewall drops what it likes, and a queue may be full. Address resolution (ARP,
RFC 826; neighbour discovery, RFC 4861) is the kernel's own: it fails where nobody has the address any more.
"""

import contextlib
import errno
import struct
import sys
from enum import Enum

from vedette.kit import net, netlink
from vedette.kit.net import IPAddress


class Neighbour(Enum):
    """What is known of a machine's answers for its address."""

    GONE = "gone"
    """It was asked again and again, and nothing answered."""
    THERE = "there"
    """It has answered, maybe a while ago; or it was not asked yet."""
    ELSEWHERE = "elsewhere"
    """It is not on a link of ours: behind a router, a tunnel, or this machine itself."""


_GET_ROUTE, _GET_NEIGHBOUR = 26, 30
_ROUTE, _NEIGHBOUR = struct.Struct("=8BI"), struct.Struct("=B3xiHBB")
"""struct rtmsg and struct ndmsg (linux/rtnetlink.h, linux/neighbour.h)."""
_ROUTE_TO, _ROUTE_INTERFACE, _ROUTE_GATEWAY, _ROUTE_VIA = 1, 4, 5, 18
_UNICAST = 1
_NEIGHBOUR_ADDRESS = 1
_INCOMPLETE, _FAILED, _NOT_RESOLVED = 0x01, 0x20, 0x40
"""Being asked for the first time, or anew after a failure; asked without an answer; nobody is asked on such a link."""


def look(address: IPAddress) -> Neighbour:
    """Look it up. Whoever wants to know about now has sent something there before. Raises ``OSError``."""
    with contextlib.closing(netlink.Requests(netlink.ROUTE)) as requests:
        try:
            interface = _interface(requests.ask(_route(address))[1])
            if interface is None:
                return Neighbour.ELSEWHERE
            return _neighbour(requests.ask(_entry(address, interface))[1])
        except OSError as error:
            if error.errno == errno.ENOENT:
                return Neighbour.THERE
            if error.errno in (errno.ENETUNREACH, errno.EHOSTUNREACH):
                return Neighbour.ELSEWHERE
            raise


def _route(address: IPAddress) -> netlink.Message:
    """How a packet would go there (``ip route get``)."""
    head = _ROUTE.pack(net.family(address), address.max_prefixlen, 0, 0, 0, 0, 0, 0, 0)
    return netlink.Message(_GET_ROUTE, 0, head + netlink.attribute(_ROUTE_TO, address.packed))


def _entry(address: IPAddress, interface: int) -> netlink.Message:
    """One entry (``ip neighbour get``)."""
    head = _NEIGHBOUR.pack(net.family(address), interface, 0, 0, 0)
    return netlink.Message(_GET_NEIGHBOUR, 0, head + netlink.attribute(_NEIGHBOUR_ADDRESS, address.packed))


def _interface(route: bytes) -> int | None:
    """The interface of a link that both are on; None where the way goes over somebody else, or not out at all."""
    kind, found = route[7], netlink.attributes(route[_ROUTE.size :])
    over = _ROUTE_GATEWAY in found or _ROUTE_VIA in found
    if kind != _UNICAST or over or _ROUTE_INTERFACE not in found:
        return None
    return int.from_bytes(found[_ROUTE_INTERFACE], sys.byteorder)


def _neighbour(entry: bytes) -> Neighbour:
    state: int = _NEIGHBOUR.unpack_from(entry)[2]
    if state & _NOT_RESOLVED:
        return Neighbour.ELSEWHERE
    return Neighbour.GONE if state & (_INCOMPLETE | _FAILED) else Neighbour.THERE
