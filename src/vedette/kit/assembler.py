"""A tiny eBPF assembler (kernel: Documentation/bpf/standardization/instruction-set.rst).

A program is a list of :class:`Instruction` and :class:`Label`; :func:`assemble` turns jumps to labels into offsets.
"""

import struct
import sys
from collections.abc import Sequence
from dataclasses import dataclass

_ALU64, _JUMP = 0x07, 0x05
_REGISTER = 0x08
_LOAD, _STORE, _STORE_REGISTER = 0x61, 0x62, 0x63
_MEMORY_SIZES = {4: 0x00, 2: 0x08, 1: 0x10, 8: 0x18}
_LOAD_MAP_ADDRESS = 0x18
_PSEUDO_MAP = 1
_ADD, _AND, _SHIFT_LEFT, _MOVE = 0x00, 0x50, 0x60, 0xB0
_ALWAYS, _EQUAL, _NOT_EQUAL, _GREATER_OR_EQUAL, _CALL, _EXIT = 0x00, 0x10, 0x50, 0x30, 0x80, 0x90


@dataclass(frozen=True, slots=True)
class Label:
    """A place to jump to."""

    name: str


@dataclass(frozen=True, slots=True)
class Instruction:
    """One instruction of eight bytes; ``target`` names the label of a jump."""

    code: int
    to: int = 0
    source: int = 0
    offset: int = 0
    value: int = 0
    target: str | None = None


Program = Sequence[Instruction | Label]


def move(to: int, source: int) -> Instruction:
    """``to = source`` (registers)."""
    return Instruction(_ALU64 | _MOVE | _REGISTER, to, source)


def set_to(to: int, value: int) -> Instruction:
    """``to = value``, sign-extended to 64 bits."""
    return Instruction(_ALU64 | _MOVE, to, value=value)


def add(to: int, value: int) -> Instruction:
    """``to += value``."""
    return Instruction(_ALU64 | _ADD, to, value=value)


def add_register(to: int, source: int) -> Instruction:
    """``to += source`` (registers)."""
    return Instruction(_ALU64 | _ADD | _REGISTER, to, source)


def keep_bits(to: int, value: int) -> Instruction:
    """``to &= value``, sign-extended to 64 bits."""
    return Instruction(_ALU64 | _AND, to, value=value)


def shift_left(to: int, value: int) -> Instruction:
    """``to <<= value``."""
    return Instruction(_ALU64 | _SHIFT_LEFT, to, value=value)


def read(size: int, to: int, source: int, offset: int) -> Instruction:
    """``to = *(source + offset)``, ``size`` bytes, zero-extended."""
    return Instruction(_LOAD | _MEMORY_SIZES[size], to, source, offset)


def write(size: int, to: int, offset: int, source: int) -> Instruction:
    """``*(to + offset) = source`` (register), ``size`` bytes."""
    return Instruction(_STORE_REGISTER | _MEMORY_SIZES[size], to, source, offset)


def write_value(size: int, to: int, offset: int, value: int) -> Instruction:
    """``*(to + offset) = value``, ``size`` bytes."""
    return Instruction(_STORE | _MEMORY_SIZES[size], to, offset=offset, value=value)


def map_reference(to: int, descriptor: int) -> list[Instruction]:
    """``to`` = the map behind a descriptor: one instruction of sixteen bytes, resolved when the program is loaded."""
    return [Instruction(_LOAD_MAP_ADDRESS, to, _PSEUDO_MAP, value=descriptor), Instruction(0)]


def call(helper: int) -> Instruction:
    """Call a kernel helper: arguments r1 to r5 (lost), result r0; r6 to r9 are kept."""
    return Instruction(_JUMP | _CALL, value=helper)


def leave() -> Instruction:
    """Return r0."""
    return Instruction(_JUMP | _EXIT)


def jump(target: str) -> Instruction:
    """Go to ``target``."""
    return Instruction(_JUMP | _ALWAYS, target=target)


def jump_if_equal(register: int, value: int, target: str) -> Instruction:
    """Go to ``target`` if ``register == value``."""
    return Instruction(_JUMP | _EQUAL, register, value=value, target=target)


def jump_unless_equal(register: int, value: int, target: str) -> Instruction:
    """Go to ``target`` if ``register != value``."""
    return Instruction(_JUMP | _NOT_EQUAL, register, value=value, target=target)


def jump_if_at_least(register: int, other: int, target: str) -> Instruction:
    """Go to ``target`` if ``register >= other`` (registers, unsigned)."""
    return Instruction(_JUMP | _GREATER_OR_EQUAL | _REGISTER, register, other, target=target)


def assemble(program: Program) -> bytes:
    """Encode a program for this machine. Raises ``KeyError`` for a jump to nowhere."""
    places: dict[str, int] = {}
    instructions: list[Instruction] = []
    for item in program:
        if isinstance(item, Label):
            places[item.name] = len(instructions)
        else:
            instructions.append(item)
    return b"".join(_encode(item, index, places) for index, item in enumerate(instructions))


def _encode(item: Instruction, index: int, places: dict[str, int]) -> bytes:
    offset = item.offset if item.target is None else places[item.target] - index - 1
    little = sys.byteorder == "little"
    registers = item.to | item.source << 4 if little else item.to << 4 | item.source
    return struct.pack("=BBhi", item.code, registers, offset, item.value)
