"""Where labs keep their state, and how the leftovers of a dead one are found.

Each lab has a directory of its own, readable by root only, with a file ``lock`` that its supervisor holds locked
(flock(2)) for as long as it lives. A directory whose lock is free belongs to a dead lab: its processes died with
its supervisor, which is the init of their process namespace, and its network namespaces with them, so nothing but
the directory itself is left to remove.
"""

import contextlib
import fcntl
import os
import re
import shutil
import signal
import time
from collections.abc import Iterator
from pathlib import Path

from vedette.kit.errors import PermanentError, TransientError, UsageError

PLACE = "VEDETTE_LAB_DIR"
"""Environment variable that moves the labs' directories elsewhere."""
DEFAULT_PLACE = Path("/run/vedette-lab")
HELD = "held"
LONGEST_PLACE = 50
"""Characters; the path of a Unix socket below it must fit into 107 (unix(7))."""
_NAME = re.compile(r"[a-z0-9]([a-z0-9.-]{0,30}[a-z0-9])?")


def place() -> Path:
    """The directory that holds all labs; made if missing. Raises :class:`UsageError` for one that cannot serve."""
    path = Path(os.environ.get(PLACE) or DEFAULT_PLACE)
    if not path.is_absolute() or len(str(path)) > LONGEST_PLACE:
        raise UsageError(f"{PLACE}={path}: write an absolute path of at most {LONGEST_PLACE} characters")
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise PermanentError(f"{path} cannot be made: {error.strerror}") from error
    if not os.access(path, os.W_OK | os.X_OK):
        raise PermanentError(f"the labs in {path} belong to root: run this as root")
    return path


def check_name(name: str) -> str:
    """Return the name; raises :class:`UsageError` when it is not fit for one."""
    if not _NAME.fullmatch(name):
        raise UsageError(
            f"{name!r} cannot name a lab: use at most 32 lower-case letters, digits, dots and hyphens (--name)"
        )
    return name


def name_from(text: str) -> str:
    """A name for a lab, from the name of a cluster."""
    return re.sub(r"[^a-z0-9.-]+", "-", text.lower()).strip(".-")[:32].rstrip(".-") or "lab"


def claim(name: str) -> tuple[Path, int]:
    """Make the directory of a new lab; returns it and the descriptor that keeps it locked.

    Sweeps what dead labs left. Raises :class:`UsageError` when a lab of that name is up.
    """
    with _all_locked() as base:
        _sweep(base)
        directory = base / check_name(name)
        if directory.exists():
            raise UsageError(f"lab {name} is up already: `vedette lab down {name}` ends it, --name makes another")
        directory.mkdir(mode=0o700)
        descriptor = os.open(directory / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        return directory, descriptor


def living() -> list[str]:
    """Names of the labs that are up; sweeps the others."""
    with _all_locked() as base:
        return _sweep(base)


def find(name: str) -> Path:
    """The directory of a lab that is up; raises :class:`UsageError`."""
    alive = living()
    if name not in alive:
        known = f"; up are: {', '.join(alive)}" if alive else "; none is: `vedette lab up FILE` makes one"
        raise UsageError(f"no lab named {name} is up{known}")
    return place() / name


def hold(directory: Path) -> None:
    """Note that the lab is this process's for now, and ends with it."""
    (directory / HELD).write_text(str(os.getpid()))


def let_go(directory: Path) -> None:
    """Note that the lab is nobody's in particular."""
    (directory / HELD).unlink(missing_ok=True)


def holder(directory: Path) -> int | None:
    """The number of the process that uses the lab and will end it; ``None`` when there is none."""
    try:
        return int((directory / HELD).read_text())
    except (OSError, ValueError):
        return None


def remove(directory: Path, *, pid: int | None, patience: float = 10.0) -> None:
    """Wait for the lab's supervisor to end, kill it (its number is ``pid``) when it does not, remove the directory.

    ``patience`` is in seconds. Raises :class:`TransientError` when even that does not end it.
    """
    for attempt in range(2):
        if _wait_unlocked(directory, patience):
            shutil.rmtree(directory, ignore_errors=True)
            return
        if attempt == 0 and pid is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
    raise TransientError(f"the lab in {directory} does not end")


def _wait_unlocked(directory: Path, patience: float) -> bool:
    end = time.monotonic() + patience
    while time.monotonic() < end:
        if not _locked(directory):
            return True
        time.sleep(0.02)
    return False


def _locked(directory: Path) -> bool:
    try:
        descriptor = os.open(directory / "lock", os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def _sweep(base: Path) -> list[str]:
    alive = []
    for directory in sorted(path for path in base.iterdir() if path.is_dir()):
        if _locked(directory):
            alive.append(directory.name)
        else:
            shutil.rmtree(directory, ignore_errors=True)
    return alive


@contextlib.contextmanager
def _all_locked() -> Iterator[Path]:
    """Nobody else makes or removes labs meanwhile."""
    base = place()
    descriptor = os.open(base / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield base
    finally:
        os.close(descriptor)
