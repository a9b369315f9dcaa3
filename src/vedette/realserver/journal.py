"""What was changed on this machine, on disk: it must outlive the process, and end with the boot.

A setting's former value is nowhere else. Addresses and devices bear marks as well, but only newer kernels keep the
mark of an address.
"""

import contextlib
import fcntl
import json
import os
from collections.abc import Iterator
from pathlib import Path

from vedette.kit import files, plain
from vedette.kit.clock import boot_id
from vedette.kit.errors import PermanentError, UsageError
from vedette.kit.net import parse
from vedette.realserver.model import Changed, Port, Record

FILE = "real-server.json"
LOCK = "real-server.lock"


class Journal:
    """The record in a run directory; one process at a time writes it."""

    def __init__(self, run_dir: Path) -> None:
        self._path = run_dir / FILE
        self.record = read(run_dir)

    def keep(self, record: Record) -> None:
        """Remember this; an empty record is no file. Raises ``OSError``."""
        if record == self.record:
            return
        if record == Record():
            self._path.unlink(missing_ok=True)
        else:
            files.replace(self._path, (json.dumps(_plain(record), indent=1) + "\n").encode())
        self.record = record


def read(run_dir: Path) -> Record:
    """What a file says that is of this boot; an absent, damaged or older one says nothing."""
    try:
        data = json.loads((run_dir / FILE).read_text())
        if data["boot"] != boot_id():
            return Record()
        return Record(
            settings={str(name): plain.load(Changed, item) for name, item in data["settings"].items()},
            places=frozenset((parse(address), str(interface)) for address, interface in data["places"]),
            devices=frozenset(str(name) for name in data["devices"]),
            ports=frozenset(Port(int(version), int(number)) for version, number in data["ports"]),
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return Record()


def _plain(record: Record) -> dict[str, object]:
    return {
        "boot": boot_id(),
        "settings": {name: plain.dump(changed) for name, changed in record.settings.items()},
        "places": sorted([str(address), interface] for address, interface in record.places),
        "devices": sorted(record.devices),
        "ports": sorted([port.version, port.number] for port in record.ports),
    }


@contextlib.contextmanager
def alone(run_dir: Path) -> Iterator[None]:
    """Hold the run directory for this process. Raises :class:`UsageError` naming who holds it."""
    try:
        run_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(run_dir / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except PermissionError as error:
        raise PermanentError(f"{run_dir} cannot be written: this needs root") from error
    except OSError as error:
        raise PermanentError(f"{run_dir} cannot be written: {error.strerror}") from error
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            holder = os.pread(descriptor, 32, 0).decode(errors="replace").strip() or "?"
            raise UsageError(
                f"`vedette real-server` is running here as process {holder}: stop it first (it does everything by "
                "itself; --status shows how things are)"
            ) from error
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        yield
    finally:
        os.close(descriptor)


def holder(run_dir: Path) -> int | None:
    """The process that holds the run directory, None when nobody does."""
    try:
        descriptor = os.open(run_dir / LOCK, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        text = os.pread(descriptor, 32, 0).decode(errors="replace").strip()
        return int(text) if text.isdigit() else None
    finally:
        os.close(descriptor)
    return None
