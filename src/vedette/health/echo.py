"""ICMP echo as bytes: a request that nobody else's answer can be mistaken for, and whether a packet answers it."""

from vedette.kit.net import IPAddress

_REQUEST = {4: 8, 6: 128}
_REPLY = {4: 0, 6: 129}
"""Types by IP version (RFC 792, page 14; RFC 4443, section 4)."""
_HEADER = 8
TOKEN = 8
"""Bytes of chance in every request: an answer must have them."""


def request(address: IPAddress, *, identifier: int, sequence: int, token: bytes) -> bytes:
    """Return an echo request with its checksum; the kernel replaces that of ICMPv6, which covers the addresses too."""
    head = bytes([_REQUEST[address.version], 0])
    rest = identifier.to_bytes(2) + (sequence & 0xFFFF).to_bytes(2) + token
    return head + _checksum(head + b"\0\0" + rest).to_bytes(2) + rest


def answers(packet: bytes, *, version: int, identifier: int, token: bytes) -> bool:
    """Tell whether what a raw socket received answers one of our requests; IPv4's come with the IP header."""
    return token_of(packet, version=version, identifier=identifier) == token


def token_of(packet: bytes, *, version: int, identifier: int) -> bytes | None:
    """Return the token of the request that a packet answers; None where it answers none with that identifier."""
    if version == 4:
        if not packet or packet[0] >> 4 != 4:
            return None
        packet = packet[(packet[0] & 0xF) * 4 :]
    answering = (
        len(packet) >= _HEADER + TOKEN and packet[0] == _REPLY[version] and packet[4:6] == identifier.to_bytes(2)
    )
    return packet[_HEADER : _HEADER + TOKEN] if answering else None


def _checksum(data: bytes) -> int:
    """The internet checksum (RFC 1071)."""
    total = sum(int.from_bytes(data[at : at + 2].ljust(2, b"\0")) for at in range(0, len(data), 2))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF
