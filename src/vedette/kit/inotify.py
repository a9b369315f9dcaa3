"""What happens in a few folders, as the kernel tells it: inotify(7), without a thread and without a look at a clock."""

import asyncio
import ctypes
import os
import struct
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

CLOSE_WRITE = 0x8
MOVED_FROM = 0x40
MOVED_TO = 0x80
CREATE = 0x100
DELETE = 0x200
DELETE_SELF = 0x400
MOVE_SELF = 0x800
OVERFLOW = 0x4000
"""Bits of :attr:`Event.mask`, sys/inotify.h."""

_WATCHED = CLOSE_WRITE | MOVED_FROM | MOVED_TO | CREATE | DELETE | DELETE_SELF | MOVE_SELF
_ONLY_FOLDERS = 0x01000000
_HEADER = struct.Struct("=iIII")
_LARGEST = 64 << 10
_LIBC = ctypes.CDLL(None, use_errno=True)


class Event(NamedTuple):
    """``folder`` None: events were lost, anything may have happened. ``name`` is empty for the folder itself."""

    folder: Path | None
    name: str
    mask: int


class Watch:
    """Events of some folders, their own entries only. Raises ``OSError`` where the kernel has no room for it."""

    def __init__(self, folders: Iterable[Path]) -> None:
        """A folder that is not there, or may not be looked into, is passed over."""
        self._descriptor = _checked(_LIBC.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC))
        self._folders: dict[int, Path] = {}
        try:
            for folder in folders:
                number = _LIBC.inotify_add_watch(self._descriptor, os.fsencode(folder), _WATCHED | _ONLY_FOLDERS)
                if number >= 0:
                    self._folders[number] = folder
        except BaseException:
            self.close()
            raise

    async def wait(self) -> list[Event]:
        """Return what has happened since the last call, or wait until something has; for one caller at a time."""
        loop = asyncio.get_running_loop()
        while not (events := self._read()):
            ready = asyncio.Event()
            loop.add_reader(self._descriptor, ready.set)
            try:
                await ready.wait()
            finally:
                loop.remove_reader(self._descriptor)
        return events

    def close(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def _read(self) -> list[Event]:
        try:
            data = os.read(self._descriptor, _LARGEST)
        except BlockingIOError:
            return []
        events, at = [], 0
        while at < len(data):
            number, mask, _, length = _HEADER.unpack_from(data, at)
            at += _HEADER.size
            name = os.fsdecode(data[at : at + length].rstrip(b"\0"))
            at += length
            events.append(Event(None if mask & OVERFLOW else self._folders.get(number), name, mask))
        return events


def _checked(result: int) -> int:
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return result
