"""Ethernet frames as the wire watch needs them: who speaks in one, how to ask, and which ones to hear. Pure."""

import struct
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv6Address

from vedette.kit.net import IPAddress
from vedette.lab.sightings import Speech

_ARP, _IPV4, _IPV6, _ICMPV6 = 0x0806, 0x0800, 0x86DD, 58


def speaker(frame: bytes) -> tuple[Speech, bytes, bytes] | None:
    """Who speaks for what in an Ethernet frame: (how, MAC, packed address), or None."""
    if len(frame) < 34:
        return None
    (kind,) = struct.unpack_from("!H", frame, 12)
    if kind == _ARP and len(frame) >= 42 and frame[14:20] == b"\0\1\x08\0\6\4":
        speech = Speech.ARP_REPLY if frame[21] == 2 else Speech.ARP_REQUEST
        return speech, frame[22:28], frame[28:32]
    if kind == _IPV4:
        return Speech.PACKET, frame[6:12], frame[26:30]
    if kind != _IPV6 or len(frame) < 54:
        return None
    if frame[20] == _ICMPV6 and len(frame) >= 78 and frame[54] == 136:
        return Speech.ADVERTISEMENT, frame[6:12], frame[62:78]
    return Speech.PACKET, frame[6:12], frame[22:38]


def arp_request(mac: bytes, asker: IPv4Address, target: IPv4Address) -> bytes:
    """RFC 826: who has ``target``, tell ``asker``."""
    body = struct.pack("!HHBBH6s4s6s4s", 1, _IPV4, 6, 4, 1, mac, asker.packed, b"\0" * 6, target.packed)
    return b"\xff" * 6 + mac + struct.pack("!H", _ARP) + body


def neighbour_solicitation(mac: bytes, target: IPv6Address) -> bytes:
    """RFC 4861 section 4.3, from the link-local address of ``mac``, to the solicited-node group."""
    source = b"\xfe\x80" + b"\0" * 6 + bytes([mac[0] ^ 2]) + mac[1:3] + b"\xff\xfe" + mac[3:]
    group = IPv6Address("ff02::1:ff00:0").packed[:13] + target.packed[13:]
    body = struct.pack("!BBHI", 135, 0, 0, 0) + target.packed + b"\1\1" + mac
    pseudo = source + group + struct.pack("!II", len(body), _ICMPV6)
    body = body[:2] + struct.pack("!H", _checksum(pseudo + body)) + body[4:]
    header = struct.pack("!IHBB", 6 << 28, len(body), _ICMPV6, 255) + source + group
    return b"\x33\x33" + group[12:] + mac + struct.pack("!H", _IPV6) + header + body


def _checksum(data: bytes) -> int:
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


_LOAD_WORD, _LOAD_HALF, _LOAD_BYTE, _EQUAL, _RETURN = 0x20, 0x28, 0x30, 0x15, 0x06


def filter_of(addresses: Sequence[IPAddress]) -> bytes:
    """A classic BPF program (linux/filter.h) that keeps ARP, ICMPv6 and packets from ``addresses``.

    Of an IPv6 address the last word must do; what passes wrongly is dropped by the process.
    """
    four = [int(address) for address in addresses if address.version == 4]
    six = [int(address) & 0xFFFFFFFF for address in addresses if address.version == 6]
    program: list[tuple[int, str, str, int]] = [
        (_LOAD_HALF, "", "", 12),
        (_EQUAL, "keep", "", _ARP),
        (_EQUAL, "ipv6", "", _IPV6),
        (_EQUAL, "", "drop", _IPV4),
        (_LOAD_WORD, "", "", 26),
        *((_EQUAL, "keep", "", address) for address in four),
        (_RETURN, "", "", 0),
    ]
    labels = {"ipv6": len(program)}
    program += [
        (_LOAD_BYTE, "", "", 20),
        (_EQUAL, "keep", "", _ICMPV6),
        (_LOAD_WORD, "", "", 34),
        *((_EQUAL, "keep", "", word) for word in six),
    ]
    labels |= {"drop": len(program), "keep": len(program) + 1}
    program += [(_RETURN, "", "", 0), (_RETURN, "", "", 0x40000)]
    return b"".join(
        struct.pack("=HBBI", code, *(labels[to] - index - 1 if to else 0 for to in (true, false)), value)
        for index, (code, true, false, value) in enumerate(program)
    )
