"""What programs leave behind in sessions of their own: it comes to this process, and is ended here.

A program's group is killed with it, but whatever has called setsid(2) is in another. With PR_SET_CHILD_SUBREAPER
(prctl(2)) this process becomes the parent of all that has lost its own. Whose it was is not told; but what began before
every program that still runs was left by one that does not. It needs CONFIG_PROC_CHILDREN, as all distributions have;
without it what leaves the group is not followed.
"""

import contextlib
import os
import signal
from collections.abc import Collection, Iterator
from pathlib import Path

from vedette.kit import privileges
from vedette.kit.units import SECOND

_TICK = SECOND // os.sysconf("SC_CLK_TCK")
"""Of the times in /proc/PID/stat (ns)."""
_TASKS = Path("/proc/self/task")

_adopting = False


def adopt() -> None:
    """From now on be the parent of whatever our programs leave behind."""
    global _adopting
    privileges.adopt_orphans()
    _adopting = True


def end(running: Collection[int], *, before: int | None) -> None:
    """End all children but the ``running`` ones that began ``before`` (CLOCK_BOOTTIME ns; None: whenever), and reap
    those that have ended."""
    if not _adopting:
        return
    for child in _children():
        if child not in running:
            with contextlib.suppress(OSError, ValueError):
                _end(child, before)


def _end(child: int, before: int | None) -> None:
    if os.waitpid(child, os.WNOHANG)[0]:
        return
    began = int(Path(f"/proc/{child}/stat").read_bytes().rpartition(b")")[2].split()[19]) * _TICK  # proc(5), starttime
    if before is None or began + _TICK < before:
        os.kill(child, signal.SIGKILL)


def _children() -> Iterator[int]:
    for task in os.listdir(_TASKS):  # noqa: PTH208 (this comes after every program)
        with contextlib.suppress(OSError):
            yield from map(int, (_TASKS / task / "children").read_bytes().split())
