"""Connections as the kernel's sync daemon takes them in: protocol version 1, as net/netfilter/ipvs/ip_vs_sync.c has it.

All numbers are big-endian. A datagram is a header and up to 255 entries, each at a multiple of four bytes::

    header   1 zero · 1 id · 2 size of the datagram · 1 number of entries · 1 version, 1 · 2 zero
    entry    1 type, bit 0: IPv6 · 1 protocol · 2 size · 4 flags · 2 state · 2 client's, 2 virtual, 2 server's port ·
             4 firewall mark · 4 time-out in seconds · client's, virtual and server's address (4 or 16 bytes each) ·
             parameters: 1 kind · 1 size · data

A receiver drops a whole datagram that is longer than its buffer (``sync_maxlen``, at least 1,452 bytes), and one
entry whose state it does not know. Time-out 0 stands for the usual one of the state; a template must bring its own.
The forwarding method counts only where the receiver does not know the server; else it takes what its table says.
"""

import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from vedette.ipvs.connections.model import Connection
from vedette.ipvs.model import Method

LARGEST = 1452
"""Bytes of a datagram that every receiver takes whole: 1,500 less the headers of IPv6 and UDP (start_sync_thread)."""
_VERSION = 1
_MOST = 255
_HEADER = struct.Struct("!BBHBbH")
_FIXED = struct.Struct("!BBHIHHHHII")
_INET6 = 1
_NO_OUTPUT, _INACTIVE, _NO_CLIENT_PORT, _TEMPLATE = 0x0080, 0x0100, 0x0800, 0x1000
"""IP_VS_CONN_F_*, beside the forwarding method."""
_ENGINE_DATA, _ENGINE_NAME = 2, 3
"""IPVS_OPT_PE_*."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A connection with what the kernel's list does not show: how it is forwarded, by which firewall mark's service
    (0 = none), and its time-out in seconds (0 = that of its state)."""

    connection: Connection
    method: Method
    mark: int = 0
    timeout: int = 0


def datagrams(entries: Iterable[Entry], *, id: int, largest: int = LARGEST) -> Iterator[bytes]:
    """Pack entries in their order into as few datagrams of at most ``largest`` bytes as that allows."""
    parts: list[bytes] = []
    size = _HEADER.size
    for entry in entries:
        part = encode(entry)
        part += b"\0" * (-len(part) % 4)  # the next one starts at a multiple of four
        if parts and (size + len(part) > largest or len(parts) == _MOST):
            yield _datagram(parts, id)
            parts, size = [], _HEADER.size
        parts.append(part)
        size += len(part)
    if parts:
        yield _datagram(parts, id)


def encode(entry: Entry) -> bytes:
    """One entry, not padded."""
    item = entry.connection
    parameters = b""
    if item.engine:
        data, name = item.engine_data[:255], item.engine.encode()
        parameters = bytes((_ENGINE_DATA, len(data))) + data + bytes((_ENGINE_NAME, len(name))) + name
    addresses = item.client + item.virtual + item.server
    return (
        _FIXED.pack(
            _INET6 if item.version == 6 else 0,
            item.protocol,
            _FIXED.size + len(addresses) + len(parameters),
            _flags(entry),
            item.state,
            item.client_port,
            item.virtual_port,
            item.server_port,
            entry.mark,
            entry.timeout,
        )
        + addresses
        + parameters
    )


def _flags(entry: Entry) -> int:
    item = entry.connection
    flags: int = entry.method
    if entry.method is not Method.MASQUERADE:
        flags |= _NO_OUTPUT
    if item.template:
        return flags | _TEMPLATE
    if not item.active:
        flags |= _INACTIVE
    if item.client_port == 0:
        flags |= _NO_CLIENT_PORT
    return flags


def _datagram(parts: list[bytes], id: int) -> bytes:
    size = _HEADER.size + sum(map(len, parts))
    return _HEADER.pack(0, id, size, len(parts), _VERSION, 0) + b"".join(parts)
