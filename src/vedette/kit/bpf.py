"""bpf(2) through ctypes: maps, programs, and finding them again by id (linux/bpf.h).

Only what tc programs with maps need. Errors: what a person must cure (no privilege, no bpf(2) in this kernel, a program
that the verifier refuses) is a :class:`PermanentError`; anything else is an ``OSError`` with the kernel's errno.
"""

import ctypes
import errno
import os
import platform
import struct
from dataclasses import dataclass

from vedette.kit.errors import PermanentError

_CALL_NUMBER = {"x86_64": 321, "i386": 357, "i686": 357, "ppc64le": 361, "ppc64": 361, "s390x": 351}
_GENERIC_CALL_NUMBER = 280
"""asm-generic/unistd.h: arm64, riscv64, loongarch64."""

_MAP_CREATE, _LOOKUP, _UPDATE, _DELETE, _NEXT_KEY, _PROG_LOAD = 0, 1, 2, 3, 4, 5
_PROG_BY_ID, _MAP_BY_ID, _INFO = 13, 14, 15
HASH, ARRAY, LRU_HASH, LPM_TRIE = 1, 2, 9, 11
MMAPABLE, NO_PREALLOC = 1 << 10, 1 << 0
_SCHED_CLS = 3
_NAME_SIZE = 16
_LOG_SIZE = 1 << 16
_MOST_MAPS = 16

_libc = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True, slots=True)
class MapShape:
    """What makes two maps interchangeable for a program."""

    type: int
    key_size: int
    value_size: int
    entries: int
    flags: int
    name: str


@dataclass(frozen=True, slots=True)
class ProgramInfo:
    """``tag`` is the kernel's digest of the instructions, map references aside."""

    id: int
    tag: bytes
    maps: tuple[int, ...]


def create_map(shape: MapShape) -> int:
    """Create an empty map; return its descriptor, which closes on exec."""
    head = struct.pack("=5I", shape.type, shape.key_size, shape.value_size, shape.entries, shape.flags)
    return _bpf(_MAP_CREATE, head + struct.pack("=II", 0, 0) + _name(shape.name))


def lookup(descriptor: int, key: bytes, value_size: int) -> bytes | None:
    """Read one element; ``None`` where the key is absent."""
    value = ctypes.create_string_buffer(value_size)
    try:
        _element(_LOOKUP, descriptor, ctypes.create_string_buffer(key, len(key)), value)
    except FileNotFoundError:
        return None
    return value.raw


def update(descriptor: int, key: bytes, value: bytes) -> None:
    """Set one element; programs see the old value or the new one, nothing between."""
    keys = ctypes.create_string_buffer(key, len(key))
    _element(_UPDATE, descriptor, keys, ctypes.create_string_buffer(value, len(value)))


def delete(descriptor: int, key: bytes) -> None:
    """Remove one element; it may be absent."""
    try:
        _element(_DELETE, descriptor, ctypes.create_string_buffer(key, len(key)), None)
    except FileNotFoundError:
        return


def keys(descriptor: int, key_size: int) -> list[bytes]:
    """Every key of a map."""
    found: list[bytes] = []
    following = ctypes.create_string_buffer(key_size)
    previous: ctypes.Array[ctypes.c_char] | None = None
    while True:
        try:
            _element(_NEXT_KEY, descriptor, previous, following)
        except FileNotFoundError:
            return found
        found.append(following.raw)
        previous = ctypes.create_string_buffer(following.raw, key_size)


def load(instructions: bytes, name: str, licence: str = "Apache-2.0") -> int:
    """Load a tc classifier; return its descriptor. Raises :class:`PermanentError` with the verifier's last word."""
    code = ctypes.create_string_buffer(instructions, len(instructions))
    words = ctypes.create_string_buffer(licence.encode())
    head = struct.pack("=IIQQ", _SCHED_CLS, len(instructions) // 8, _address(code), _address(words))
    tail = struct.pack("=II", 0, 0) + _name(name)
    try:
        return _bpf(_PROG_LOAD, head + struct.pack("=IIQ", 0, 0, 0) + tail)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.EACCES):
            raise
    log = ctypes.create_string_buffer(_LOG_SIZE)
    try:
        return _bpf(_PROG_LOAD, head + struct.pack("=IIQ", 1, _LOG_SIZE, _address(log)) + tail)
    except OSError as error:
        lines = log.value.decode(errors="replace").strip().splitlines() or [str(error)]
        raise PermanentError(f"the kernel refuses the program {name}: {' / '.join(lines[-3:])}") from error


def program_by_id(identity: int) -> int:
    """Open a loaded program. Raises ``FileNotFoundError`` when it is gone."""
    return _bpf(_PROG_BY_ID, struct.pack("=III", identity, 0, 0))


def map_by_id(identity: int) -> int:
    """Open a map. Raises ``FileNotFoundError`` when it is gone."""
    return _bpf(_MAP_BY_ID, struct.pack("=III", identity, 0, 0))


def program_info(descriptor: int) -> ProgramInfo:
    """Describe a program (struct bpf_prog_info)."""
    maps = (ctypes.c_uint32 * _MOST_MAPS)()
    head = bytearray(80)
    struct.pack_into("=IQ", head, 52, _MOST_MAPS, ctypes.addressof(maps))
    info = _describe(descriptor, bytes(head))
    (count,) = struct.unpack_from("=I", info, 52)
    return ProgramInfo(struct.unpack_from("=I", info, 4)[0], info[8:16], tuple(maps[: min(count, _MOST_MAPS)]))


def map_shape(descriptor: int) -> MapShape:
    """Describe a map (struct bpf_map_info)."""
    info = _describe(descriptor, bytes(40))
    kind, _, key_size, value_size, entries, flags = struct.unpack_from("=6I", info)
    name = info[24:40].split(b"\0")[0].decode(errors="replace")
    return MapShape(kind, key_size, value_size, entries, flags, name)


def _describe(descriptor: int, initial: bytes) -> bytes:
    info = ctypes.create_string_buffer(initial, len(initial))
    _bpf(_INFO, struct.pack("=IIQ", descriptor, len(initial), _address(info)))
    return info.raw


def _element(
    command: int,
    descriptor: int,
    key: ctypes.Array[ctypes.c_char] | None,
    value: ctypes.Array[ctypes.c_char] | None,
) -> None:
    arguments = (descriptor, 0, _address(key) if key else 0, _address(value) if value else 0, 0)
    _bpf(command, struct.pack("=IIQQQ", *arguments))


def _address(buffer: ctypes.Array[ctypes.c_char]) -> int:
    return ctypes.addressof(buffer)


def _name(text: str) -> bytes:
    return text.encode()[: _NAME_SIZE - 1].ljust(_NAME_SIZE, b"\0")


def _bpf(command: int, attributes: bytes) -> int:
    number = _CALL_NUMBER.get(platform.machine(), _GENERIC_CALL_NUMBER)
    buffer = ctypes.create_string_buffer(attributes, len(attributes))
    result = _libc.syscall(ctypes.c_long(number), ctypes.c_int(command), buffer, ctypes.c_uint(len(attributes)))
    if result >= 0:
        return int(result)
    code = ctypes.get_errno()
    if code in (errno.EPERM, errno.ENOSYS):
        raise PermanentError(f"the kernel refuses BPF: {os.strerror(code)}")
    raise OSError(code, os.strerror(code))
