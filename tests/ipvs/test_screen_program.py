"""The screen's programs, run instruction by instruction against the words in their docstring."""

import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import IPv6Address, ip_address

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.addresses.machines import Extended, World

from vedette.ipvs.screen.program import FLOW_SIZE, MARK_KEY, SERVER_KEY, program
from vedette.kit.filters import Direction
from vedette.kit.net import IPAddress

MARKS, SERVERS, DIRECT = 7, 8, 9
PASS, DROP = -1, 2
MARK = 0x56000007
CODE = {direction: program(direction, marks=MARKS, servers=SERVERS, direct=DIRECT) for direction in Direction}
TCP, UDP, SCTP = 6, 17, 132
ADDRESSES: dict[int, list[IPAddress]] = {
    4: [ip_address("203.0.113.80"), ip_address("10.0.0.11")],
    6: [ip_address("2001:db8::80"), ip_address("fd00::11")],
}
SKB_MARK = 8


def mapped(address: IPAddress) -> bytes:
    return address.packed if address.version == 6 else IPv6Address(f"::ffff:{address}").packed


@dataclass
class Tables:
    """What is in the maps: the longest prefix is the caller's business, as the kernel finds it by itself."""

    marks: Mapping[bytes, int] = field(default_factory=dict)
    servers: frozenset[bytes] = frozenset()
    direct: set[bytes] = field(default_factory=set)


class Machine(Extended):
    def __init__(self, direction: Direction, ethertype: int, packet: bytes, tables: Tables) -> None:
        super().__init__(CODE[direction], World(ethertype, packet, {}, {}, 0), members=0, slots=0)
        self._tables = tables
        self.mark: int | None = None

    def _call(self, helper: int) -> None:
        if helper != 2:
            super()._call(helper)
            return
        table, key, value, flags = self._registers[1:5]
        assert (table, flags) == ((4 << 32) + DIRECT, 0)
        assert self._read(value, 4) == struct.pack("=I", 1)
        self._tables.direct.add(self._read(key, FLOW_SIZE))
        self._registers[:6] = [0, *[0xDEAD] * 5]

    def _lookup(self, number: int, key: int) -> int:
        found: int | None
        match number:
            case 7:
                found = self._tables.marks.get(self._read(key, MARK_KEY.size))
            case 8:
                found = 1 if self._read(key, SERVER_KEY.size) in self._tables.servers else None
            case _:
                found = 1 if self._read(key, FLOW_SIZE) in self._tables.direct else None
        if found is None:
            return 0
        self._values.append(struct.pack("=I", found))
        return (2 << 32) + (len(self._values) << 8)

    def _write(self, address: int, data: bytes) -> None:
        if address == (3 << 32) + SKB_MARK:
            (self.mark,) = struct.unpack("=I", data)
        else:
            super()._write(address, data)


@dataclass(frozen=True)
class Packet:
    source: IPAddress
    destination: IPAddress
    protocol: int
    source_port: int
    destination_port: int
    flags: int = 0x10
    fragment: int = 0
    extensions: tuple[int, ...] = ()

    @property
    def ethertype(self) -> int:
        return 0x0800 if self.source.version == 4 else 0x86DD

    @property
    def body(self) -> bytes:
        ports = struct.pack("!HH", self.source_port, self.destination_port)
        transport = ports + bytes(8) + bytes([self.flags, self.flags]) + bytes(8)
        if self.source.version == 4:
            options = bytes(4 * len(self.extensions))
            head = struct.pack("!BBHHHBBH", 0x45 + len(self.extensions), 0, 0, 0, self.fragment, 64, self.protocol, 0)
            return head + self.source.packed + self.destination.packed + options + transport
        chain = [*self.extensions, *([44] if self.fragment else []), self.protocol]
        body = b""
        for position, kind in enumerate(chain[:-1]):
            following = chain[position + 1]
            if kind == 44:
                body += struct.pack("!BBHI", following, 0, self.fragment << 3, 0)
            else:
                body += struct.pack("!BB", following, position % 2) + bytes(6 + 8 * (position % 2))
        head = bytes([0x60, 0, 0, 0, 0, 0, chain[0], 64])
        return head + self.source.packed + self.destination.packed + body + transport

    @property
    def readable(self) -> bool:
        return self.fragment == 0 and self.protocol in (TCP, UDP, SCTP)


def server_key(address: IPAddress, protocol: int, port: int) -> bytes:
    return SERVER_KEY.pack(mapped(address), protocol, struct.pack("!H", port))


def mark_key(packet: Packet) -> bytes:
    port = struct.pack("!H", packet.destination_port)
    return MARK_KEY.pack(160, mapped(packet.destination), packet.protocol, port)


def flow(server: bytes, peer: IPAddress, port: int) -> bytes:
    return server + mapped(peer) + struct.pack("!HH", port, 0)


port = st.sampled_from((53, 80, 1023, 1024, 40000))


@st.composite
def packets(draw: st.DrawFn) -> Packet:
    version = draw(st.sampled_from((4, 6)))
    address = st.sampled_from(ADDRESSES[version])
    return Packet(
        *(draw(address), draw(address), draw(st.sampled_from((TCP, UDP, SCTP, 1, 58))), draw(port), draw(port)),
        flags=draw(st.sampled_from((0x01, 0x02, 0x10, 0x12, 0x18))),
        fragment=draw(st.sampled_from((0, 0, 0, 185))),
        extensions=draw(st.lists(st.sampled_from((0, 43, 60)), max_size=3).map(tuple)),
    )


@settings(max_examples=300)
@given(packet=packets(), mark=st.sampled_from((None, 0, MARK)), guarded=st.booleans())
def test_on_the_way_in_a_packet_gets_its_mark_and_a_direct_flow_is_noted(
    packet: Packet, mark: int | None, guarded: bool
) -> None:
    server = server_key(packet.destination, packet.protocol, packet.destination_port)
    tables = Tables({} if mark is None else {mark_key(packet): mark}, frozenset([server] if guarded else []))
    machine = Machine(Direction.INGRESS, packet.ethertype, packet.body, tables)
    assert machine.run() == PASS
    assert machine.mark == (mark or None if packet.readable else None)
    noted = {flow(server, packet.source, packet.source_port)} if guarded and packet.readable else set()
    assert tables.direct == noted


def begins(packet: Packet) -> bool:
    if packet.protocol == TCP:
        return packet.flags & 0x12 == 0x02
    return packet.protocol == SCTP and packet.flags == 1


@settings(max_examples=300)
@given(packet=packets(), guarded=st.booleans(), known=st.booleans())
def test_on_the_way_out_what_is_not_translated_is_dropped_unless_nobody_expects_that(
    packet: Packet, guarded: bool, known: bool
) -> None:
    server = server_key(packet.source, packet.protocol, packet.source_port)
    this = flow(server, packet.destination, packet.destination_port)
    tables = Tables({}, frozenset([server] if guarded else []), {this} if known else set())
    machine = Machine(Direction.EGRESS, packet.ethertype, packet.body, tables)
    asks = packet.protocol == UDP and packet.destination_port < 1024
    passes = not guarded or not packet.readable or known or begins(packet) or asks
    assert machine.run() == (PASS if passes else DROP)
    assert machine.mark is None
    noted = guarded and packet.readable and begins(packet)
    assert tables.direct == ({this} if known or noted else set())


@given(packet=packets(), length=st.integers(0, 60), direction=st.sampled_from(Direction))
def test_a_truncated_packet_ends_in_a_verdict(packet: Packet, length: int, direction: Direction) -> None:
    assert Machine(direction, packet.ethertype, packet.body[:length], Tables()).run() == PASS


@pytest.mark.parametrize("direction", Direction)
def test_a_program_is_small_enough_for_every_verifier(direction: Direction) -> None:
    assert len(CODE[direction]) // 8 < 400
