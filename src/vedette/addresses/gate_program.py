"""The gate's two programs, one per direction, instruction by instruction.

What they decide, for a packet on an interface that carries VIPs (the address looked at is the *subject*)::

    ethertype        ingress                          egress
    ARP              target address    → answer       sender address            → answer
    IPv4             destination       → forward      source                    → answer
    IPv6, NS (135)   target            → answer
    IPv6, NA (136)                                    target                    → answer
    IPv6             destination       → forward      source                    → answer

The subject is looked up in ``members``: absent means that the packet is not ours (TC_ACT_UNSPEC: the next filter,
or the stack, decides). Else the group's slot gives the deadline of the class on the right; at or after it the packet
is dropped (TC_ACT_SHOT). A slot that cannot be read is closed.

Offsets count from the network header (``bpf_skb_load_bytes_relative``), so a VLAN tag or a link without Ethernet
header changes nothing. Neighbour discovery has no extension headers (RFC 4861 section 4), so its type is at byte 40.

Registers: r6 the packet (struct __sk_buff), r9 the deadline while the clock is read; r0 to r5 do not survive a helper.
Stack: the member key at -16 (an IPv4 address is mapped, ::ffff:a.b.c.d), the slot's index at -20, one byte read from
the packet at -24.
"""

import socket

from vedette.kit.assembler import (
    Instruction,
    Label,
    add,
    assemble,
    call,
    jump,
    jump_if_at_least,
    jump_if_equal,
    jump_unless_equal,
    leave,
    map_reference,
    move,
    read,
    set_to,
    write,
    write_value,
)
from vedette.kit.filters import Direction

ANSWER, FORWARD = 0, 8
"""Offsets of the two deadlines in a slot."""
KEY_SIZE = 16

_UNSPEC, _SHOT = -1, 2
_LOOKUP, _GET_BOOT_TIME, _LOAD_BYTES = 1, 125, 68
_FROM_NETWORK_HEADER = 1
_SKB_PROTOCOL = 16
_KEY, _INDEX, _BYTE = -16, -20, -24
_R0, _R1, _R2, _R3, _R4, _R5, _PACKET, _DEADLINE, _FRAME = 0, 1, 2, 3, 4, 5, 6, 9, 10
_ICMPV6, _SOLICITATION, _ADVERTISEMENT = 58, 135, 136


def program(direction: Direction, *, members: int, slots: int) -> bytes:
    """Assemble one direction's program; ``members`` and ``slots`` are the maps' descriptors."""
    maps = (members, slots)
    inbound = direction is Direction.INGRESS
    packets = FORWARD if inbound else ANSWER
    return assemble(
        [
            move(_PACKET, _R1),
            read(4, _R2, _PACKET, _SKB_PROTOCOL),  # network byte order
            jump_if_equal(_R2, socket.htons(0x86DD), "ipv6"),
            *_mapped_prefix(),
            jump_if_equal(_R2, socket.htons(0x0800), "ipv4"),
            jump_unless_equal(_R2, socket.htons(0x0806), "pass"),
            # ARP (RFC 826): sender protocol address at 14, target protocol address at 24
            *_judge(24 if inbound else 14, 4, ANSWER, maps, otherwise="pass"),
            Label("ipv4"),  # RFC 791: source at 12, destination at 16
            *_judge(16 if inbound else 12, 4, packets, maps, otherwise="pass"),
            Label("ipv6"),  # RFC 8200: next header at 6
            *_jump_unless_byte(6, _ICMPV6, "ipv6 packet"),
            *_jump_unless_byte(40, _SOLICITATION if inbound else _ADVERTISEMENT, "ipv6 packet"),
            # RFC 4861 sections 4.3 and 4.4: target address; what is not closed goes on as a packet
            *_judge(48, KEY_SIZE, ANSWER, maps, otherwise="ipv6 packet"),
            Label("ipv6 packet"),  # RFC 8200: source at 8, destination at 24
            *_judge(24 if inbound else 8, KEY_SIZE, packets, maps, otherwise="pass"),
            Label("pass"),
            set_to(_R0, _UNSPEC),
            leave(),
            Label("closed"),
            set_to(_R0, _SHOT),
            leave(),
        ]
    )


def _mapped_prefix() -> list[Instruction]:
    """The first twelve bytes of a mapped IPv4 address: ten of 00, two of ff."""
    return [
        write_value(8, _FRAME, _KEY, 0),
        write_value(2, _FRAME, _KEY + 8, 0),
        write_value(2, _FRAME, _KEY + 10, -1),
    ]


def _judge(offset: int, size: int, deadline: int, maps: tuple[int, int], *, otherwise: str) -> list[Instruction]:
    """Drop the packet if its subject (``size`` bytes at ``offset``) is ours and its deadline has come."""
    members, slots = maps
    return [
        # The subject completes the key; a packet too short to have one concerns nobody.
        *_load_bytes(offset, size, _KEY + KEY_SIZE - size),
        jump_unless_equal(_R0, 0, "pass"),
        # r0 = &members[key]
        *map_reference(_R1, members),
        move(_R2, _FRAME),
        add(_R2, _KEY),
        call(_LOOKUP),
        jump_if_equal(_R0, 0, otherwise),
        # r0 = &slots[*r0]
        read(4, _R1, _R0, 0),
        write(4, _FRAME, _INDEX, _R1),
        *map_reference(_R1, slots),
        move(_R2, _FRAME),
        add(_R2, _INDEX),
        call(_LOOKUP),
        jump_if_equal(_R0, 0, "closed"),
        # now >= deadline?
        read(8, _DEADLINE, _R0, deadline),
        call(_GET_BOOT_TIME),
        jump_if_at_least(_R0, _DEADLINE, "closed"),
        jump(otherwise),
    ]


def _jump_unless_byte(offset: int, value: int, target: str) -> list[Instruction]:
    """Go to ``target`` unless the packet has ``value`` at ``offset``."""
    return [
        *_load_bytes(offset, 1, _BYTE),
        jump_unless_equal(_R0, 0, target),
        read(1, _R1, _FRAME, _BYTE),
        jump_unless_equal(_R1, value, target),
    ]


def _load_bytes(offset: int, size: int, place: int) -> list[Instruction]:
    """r0 = bpf_skb_load_bytes_relative(packet, offset, stack + place, size, BPF_HDR_START_NET): 0, or an error."""
    return [
        move(_R1, _PACKET),
        set_to(_R2, offset),
        move(_R3, _FRAME),
        add(_R3, place),
        set_to(_R4, size),
        set_to(_R5, _FROM_NETWORK_HEADER),
        call(_LOAD_BYTES),
    ]
