"""The daemon's folders: for nobody else's eyes, and the run directory is one daemon's at a time."""

import contextlib
import fcntl
from collections.abc import Callable, Iterator
from pathlib import Path

from vedette.daemon import succession
from vedette.kit.errors import PermanentError


def private(folder: Path) -> None:
    """Make a folder that only its owner reads; raises :class:`PermanentError` where that is not allowed."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise PermanentError(f"cannot make {folder}: {error.strerror} (vedette run needs root)") from error


@contextlib.contextmanager
def only_one(run_dir: Path) -> Iterator[Callable[[], None]]:
    """Hold the run directory; a second daemon beside the first would fight it. A successor waits for the first.

    Yields what lets go of it early. Raises :class:`PermanentError` when another daemon holds it.
    """
    with open(run_dir / "lock", "w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | (0 if succession.waiting() else fcntl.LOCK_NB))
        except BlockingIOError:
            raise PermanentError(f"another vedette daemon already runs with {run_dir}") from None
        except OSError as error:
            raise PermanentError(f"cannot lock {run_dir}: {error.strerror}") from error
        yield lambda: fcntl.flock(lock, fcntl.LOCK_UN)
