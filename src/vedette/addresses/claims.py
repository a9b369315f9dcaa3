"""Classic BPF filters that let only foreign claims to chosen addresses through to a packet socket (linux/filter.h).

A director sees every ARP of its networks and far more IPv6; without a filter in the kernel a busy network would
keep the process that keeps time busy. Offsets count from the network header (packet(7), SOCK_DGRAM).
"""

import struct
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv6Address

_LOAD_WORD, _LOAD_BYTE, _RETURN = 0x20, 0x30, 0x06
_JUMP_IF_EQUAL, _JUMP_IF_GREATER, _JUMP_IF_AT_LEAST = 0x15, 0x25, 0x35
_WHOLE_PACKET = 0x40000
_INSTRUCTION = struct.Struct("=HBBI")
MOST_V4, MOST_V6 = 64, 8
"""Addresses that a filter tells one by one. Beyond, it takes whole ranges, and the reader tells: filters count against
net.core.optmem_max, 20 KiB before Linux 6.8, the old one and the new one together."""

_Instruction = tuple[int, int, int, int]
_REFUSE: _Instruction = (_RETURN, 0, 0, 0)
_ACCEPT: _Instruction = (_RETURN, 0, 0, _WHOLE_PACKET)


def arp(addresses: Sequence[IPv4Address]) -> bytes:
    """ARP whose sender protocol address (at 14) is one of these; where they are many, from the first to the last."""
    code: list[_Instruction] = [(_LOAD_WORD, 0, 0, 14)]
    if len(addresses) > MOST_V4:
        code += [(_JUMP_IF_GREATER, 1, 0, int(max(addresses))), (_JUMP_IF_AT_LEAST, 1, 0, int(min(addresses)))]
        return _encode([*code, _REFUSE, _ACCEPT])
    for address in addresses:
        code += [(_JUMP_IF_EQUAL, 0, 1, int(address)), _ACCEPT]
    return _encode([*code, _REFUSE])


def advertisements(addresses: Sequence[IPv6Address]) -> bytes:
    """Neighbour advertisements (ICMPv6 type 136 at 40) whose target (at 48) is one of these; all, if they are many."""
    code: list[_Instruction] = [
        (_LOAD_BYTE, 0, 0, 6),
        (_JUMP_IF_EQUAL, 1, 0, 58),
        _REFUSE,
        (_LOAD_BYTE, 0, 0, 40),
        (_JUMP_IF_EQUAL, 1, 0, 136),
        _REFUSE,
    ]
    if len(addresses) > MOST_V6:
        return _encode([*code, _ACCEPT])
    for address in addresses:
        words = struct.unpack("!4I", address.packed)
        for position, word in enumerate(words):
            rest = 2 * (3 - position) + 1  # what is left of this address: two a word, and the return
            code += [(_LOAD_WORD, 0, 0, 48 + 4 * position), (_JUMP_IF_EQUAL, 0, rest, word)]
        code.append(_ACCEPT)
    return _encode([*code, _REFUSE])


def _encode(code: Sequence[_Instruction]) -> bytes:
    return b"".join(_INSTRUCTION.pack(*instruction) for instruction in code)
