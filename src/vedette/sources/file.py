"""A document kept as a file: every way in which editors and Git replace one is noticed, half-written ones wait.

Renaming over the file, swapping a symbolic link on the way to it (ConfigMaps, git-sync), and truncating and
writing all end in the same step: read again, and compare. Events only make that prompt; a slow look at the file
catches what has none (network file systems).
"""

import asyncio
import contextlib
import errno
import fcntl
import os
import signal
import time
from collections.abc import AsyncIterator, Callable, Iterable
from pathlib import Path

import watchfiles

SETTLE = 0.05
"""Seconds that a document must stay as it is before it is read: an editor's several writes are one edit."""
SETTLING = 1_000_000_000
"""A file beside the document that was written longer ago (ns) is taken as it is."""
LOOK = 1
"""Seconds between looks at the file without any event."""
LARGEST = 32 << 20
"""Bytes of the largest document that is read."""


async def versions(path: Path, companions: Callable[[], Iterable[Path]] = tuple) -> AsyncIterator[bytes | OSError]:
    """Yield the document's bytes whenever they change, the first at once; an ``OSError`` when it cannot be read.

    The same content, or the same error, is not yielded twice in a row, unless one of ``companions`` has changed: the
    files that hold parts of the document, as they are known when one is asked for them.
    """
    signal.signal(signal.SIGIO, signal.SIG_IGN)  # see _being_written
    last: object = None
    beside: dict[Path, object] = {}
    async for _ in _stirrings(path, companions):
        current = await _settled(path)
        states = {item: await _settled_state(item) for item in companions()}
        token = current if isinstance(current, bytes) else (current.errno, current.strerror)
        changed = states != {item: beside.get(item) for item in states}
        beside = states  # one that a version is the first to name is read once more, lest it changed in between
        if token != last or changed:
            last = token
            yield current


async def _stirrings(path: Path, companions: Callable[[], Iterable[Path]]) -> AsyncIterator[None]:
    """Yield once at the start, then whenever a file may have changed, and at least every LOOK seconds."""

    def _all_folders() -> list[Path]:
        return list(dict.fromkeys(folder for item in (path, *companions()) for folder in _folders(item)))

    yield
    while True:
        folders = _all_folders()
        events = watchfiles.awatch(
            *folders, step=20, debounce=200, recursive=False, rust_timeout=LOOK * 1000, yield_on_timeout=True
        )
        try:
            async for _ in events:
                yield
                if _all_folders() != folders:
                    break
        except OSError:
            await asyncio.sleep(LOOK)
            yield


def _folders(path: Path) -> list[Path]:
    """Every folder in which a rename can change what ``path`` leads to: one for each link that is followed."""
    folders, here = [], path.absolute()
    for _ in range(40):
        if here.parent.is_dir() and here.parent not in folders:
            folders.append(here.parent)
        step = next((part for part in (*reversed(here.parents), here) if part.is_symlink()), None)
        if step is None:
            break
        if step.parent not in folders:
            folders.append(step.parent)
        here = Path(os.path.normpath(step.parent / step.readlink() / here.relative_to(step)))
    return folders or [Path("/")]


async def _settled(path: Path) -> bytes | OSError:
    """Read until two looks SETTLE apart agree and nobody has the file open for writing."""
    before: bytes | OSError | None = None
    while True:
        try:
            current: bytes | OSError = _read(path)
        except OSError as error:
            current = error
        if isinstance(current, OSError) and isinstance(before, OSError) and current.errno == before.errno:
            return current
        if isinstance(current, bytes) and current == before and not _being_written(path):
            return current
        before = current
        await asyncio.sleep(SETTLE)


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


def _read(path: Path) -> bytes:
    with path.open("rb") as file:
        data = file.read(LARGEST + 1)
    if len(data) > LARGEST:
        raise OSError(errno.EFBIG, f"larger than {LARGEST >> 20} MiB")
    return data


def _being_written(path: Path) -> bool:
    """Ask the kernel for a read lease, which it refuses while somebody has the file open for writing (fcntl(2)).

    A writer that comes while the lease is held makes the kernel send SIGIO, hence the ignored signal.
    """
    with contextlib.suppress(OSError), path.open("rb") as file:
        try:
            fcntl.fcntl(file, fcntl.F_SETLEASE, fcntl.F_RDLCK)
        except OSError as error:
            return error.errno == errno.EAGAIN
        fcntl.fcntl(file, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    return False
