"""Who speaks in a frame, and how the watch asks."""

import struct
from ipaddress import IPv4Address, IPv6Address

from hypothesis import given
from hypothesis import strategies as st

from vedette.lab import frames
from vedette.lab.sightings import Speech

MAC = bytes.fromhex("02000000000a")
V4, V6 = IPv4Address("10.0.0.1"), IPv6Address("2001:db8::1")


def ethernet(kind: int, payload: bytes) -> bytes:
    return b"\xff" * 6 + MAC + struct.pack("!H", kind) + payload


def arp(operation: int) -> bytes:
    return ethernet(0x0806, struct.pack("!HHBBH6s4s6s4s", 1, 0x0800, 6, 4, operation, MAC, V4.packed, b"", b""))


def ipv4(source: IPv4Address) -> bytes:
    return ethernet(0x0800, b"\x45" + b"\0" * 11 + source.packed + b"\0" * 24)


def ipv6(source: IPv6Address, following: int, payload: bytes) -> bytes:
    return ethernet(
        0x86DD, struct.pack("!IHBB", 6 << 28, len(payload), following, 255) + source.packed + b"\0" * 16 + payload
    )


def test_an_arp_reply_speaks_for_its_sender() -> None:
    assert frames.speaker(arp(2)) == (Speech.ARP_REPLY, MAC, V4.packed)


def test_an_arp_request_speaks_for_its_sender_too() -> None:
    assert frames.speaker(arp(1)) == (Speech.ARP_REQUEST, MAC, V4.packed)


def test_a_packet_speaks_for_its_source() -> None:
    assert frames.speaker(ipv4(V4)) == (Speech.PACKET, MAC, V4.packed)
    assert frames.speaker(ipv6(V6, 6, b"\0" * 20)) == (Speech.PACKET, MAC, V6.packed)


def test_a_neighbour_advertisement_speaks_for_its_target() -> None:
    advertisement = struct.pack("!BBHI", 136, 0, 0, 0) + V6.packed
    frame = ipv6(IPv6Address("fe80::1"), 58, advertisement)
    assert frames.speaker(frame) == (Speech.ADVERTISEMENT, MAC, V6.packed)


@given(st.binary(max_size=120))
def test_any_bytes_are_sorted_without_an_error(frame: bytes) -> None:
    spoken = frames.speaker(frame)
    assert spoken is None or len(spoken[1]) == 6


def test_the_watch_asks_for_an_address_with_its_own_name() -> None:
    frame = frames.arp_request(MAC, IPv4Address("10.0.0.250"), V4)
    assert frames.speaker(frame) == (Speech.ARP_REQUEST, MAC, IPv4Address("10.0.0.250").packed)
    assert frame[38:42] == V4.packed


def test_a_solicitation_has_a_right_checksum_and_goes_to_the_group() -> None:
    frame = frames.neighbour_solicitation(MAC, V6)
    assert frame[:6] == bytes.fromhex("3333ff000001")
    source, group, body = frame[22:38], frame[38:54], frame[54:]
    pseudo = source + group + struct.pack("!II", len(body), 58)
    total = sum(struct.unpack(f"!{(len(pseudo) + len(body)) // 2}H", pseudo + body))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    assert total == 0xFFFF


def run(program: bytes, frame: bytes) -> int:
    """Interpret the few instructions of classic BPF that the filter uses."""
    instructions = list(struct.iter_unpack("=HBBI", program))
    index = word = 0
    while True:
        code, true, false, value = instructions[index]
        index += 1
        match code:
            case 0x28:
                word = int.from_bytes(frame[value : value + 2])
            case 0x20:
                word = int.from_bytes(frame[value : value + 4])
            case 0x30:
                word = frame[value]
            case 0x15:
                index += true if word == value else false
            case 0x06:
                return int(value)


def test_the_filter_keeps_what_may_speak_for_a_watched_address_only() -> None:
    program = frames.filter_of([V4, V6])
    assert run(program, arp(2))
    assert run(program, ipv4(V4))
    assert not run(program, ipv4(IPv4Address("10.0.0.9")))
    assert run(program, ipv6(V6, 6, b"\0" * 20))
    assert not run(program, ipv6(IPv6Address("2001:db8::9"), 6, b"\0" * 20))
    assert run(program, ipv6(IPv6Address("fe80::1"), 58, b"\0" * 24))
    assert not run(program, ethernet(0x88CC, b"\0" * 60))
