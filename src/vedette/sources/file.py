"""A document kept as a file: every way in which editors and Git replace one is noticed, half-written ones wait.

Renaming over the file, swapping a symbolic link on the way to it (ConfigMaps, git-sync), and truncating and
writing all end in the same step: read again, and compare. Events only make that prompt; a slow look at the file
catches what has none (network file systems).

A file is read while the kernel gives us a read lease of it (fcntl(2)): then nobody has it open for writing, and nobody
can open it so until it is read. What was made elsewhere and then put here by renaming is whole, and taken at once;
what was written in place must stay as it is for a moment, since some programs open a file several times to write it.
"""

import asyncio
import contextlib
import errno
import fcntl
import os
import signal
import stat
import time
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

from vedette.kit.inotify import MOVED_TO, Event, Watch

QUIET = 0.02
"""Seconds that a document written in place must stay as it is: an editor's several writes are one edit."""
SETTLE = 0.05
"""The same, where the kernel gives no lease, and for a file that cannot be read: it may be about to come."""
SETTLING = 1_000_000_000
"""A file beside the document that was written longer ago (ns) is taken as it is."""
LOOK = 1
"""Seconds between looks at the file without any event."""
LARGEST = 32 << 20
"""Bytes of the largest document that is read."""

Place = tuple[Path, str]
"""An entry of a folder."""


class _BusyError(Exception):
    """Somebody has the file open for writing."""


async def versions(path: Path, companions: Callable[[], Iterable[Path]] = tuple) -> AsyncIterator[bytes | OSError]:
    """Yield the document's bytes whenever they change, the first at once; an ``OSError`` when it cannot be read.

    The same content, or the same error, is not yielded twice in a row, unless one of ``companions`` has changed: the
    files that hold parts of the document, as they are known when one is asked for them.
    """
    signal.signal(signal.SIGIO, signal.SIG_IGN)  # see _lease
    last: object = None
    beside: dict[Path, object] = {}
    async for whole in _stirrings(path, companions):
        current = await _settled(path, whole=whole)
        states = {item: await _settled_state(item) for item in companions()}
        token = current if isinstance(current, bytes) else (current.errno, current.strerror)
        changed = states != {item: beside.get(item) for item in states}
        beside = states  # one that a version is the first to name is read once more, lest it changed in between
        if token != last or changed:
            last = token
            yield current


async def _stirrings(path: Path, companions: Callable[[], Iterable[Path]]) -> AsyncIterator[bool]:
    """Yield once at the start, then whenever a file may have changed, and at least every LOOK seconds.

    True: what stands at ``path`` now was put there by renaming.
    """

    def _all_places() -> list[Place]:
        return list(dict.fromkeys(place for item in (path, *companions()) for place in _places(item)))

    while True:
        places = _all_places()
        folders = _folders(places)
        with _watch(folders) as watch:  # before the look, so that no change falls between the two
            yield False
            while _all_places() == places and _folders(places) == folders:
                yield await _change(watch, places)


async def _change(watch: Watch | None, places: list[Place]) -> bool:
    """Wait for an event at one of the places, or LOOK seconds; tell whether the last was a renaming."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(LOOK):
            while True:
                if watch is None:
                    await asyncio.sleep(LOOK)
                else:
                    events = [event for event in await watch.wait() if _concerns(event, places)]
                    if events:
                        return bool(events[-1].mask & MOVED_TO)
    return False


def _concerns(event: Event, places: list[Place]) -> bool:
    return event.folder is None or not event.name or (event.folder, event.name) in places


@contextlib.contextmanager
def _watch(folders: Iterable[Path]) -> Iterator[Watch | None]:
    """Without a watch (the user's inotify instances are used up) there are the slow looks."""
    try:
        watch = Watch(folders)
    except OSError:
        yield None
        return
    try:
        yield watch
    finally:
        watch.close()


def _places(path: Path) -> list[Place]:
    """Every entry of a folder that decides what ``path`` leads to: the file itself, and each link that is followed."""
    places, here = [], path.absolute()
    for _ in range(40):
        places.append((here.parent, here.name))
        step = next((part for part in (*reversed(here.parents), here) if os.path.islink(part)), None)  # noqa: PTH114 (a name too long is none)
        if step is None:
            break
        places.append((step.parent, step.name))
        here = Path(os.path.normpath(step.parent / step.readlink() / here.relative_to(step)))
    return list(dict.fromkeys(places))


def _folders(places: list[Place]) -> dict[Path, tuple[int, int] | None]:
    """The folders of these places, and which they are now: another may have taken the name of one."""
    found: dict[Path, tuple[int, int] | None] = {}
    for folder, _ in places:
        try:
            status = folder.stat()
            found[folder] = status.st_dev, status.st_ino
        except OSError:
            found[folder] = None
    return found


async def _settled(path: Path, *, whole: bool) -> bytes | OSError:
    """Read until it is clear that this is what somebody meant to be there."""
    before: bytes | OSError | None = None
    while True:
        current, leased = _look(path)
        if isinstance(current, bytes):
            if current == before or (whole and leased):
                return current
        elif isinstance(current, OSError) and isinstance(before, OSError) and current.errno == before.errno:
            return current
        before, whole = current, whole and current is not None
        await asyncio.sleep(QUIET if leased else SETTLE)


def _look(path: Path) -> tuple[bytes | OSError | None, bool]:
    """What the file holds, None while it is being written; and whether the kernel's word stands behind that."""
    try:
        with _opened(path) as file:
            leased = _lease(file.fileno())
            data = file.read(LARGEST + 1)  # closing the file gives the lease back
    except _BusyError:
        return None, True
    except OSError as error:
        return error, False
    if len(data) > LARGEST:
        return OSError(errno.EFBIG, f"larger than {LARGEST >> 20} MiB"), False
    return data, leased


async def _settled_state(path: Path) -> object:
    """What tells one state of a file from another, once two looks SETTLE apart agree or it has long been so."""
    before = _state(path)
    while isinstance(before, tuple) and before[0] > time.time_ns() - SETTLING:
        await asyncio.sleep(SETTLE)
        current = _state(path)
        if current == before and not _being_written(path):
            break
        before = current
    return before


def _state(path: Path) -> tuple[int, ...] | int:
    """Its time, size and number; the errno where it cannot be looked at."""
    try:
        status = path.stat()
    except OSError as error:
        return error.errno or 0
    return status.st_mtime_ns, status.st_ctime_ns, status.st_size, status.st_ino


def _being_written(path: Path) -> bool:
    try:
        with _opened(path) as file:
            _lease(file.fileno())
    except _BusyError:
        return True
    except OSError:
        return False
    return False


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[BinaryIO]:
    """Open a regular file; raises ``OSError`` for anything else, which could make us wait."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        if stat.S_ISDIR(mode := os.fstat(descriptor).st_mode):
            raise OSError(errno.EISDIR, os.strerror(errno.EISDIR))
        if not stat.S_ISREG(mode):
            raise OSError(errno.EINVAL, "not a regular file")
    except OSError:
        os.close(descriptor)
        raise
    with open(descriptor, "rb") as file:
        yield file


def _lease(descriptor: int) -> bool:
    """Ask the kernel for a read lease: refused while somebody has the file open for writing, and not had everywhere.

    A writer that comes while the lease is held waits for us; the kernel sends SIGIO, hence the ignored signal.
    """
    try:
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_RDLCK)
    except OSError as error:
        if error.errno == errno.EAGAIN:
            raise _BusyError from None
        return False
    return True
