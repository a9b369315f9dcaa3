"""Just enough of the kernel's two BPF machines to run what Vedette assembles on packets that tests make up.

Written from the kernel's documentation (instruction-set.rst, networking/filter.rst), not from the assembler.
"""

import struct
import sys
from collections.abc import Mapping
from dataclasses import dataclass

_MASK = 2**64 - 1
_SIZES = {0x00: 4, 0x08: 2, 0x10: 1, 0x18: 8}
_STACK, _VALUE = 1 << 32, 2 << 32
"""Where pointers point: the frame pointer (growing down), and values of maps by number."""
_PACKET, _MAP = 3 << 32, 4 << 32


@dataclass(frozen=True, slots=True)
class World:
    """What a program sees: the packet from its network header on, its ethertype, two maps and the clock."""

    ethertype: int
    packet: bytes
    members: Mapping[bytes, int]
    slots: Mapping[int, tuple[int, int]]
    now: int


def run(code: bytes, world: World, *, members: int, slots: int) -> int:
    """Run an eBPF program to its end; returns r0 as a signed number."""
    return Extended(code, world, members=members, slots=slots).run()


class Extended:
    """The machine as the gate's programs use it; other programs' helpers and maps are a subclass's."""

    def __init__(self, code: bytes, world: World, *, members: int, slots: int) -> None:
        assert sys.byteorder == "little"
        self._code = [struct.unpack_from("<BBhi", code, offset) for offset in range(0, len(code), 8)]
        self._world, self._members, self._slots = world, members, slots
        self._registers = [0] * 11
        self._registers[1], self._registers[10] = _PACKET, _STACK
        self._stack = bytearray(512)
        self._values: list[bytes] = []

    def run(self) -> int:
        place = 0
        while True:
            code, registers, offset, value = self._code[place]
            to, source = registers & 0xF, registers >> 4
            place += 1
            if code == 0x95:
                return struct.unpack("<q", struct.pack("<Q", self._registers[0]))[0]  # type: ignore[no-any-return]
            if code == 0x85:
                self._call(value)
            elif code == 0x18:
                assert source == 1
                self._registers[to] = _MAP + value
                place += 1
            elif code & 0x07 == 0x05:
                operand = self._registers[source] if code & 0x08 else value & _MASK
                if self._jumps(code & 0xF0, self._registers[to], operand):
                    place += offset
            else:
                self._move(code, to, source, offset, value)

    def _jumps(self, condition: int, left: int, right: int) -> bool:
        return {0x00: True, 0x10: left == right, 0x50: left != right, 0x30: left >= right}[condition]

    def _move(self, code: int, to: int, source: int, offset: int, value: int) -> None:
        registers, size = self._registers, _SIZES[code & 0x18]
        match code & 0x07:
            case 0x07:
                operand = registers[source] if code & 0x08 else value & _MASK
                registers[to] = _compute(code & 0xF0, registers[to], operand)
            case 0x01:
                registers[to] = int.from_bytes(self._read(registers[source] + offset, size), "little")
            case 0x02:
                self._write(registers[to] + offset, (value & (1 << 8 * size) - 1).to_bytes(size, "little"))
            case 0x03:
                self._write(registers[to] + offset, (registers[source] & (1 << 8 * size) - 1).to_bytes(size, "little"))

    def _call(self, helper: int) -> None:
        first, second, third, fourth, fifth = self._registers[1:6]
        match helper:
            case 125:
                result = self._world.now
            case 68:
                assert (first, fifth) == (_PACKET, 1)
                found = self._world.packet[second : second + fourth]
                result = 0 if len(found) == fourth else -14 & _MASK
                self._write(third, found.ljust(fourth, b"\0"))
            case 1:
                result = self._lookup(first - _MAP, second)
        self._registers[:6] = [result, *[0xDEAD] * 5]

    def _lookup(self, number: int, key: int) -> int:
        if number == self._members:
            member = self._world.members.get(self._read(key, 16))
            value = None if member is None else struct.pack("<I", member)
        else:
            assert number == self._slots
            deadlines = self._world.slots.get(int.from_bytes(self._read(key, 4), "little"))
            value = None if deadlines is None else struct.pack("<QQ", *deadlines)
        if value is None:
            return 0
        self._values.append(value)
        return _VALUE + (len(self._values) << 8)

    def _read(self, address: int, size: int) -> bytes:
        if address >= _PACKET:
            assert (address - _PACKET, size) == (16, 4)
            return struct.pack("!HH", self._world.ethertype, 0)
        if address >= _VALUE:
            number, offset = divmod(address - _VALUE, 256)
            return self._values[number - 1][offset : offset + size]
        return bytes(self._stack[address - _STACK :][:size] if address - _STACK + size else self._stack[-size:])

    def _write(self, address: int, data: bytes) -> None:
        start = address - _STACK + len(self._stack)
        assert 0 <= start <= len(self._stack) - len(data)
        self._stack[start : start + len(data)] = data


def _compute(operation: int, left: int, right: int) -> int:
    match operation:
        case 0x00:
            return left + right & _MASK
        case 0x50:
            return left & right
        case 0x60:
            return left << right & _MASK
    assert operation == 0xB0
    return right


def accepts(code: bytes, packet: bytes) -> bool:
    """Run a classic BPF filter; a load beyond the packet refuses it."""
    instructions: list[tuple[int, int, int, int]] = [
        struct.unpack_from("=HBBI", code, offset) for offset in range(0, len(code), 8)
    ]
    place = accumulator = 0
    while True:
        kind, when_equal, otherwise, value = instructions[place]
        place += 1
        match kind:
            case 0x20 | 0x30:
                size = 4 if kind == 0x20 else 1
                found = packet[value : value + size]
                if len(found) < size:
                    return False
                accumulator = int.from_bytes(found, "big")
            case 0x15:
                place += when_equal if accumulator == value else otherwise
            case 0x06:
                return value > 0
