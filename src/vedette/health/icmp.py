"""The raw sockets of everything here that pings."""

import socket
import struct

LARGEST = 512
"""Bytes of a reply that are read."""

_SOL_RAW, _ICMP_FILTER, _ICMP6_FILTER = 255, 1, 1


def open_echo(version: int) -> socket.socket:
    """A raw socket that receives nothing but echo replies (raw(7), RFC 3542 section 3.2); raises ``OSError``."""
    flags = socket.SOCK_RAW | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC
    if version == 4:
        opened = socket.socket(socket.AF_INET, flags, socket.IPPROTO_ICMP)
        opened.setsockopt(_SOL_RAW, _ICMP_FILTER, struct.pack("@I", ~(1 << 0) & 0xFFFFFFFF))
    else:
        opened = socket.socket(socket.AF_INET6, flags, socket.IPPROTO_ICMPV6)
        blocked = [0xFFFFFFFF] * 8
        blocked[129 >> 5] &= ~(1 << (129 & 31))
        opened.setsockopt(socket.IPPROTO_ICMPV6, _ICMP6_FILTER, struct.pack("@8I", *blocked))
    return opened
