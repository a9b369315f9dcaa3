"""The frames that tell neighbours where a VIP is, and those that ask whether somebody else has it.

ARP: RFC 826, RFC 5227. Neighbour discovery: RFC 4861, RFC 4862. All functions build or read whole Ethernet frames or
network-layer packets as bytes; a MAC is six bytes.
"""

import struct
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address

from vedette.kit.net import IPAddress

ARP, IPV6 = 0x0806, 0x86DD
MAC_SIZE = 6
_BROADCAST = b"\xff" * 6
_ARP = struct.Struct("!HHBBH6s4s6s4s")
_ETHERNET, _IPV4, _REQUEST = 1, 0x0800, 1
_ICMPV6, _SOLICITATION, _ADVERTISEMENT = 58, 135, 136
_ROUTER, _OVERRIDE = 0x80000000, 0x20000000
_TARGET_LINK_ADDRESS = 2
_ALL_NODES = IPv6Address("ff02::1").packed
_SOLICITED_NODE = IPv6Address("ff02::1:ff00:0").packed[:13]
_HOP_LIMIT = 255


@dataclass(frozen=True, slots=True)
class Claim:
    """Somebody says that ``address`` is at ``mac``."""

    address: IPAddress
    mac: bytes


def announcement(mac: bytes, address: IPAddress, *, router: bool) -> bytes:
    """Tell everybody on the link that the VIP is here.

    IPv4: the broadcast ARP *request* with sender = target = VIP, which moves every existing entry of a neighbour at
    once; replies are ignored for a second after the last change (facts-kernel.md section 5). IPv6: an unsolicited
    neighbour advertisement with the override flag; ``router`` says whether this node forwards.
    """
    if isinstance(address, IPv4Address):
        return _arp_request(mac, sender=address.packed, target=address.packed)
    flags = _OVERRIDE | (_ROUTER if router else 0)
    option = bytes([_TARGET_LINK_ADDRESS, 1]) + mac
    message = struct.pack("!BBHI", _ADVERTISEMENT, 0, 0, flags) + address.packed + option
    return _icmpv6(mac, source=address.packed, destination=_ALL_NODES, message=message)


def probe(mac: bytes, address: IPAddress) -> bytes:
    """Ask whether anybody has the VIP, without claiming it (RFC 5227 section 2.1.1, RFC 4862 section 5.4.2)."""
    if isinstance(address, IPv4Address):
        return _arp_request(mac, sender=bytes(4), target=address.packed)
    message = struct.pack("!BBHI", _SOLICITATION, 0, 0, 0) + address.packed
    return _icmpv6(mac, source=bytes(16), destination=_SOLICITED_NODE + address.packed[13:], message=message)


def arp_claim(packet: bytes) -> Claim | None:
    """Read the sender of an ARP packet; ``None`` where it claims nothing (a probe) or is no ARP for IPv4."""
    if len(packet) < _ARP.size:
        return None
    hardware, protocol, hardware_size, protocol_size, _, mac, sender, _, _ = _ARP.unpack_from(packet)
    if (hardware, protocol, hardware_size, protocol_size) != (_ETHERNET, _IPV4, 6, 4) or sender == bytes(4):
        return None
    return Claim(ip_address(sender), mac)


def advertisement_claim(packet: bytes, sender: bytes) -> Claim | None:
    """Read an IPv6 packet with a neighbour advertisement; without a link address option, ``sender``'s MAC counts."""
    if len(packet) < 64 or packet[6] != _ICMPV6 or packet[7] != _HOP_LIMIT or packet[40] != _ADVERTISEMENT:
        return None
    option = packet[64:72]
    mac = option[2:8] if len(option) == 8 and option[:2] == bytes([_TARGET_LINK_ADDRESS, 1]) else sender
    return Claim(ip_address(packet[48:64]), mac)


def _arp_request(mac: bytes, *, sender: bytes, target: bytes) -> bytes:
    body = _ARP.pack(_ETHERNET, _IPV4, 6, 4, _REQUEST, mac, sender, bytes(6), target)
    return _BROADCAST + mac + struct.pack("!H", ARP) + body


def _icmpv6(mac: bytes, *, source: bytes, destination: bytes, message: bytes) -> bytes:
    pseudo_header = source + destination + struct.pack("!II", len(message), _ICMPV6)
    message = message[:2] + struct.pack("!H", _checksum(pseudo_header + message)) + message[4:]
    header = struct.pack("!IHBB", 6 << 28, len(message), _ICMPV6, _HOP_LIMIT)
    # RFC 2464 section 7: an IPv6 multicast address goes to 33:33 and its last four bytes.
    ethernet = b"\x33\x33" + destination[12:] + mac + struct.pack("!H", IPV6)
    return ethernet + header + source + destination + message


def _checksum(data: bytes) -> int:
    """The Internet checksum (RFC 1071) of an even number of bytes."""
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF
