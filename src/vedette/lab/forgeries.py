"""What somebody without the key can make of a heartbeat that he has heard. Pure.

Three things: repeat it, change it, or speak as another cluster. The last two carry the address of the node that spoke
and everything that is right about a datagram up to its signature, so that refusing them costs as much as it can.
"""

import hashlib
import struct
from collections.abc import Sequence
from dataclasses import dataclass

STRANGER = bytes.fromhex("0276ff000001")
"""The MAC that all of them come from: the addresses of the machines stay where the switch has learned them."""
_IPV4, _IPV6, _UDP = 0x0800, 0x86DD, 17
_CLUSTER = slice(3, 11)
"""Where a datagram says whose it is (:mod:`vedette.cluster.wire`)."""
_MAC = 16


@dataclass(frozen=True, slots=True)
class Heard:
    """A datagram of the cluster: the frame up to its UDP header, and what it carries."""

    ethernet: bytes
    network: bytes
    ports: bytes
    data: bytes


def hear(frame: bytes, port: int) -> Heard | None:
    """Take a frame apart; None if it is no UDP datagram to the port."""
    if len(frame) < 42:
        return None
    (kind,) = struct.unpack_from("!H", frame, 12)
    if kind == _IPV4 and frame[14] == 0x45 and frame[23] == _UDP:
        start = 34
    elif kind == _IPV6 and len(frame) >= 62 and frame[20] == _UDP:
        start = 54
    else:
        return None
    _, to, length, _ = struct.unpack_from("!HHHH", frame, start)
    if to != port or length < 8 or start + length > len(frame):
        return None
    return Heard(frame[:14], frame[14:start], frame[start : start + 4], frame[start + 8 : start + length])


def forgeries(heard: Heard) -> Sequence[bytes]:
    """The same again; with another content; and as if of another cluster, with a signature by another key."""
    data = heard.data
    changed = data[: -_MAC - 1] + bytes([data[-_MAC - 1] ^ 0xFF]) + data[-_MAC:]
    foreign = data[: _CLUSTER.start] + hashlib.sha256(data[_CLUSTER]).digest()[:8] + data[_CLUSTER.stop : -_MAC]
    foreign += hashlib.sha256(b"another key" + foreign).digest()[:_MAC]
    return [_frame(heard, content) for content in (data, changed, foreign)]


def _frame(heard: Heard, data: bytes) -> bytes:
    ethernet = heard.ethernet[:6] + STRANGER + heard.ethernet[12:]
    length = struct.pack("!H", 8 + len(data))
    addresses = heard.network[-32:] if len(heard.network) == 40 else heard.network[12:20]
    pseudo = addresses + struct.pack("!II", 8 + len(data), _UDP) + heard.ports + length + b"\0\0" + data
    total = _checksum(pseudo) or 0xFFFF
    return ethernet + heard.network + heard.ports + length + struct.pack("!H", total) + data


def _checksum(data: bytes) -> int:
    """RFC 1071."""
    total: int = sum(struct.unpack(f"!{(len(data) + 1) // 2}H", data + b"\0" * (len(data) % 2)))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF
