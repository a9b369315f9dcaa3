"""A document of another node with the files that belong to it, written down here: all of them, or none.

Everything is written under other names first, and then renamed. A list of what is being renamed stands in the state
directory meanwhile, so that a daemon that died in between is followed by one that finishes it, before it reads
anything.

The sender is authentic, and still may not reach beyond the document: only names below its folder, no step through a
link, and nothing is written over but files that the document here names already, or that came from a node before and
are as they came.
"""

import contextlib
import errno
import hashlib
import json
import os
import stat
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

from vedette.kit import files
from vedette.sources.parcel import Contents
from vedette.spec.carried_names import is_carried

UNFINISHED, BEFORE = "incoming.json", "received-files.json"
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FRESH = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


class _RefusedError(Exception):
    """Why a document cannot be written here."""


class Incoming:
    """Writes into the document at ``path`` and beside it."""

    def __init__(self, path: Path, state_dir: Path) -> None:
        self._path = path
        self._unfinished, self._before = state_dir / UNFINISHED, state_dir / BEFORE
        self._coming = self._unfinished.with_suffix(".new")
        """The list of what is staged: whatever needs room on a disk is done before the document is run."""
        self._staged: dict[str, bytes] = {}

    def stage(self, contents: Contents, *, named: Collection[str]) -> str | None:
        """Write a document and its files beside those that are here; returns why not, and then nothing is left of them.

        ``named``: the files that the document names which runs here. Then :meth:`commit` or :meth:`forget` them.
        """
        if self._path.is_symlink():
            return f"{self._path} is a link, kept by something else: specSync needs a plain file"
        self._staged = staged = dict[str, bytes]()
        try:
            mode = stat.S_IMODE(self._path.stat().st_mode)
            for name, data in contents.files.items():
                if self._differs(name, data, named):
                    staged[name] = data
                    self._stage(name, data, 0o644)
            staged[self._path.name] = contents.text
            self._stage(self._path.name, contents.text, mode)
            self._coming.write_bytes(json.dumps(list(staged)).encode())
            _sync(self._coming)
        except _RefusedError as error:
            self.forget()
            return str(error)
        except OSError as error:
            self.forget()
            return f"{self._path} cannot be written: {error.strerror}"
        return None

    def commit(self) -> str | None:
        """Put what is staged in the place of what is here, which stays beside it as ``.former``; returns why not."""
        try:
            self._keep_former(self._staged)
            self._coming.rename(self._unfinished)
            _sync(self._unfinished.parent)
        except OSError as error:
            self.forget()
            return f"{self._path} cannot be written: {error.strerror}"
        try:
            self.finish()
            self._remember({name: data for name, data in self._staged.items() if name != self._path.name})
        except OSError as error:
            return f"{self._path} is not wholly written, and will be at the next start: {error.strerror}"
        return None

    def forget(self) -> None:
        """Leave nothing of what is staged."""
        with contextlib.suppress(OSError):
            self._coming.unlink()
        for name in self._staged:
            with contextlib.suppress(OSError), self._folder(name) as (folder, last):
                os.unlink(_fresh(last), dir_fd=folder)

    def finish(self) -> bool:
        """Rename what is staged, if an attempt came so far, and tell whether one did; raises ``OSError``.

        What has gone since, with its folder perhaps, is left out. A list that is damaged says nothing.
        """
        data = files.read(self._unfinished)
        if data is None:
            return False
        for name in _names(data):
            with contextlib.suppress(FileNotFoundError), self._folder(name) as (folder, last):
                os.rename(_fresh(last), last, src_dir_fd=folder, dst_dir_fd=folder)
                os.fsync(folder)
        self._unfinished.unlink(missing_ok=True)
        return True

    # One file

    def _differs(self, name: str, data: bytes, named: Collection[str]) -> bool:
        """Whether it is to be written. Raises :class:`_RefusedError` where that may not be done."""
        if not is_carried(name) or name in (self._path.name, f"{self._path.name}.former"):
            raise _RefusedError(f"{name!r} is no name for a file beside the document")
        shown = self._path.parent / name
        try:
            with self._folder(name) as (folder, last):
                descriptor = os.open(last, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)
                with open(descriptor, "rb") as file:
                    status = os.fstat(descriptor)
                    present = file.read(len(data) + 1) if stat.S_ISREG(status.st_mode) else b""
        except FileNotFoundError:
            return True
        except OSError as error:
            if error.errno in (errno.ELOOP, errno.ENOTDIR):
                raise _RefusedError(f"{shown} leads through a link: specSync needs plain files and folders") from None
            raise
        if not stat.S_ISREG(status.st_mode) or not status.st_mode & stat.S_IROTH:
            raise _RefusedError(f"{shown} is there already, and is private or no file: move it away, or name another")
        if present == data:
            return False
        if name not in named and self._kept().get(name) != _sum_of(shown):
            raise _RefusedError(
                f"{shown} is there already, with another content, and no document here names it: move it away"
            )
        return True

    def _stage(self, name: str, data: bytes, mode: int) -> None:
        with self._folder(name, make=True) as (folder, last):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(_fresh(last), dir_fd=folder)
            descriptor = os.open(_fresh(last), _FRESH, 0o600, dir_fd=folder)
            with open(descriptor, "wb") as file:
                file.write(data)
                file.flush()
                os.fchmod(descriptor, mode)
                os.fsync(descriptor)

    def _keep_former(self, names: Collection[str]) -> None:
        for name in names:
            with self._folder(name) as (folder, last), contextlib.suppress(FileNotFoundError):
                former = f"{last}.former"
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(former, dir_fd=folder)
                os.link(last, former, src_dir_fd=folder, dst_dir_fd=folder, follow_symlinks=False)

    @contextlib.contextmanager
    def _folder(self, name: str, *, make: bool = False) -> Iterator[tuple[int, str]]:
        """The folder of a file, opened step by step without following a link, and the file's name in it."""
        *steps, last = name.split("/")
        folder = os.open(self._path.parent, _FOLDER & ~os.O_NOFOLLOW)
        try:
            for step in steps:
                if make:
                    with contextlib.suppress(FileExistsError):
                        os.mkdir(step, 0o755, dir_fd=folder)
                below = os.open(step, _FOLDER, dir_fd=folder)
                os.close(folder)
                folder = below
            yield folder, last
        finally:
            os.close(folder)

    # What came before

    def _kept(self) -> Mapping[str, str]:
        data = files.read(self._before)
        try:
            kept: Any = json.loads(data) if data is not None else {}
        except ValueError:
            return {}
        return kept if isinstance(kept, dict) else {}

    def _remember(self, written: Mapping[str, bytes]) -> None:
        sums = {name: hashlib.sha256(data).hexdigest() for name, data in written.items()}
        if sums:
            files.replace(self._before, json.dumps({**self._kept(), **sums}).encode())


def _names(data: bytes) -> list[str]:
    try:
        found: Any = json.loads(data)
    except ValueError:
        return []
    return [name for name in found if isinstance(name, str)] if isinstance(found, list) else []


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _fresh(name: str) -> str:
    return f".{name}.new"


def _sum_of(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
