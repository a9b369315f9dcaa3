"""Network values shared by every layer."""

import re
from ipaddress import IPv4Address, IPv6Address, ip_address

AF_INET, AF_INET6 = 2, 10
"""Linux's address families (linux/socket.h), spelled out here so that pure modules need no ``socket``."""

IPAddress = IPv4Address | IPv6Address

_BYTE = "(25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"
_QUAD = re.compile(rf"{_BYTE}\.{_BYTE}\.{_BYTE}\.{_BYTE}")


def parse(text: str) -> IPAddress:
    """Parse one IPv4 or IPv6 address; raises ``ValueError`` with a plain sentence."""
    quad = _QUAD.fullmatch(text)
    if quad is None:
        return ip_address(text)
    first, second, third, fourth = quad.groups()  # four times as fast as ip_address: documents have thousands
    return IPv4Address(int(first) << 24 | int(second) << 16 | int(third) << 8 | int(fourth))


def family(address: IPAddress) -> int:
    """Return the socket address family (``AF_INET`` or ``AF_INET6``)."""
    return AF_INET if address.version == 4 else AF_INET6


def endpoint(address: IPAddress, port: int) -> str:
    """Print ``10.0.0.1:80`` or ``[2001:db8::1]:80``."""
    return f"{address}:{port}" if address.version == 4 else f"[{address}]:{port}"
