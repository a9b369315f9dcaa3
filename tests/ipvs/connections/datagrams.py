"""Reading sync datagrams of version 1 as net/netfilter/ipvs/ip_vs_sync.c reads them, written apart from the encoder."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Decoded:
    version: int
    protocol: int
    flags: int
    state: int
    ports: tuple[int, int, int]
    mark: int
    timeout: int
    addresses: tuple[bytes, bytes, bytes]
    options: tuple[tuple[int, bytes], ...] = ()


def decode(data: bytes) -> tuple[int, list[Decoded]]:
    """The id and the entries; fails where the kernel would drop the datagram (ip_vs_process_message)."""
    assert int.from_bytes(data[2:4]) == len(data), "bogus message size"
    assert data[0] == 0, "not version 1"
    assert data[5:8] == b"\x01\0\0", "not version 1"
    entries, offset = [], 8
    for _ in range(data[4]):
        assert offset + 36 <= len(data), "too small"
        size = int.from_bytes(data[offset + 2 : offset + 4])
        assert size < 1 << 12, "unknown version"
        assert offset + size <= len(data), "message longer than the buffer"
        entries.append(_entry(data[offset : offset + size]))
        offset += size + 3 & ~3
    assert offset == len(data), "something behind the last entry"
    return data[1], entries


def _entry(data: bytes) -> Decoded:
    width = 16 if data[0] & 1 else 4
    assert data[0] in (0, 1), "unknown type"
    end = 24 + 3 * width
    assert end <= len(data), "shorter than its addresses"
    first, second, third = (data[24 + index * width : 24 + (index + 1) * width] for index in range(3))
    return Decoded(
        version=6 if data[0] else 4,
        protocol=data[1],
        flags=int.from_bytes(data[4:8]),
        state=int.from_bytes(data[8:10]),
        ports=(int.from_bytes(data[10:12]), int.from_bytes(data[12:14]), int.from_bytes(data[14:16])),
        mark=int.from_bytes(data[16:20]),
        timeout=int.from_bytes(data[20:24]),
        addresses=(first, second, third),
        options=tuple(_options(data[end:])),
    )


def _options(data: bytes) -> list[tuple[int, bytes]]:
    found = []
    while data:
        kind, size = data[0], data[1]
        assert size, "an option without data"
        assert 2 + size <= len(data), "an option longer than its entry"
        found.append((kind, data[2 : 2 + size]))
        data = data[2 + size :]
    return found
