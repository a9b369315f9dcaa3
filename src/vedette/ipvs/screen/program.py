"""The screen's two programs, one per direction, instruction by instruction.

Both read protocol, addresses and ports of a TCP, UDP or SCTP packet; anything else, and every fragment but the first,
passes. The *subject* is the side that may be ours, the *peer* the other one.

Ingress: the subject is the destination.

- its longest prefix in ``marks`` gives the packet its mark (0: leave it as it is);
- a packet straight to a port in ``servers`` does not go through IPVS: the flow is noted in ``direct``.

Egress: the subject is the source. A packet from a port in ``servers`` still has the real server's own address, so IPVS
has not translated it. It passes if

- its flow is in ``direct``: somebody speaks to the real server itself, and this node only routes;
- it begins a connection (SYN, INIT): the real server is the client, and the flow is noted too;
- it is a datagram to a port below 1024: the real server asks a service of others;

and is dropped otherwise.

Registers: r6 the packet (struct __sk_buff), r7 where the transport header begins. Offsets count from the network
header. The stack is one key for all maps (see the offsets below): ``marks`` from the prefix length on, ``servers`` and
``direct`` from the subject on. IPv4 addresses are mapped (::ffff:a.b.c.d).
"""

import socket
import struct

from vedette.kit.assembler import (
    Instruction,
    Label,
    Program,
    add,
    add_register,
    assemble,
    call,
    jump,
    jump_if_at_least,
    jump_if_equal,
    jump_unless_equal,
    keep_bits,
    leave,
    map_reference,
    move,
    read,
    set_to,
    shift_left,
    write,
    write_value,
)
from vedette.kit.filters import Direction

MARK_KEY = struct.Struct("=I16sxB2s")
"""Bits that count, address, protocol, port (network order). The prefix covers address, protocol and port."""
SERVER_KEY = struct.Struct("=16sxB2s")
FLOW_SIZE = SERVER_KEY.size + 16 + 4
ADDRESS_BITS = 8 * (16 + 2)
"""Of a prefix: the address and the protocol."""

_UNSPEC, _SHOT = -1, 2
_LOOKUP, _UPDATE, _LOAD_BYTES = 1, 2, 68
_FROM_NETWORK_HEADER = 1
_SKB_MARK, _SKB_PROTOCOL = 8, 16
_R0, _R1, _R2, _R3, _R4, _R5, _PACKET, _HEADER, _FRAME = 0, 1, 2, 3, 4, 5, 6, 7, 10
_PREFIX, _SUBJECT, _PROTOCOL, _SUBJECT_PORT, _PEER, _PEER_PORT, _PADDING = -68, -64, -48, -46, -44, -28, -26
_VALUE, _BYTES = -24, -16
_TCP, _UDP, _SCTP = 6, 17, 132
_HOP_BY_HOP, _ROUTING, _FRAGMENT, _DESTINATION_OPTIONS = 0, 43, 44, 60
_MOST_EXTENSIONS = 4
_SYN, _SYN_ACK = 0x02, 0x12
_INIT = 1
_PRIVILEGED = 1024


def program(direction: Direction, *, marks: int, servers: int, direct: int) -> bytes:
    """Assemble one direction's program; the maps are given by their descriptors."""
    inbound = direction is Direction.INGRESS
    return assemble(
        [
            move(_PACKET, _R1),
            *_parse(inbound=inbound),
            *(_mark(marks) if inbound else ()),
            *_find(servers, _SUBJECT),
            jump_if_equal(_R0, 0, "pass"),
            *(_note(direct) if inbound else _judge(direct)),
            Label("pass"),
            set_to(_R0, _UNSPEC),
            leave(),
            *(() if inbound else (Label("drop"), set_to(_R0, _SHOT), leave())),
        ]
    )


def _mark(marks: int) -> Program:
    return [
        write_value(4, _FRAME, _PREFIX, ADDRESS_BITS + 16),
        *_find(marks, _PREFIX),
        jump_if_equal(_R0, 0, "unmarked"),
        read(4, _R1, _R0, 0),
        jump_if_equal(_R1, 0, "unmarked"),
        write(4, _PACKET, _SKB_MARK, _R1),
        Label("unmarked"),
    ]


def _judge(direct: int) -> Program:
    """A packet that IPVS has not translated."""
    return [
        *_find(direct, _SUBJECT),
        jump_unless_equal(_R0, 0, "pass"),
        read(1, _R1, _FRAME, _PROTOCOL + 1),
        jump_if_equal(_R1, _UDP, "datagram"),
        jump_if_equal(_R1, _SCTP, "sctp"),
        *_load_at_header(13, 1, _BYTES, otherwise="drop"),  # RFC 9293: flags
        read(1, _R1, _FRAME, _BYTES),
        keep_bits(_R1, _SYN_ACK),
        jump_unless_equal(_R1, _SYN, "drop"),
        jump("begins"),
        Label("sctp"),
        *_load_at_header(12, 1, _BYTES, otherwise="drop"),  # RFC 9260: type of the first chunk
        read(1, _R1, _FRAME, _BYTES),
        jump_unless_equal(_R1, _INIT, "drop"),
        Label("begins"),
        *_note(direct),
        jump("pass"),
        Label("datagram"),
        read(1, _R1, _FRAME, _PEER_PORT),  # the higher byte
        set_to(_R2, _PRIVILEGED >> 8),
        jump_if_at_least(_R1, _R2, "drop"),
    ]


def _note(direct: int) -> Program:
    """direct[flow] = 1"""
    return [
        write_value(4, _FRAME, _VALUE, 1),
        *map_reference(_R1, direct),
        move(_R2, _FRAME),
        add(_R2, _SUBJECT),
        move(_R3, _FRAME),
        add(_R3, _VALUE),
        set_to(_R4, 0),
        call(_UPDATE),
    ]


def _find(table: int, key: int) -> list[Instruction]:
    """r0 = &table[stack + key], or 0."""
    return [*map_reference(_R1, table), move(_R2, _FRAME), add(_R2, key), call(_LOOKUP)]


def _parse(*, inbound: bool) -> Program:
    """Fill the key; what is no transport packet, or no beginning of one, passes."""
    return [
        write_value(2, _FRAME, _PROTOCOL, 0),
        write_value(2, _FRAME, _PADDING, 0),
        read(4, _R2, _PACKET, _SKB_PROTOCOL),  # network byte order
        jump_if_equal(_R2, socket.htons(0x86DD), "ipv6"),
        jump_unless_equal(_R2, socket.htons(0x0800), "pass"),
        *_parse_ipv4(inbound=inbound),
        jump("transport"),
        Label("ipv6"),
        *_parse_ipv6(inbound=inbound),
        Label("transport"),
        read(1, _R1, _FRAME, _PROTOCOL + 1),
        jump_if_equal(_R1, _TCP, "ports"),
        jump_if_equal(_R1, _UDP, "ports"),
        jump_unless_equal(_R1, _SCTP, "pass"),
        Label("ports"),  # source at 0, destination at 2, in all three
        *_load_at_header(2 if inbound else 0, 2, _SUBJECT_PORT, otherwise="pass"),
        *_load_at_header(0 if inbound else 2, 2, _PEER_PORT, otherwise="pass"),
    ]


def _parse_ipv4(*, inbound: bool) -> Program:
    """RFC 791: header length at 0, fragment at 6, protocol at 9, source at 12, destination at 16."""
    return [
        *_mapped_prefix(_SUBJECT),
        *_mapped_prefix(_PEER),
        *_load(0, 1, _BYTES),
        read(1, _HEADER, _FRAME, _BYTES),
        keep_bits(_HEADER, 0x0F),
        shift_left(_HEADER, 2),
        *_load(6, 2, _BYTES),
        read(2, _R1, _FRAME, _BYTES),
        keep_bits(_R1, socket.htons(0x1FFF)),
        jump_unless_equal(_R1, 0, "pass"),
        *_load(9, 1, _PROTOCOL + 1),
        *_load(16 if inbound else 12, 4, _SUBJECT + 12),
        *_load(12 if inbound else 16, 4, _PEER + 12),
    ]


def _parse_ipv6(*, inbound: bool) -> Program:
    """RFC 8200: next header at 6, source at 8, destination at 24; then a few extension headers."""
    return [
        *_load(6, 1, _PROTOCOL + 1),
        *_load(24 if inbound else 8, 16, _SUBJECT),
        *_load(8 if inbound else 24, 16, _PEER),
        set_to(_HEADER, 40),
        *(item for number in range(_MOST_EXTENSIONS) for item in _skip_extension(number)),
    ]


def _skip_extension(number: int) -> Program:
    """Go over one extension header, if there is one: next header at 0, length at 1 in eight bytes beyond the first."""
    return [
        read(1, _R1, _FRAME, _PROTOCOL + 1),
        jump_if_equal(_R1, _FRAGMENT, f"fragment {number}"),
        jump_if_equal(_R1, _HOP_BY_HOP, f"options {number}"),
        jump_if_equal(_R1, _ROUTING, f"options {number}"),
        jump_unless_equal(_R1, _DESTINATION_OPTIONS, "transport"),
        Label(f"options {number}"),
        *_load_at_header(0, 2, _BYTES, otherwise="pass"),
        read(1, _R1, _FRAME, _BYTES),
        write(1, _FRAME, _PROTOCOL + 1, _R1),
        read(1, _R1, _FRAME, _BYTES + 1),
        add(_R1, 1),
        shift_left(_R1, 3),
        add_register(_HEADER, _R1),
        jump(f"next {number}"),
        Label(f"fragment {number}"),
        *_load_at_header(0, 4, _BYTES, otherwise="pass"),
        read(2, _R1, _FRAME, _BYTES + 2),
        keep_bits(_R1, socket.htons(0xFFF8)),
        jump_unless_equal(_R1, 0, "pass"),
        read(1, _R1, _FRAME, _BYTES),
        write(1, _FRAME, _PROTOCOL + 1, _R1),
        add(_HEADER, 8),
        Label(f"next {number}"),
    ]


def _mapped_prefix(place: int) -> list[Instruction]:
    """The first twelve bytes of a mapped IPv4 address: ten of 00, two of ff."""
    return [
        write_value(4, _FRAME, place, 0),
        write_value(4, _FRAME, place + 4, 0),
        write_value(2, _FRAME, place + 8, 0),
        write_value(2, _FRAME, place + 10, -1),
    ]


def _load(offset: int, size: int, place: int) -> list[Instruction]:
    """Copy from the network header on; a packet that is too short passes."""
    return [set_to(_R2, offset), *_load_from_r2(size, place), jump_unless_equal(_R0, 0, "pass")]


def _load_at_header(offset: int, size: int, place: int, *, otherwise: str) -> list[Instruction]:
    """Copy from the header at r7."""
    load = [move(_R2, _HEADER), add(_R2, offset), *_load_from_r2(size, place)]
    return [*load, jump_unless_equal(_R0, 0, otherwise)]


def _load_from_r2(size: int, place: int) -> list[Instruction]:
    """r0 = bpf_skb_load_bytes_relative(packet, r2, stack + place, size, BPF_HDR_START_NET): 0, or an error."""
    return [
        move(_R1, _PACKET),
        move(_R3, _FRAME),
        add(_R3, place),
        set_to(_R4, size),
        set_to(_R5, _FROM_NETWORK_HEADER),
        call(_LOAD_BYTES),
    ]
