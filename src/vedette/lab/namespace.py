"""Network namespaces without names: they live as long as somebody holds them open, and leave nothing behind.

The lab's supervisor makes them and holds them; others reach them through ``/proc/PID/fd/N`` of the supervisor.
"""

import ctypes
import os
import subprocess
from collections.abc import Callable, Sequence
from typing import Any, ParamSpec, TypeVar

from vedette.kit.errors import PermanentError

_CLONE_NEWNS, _CLONE_NEWPID, _CLONE_NEWNET = 0x00020000, 0x20000000, 0x40000000
_MS_REC, _MS_PRIVATE = 0x4000, 0x40000
_LIBC = ctypes.CDLL(None, use_errno=True)
_OWN = "/proc/thread-self/ns/net"
MEMORY = "/dev/shm"  # noqa: S108 -- where it always is
"""Where the memory of machines is kept."""
P = ParamSpec("P")
T = TypeVar("T")


class Namespace:
    """One network namespace, by a path that opens it (network_namespaces(7))."""

    def __init__(self, path: str) -> None:
        self.path = path
        """For ``nsenter --net=PATH``, and for people."""

    def call(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Call a function inside the namespace: a socket that it makes stays there, and so does a child.

        Only the calling thread goes there and back (setns(2)); it remains the parent of a child, so that a child
        that wants to die with its parent (prctl(2)) does.
        """
        with open(_OWN, "rb") as home, open(self.path, "rb") as there:
            _set(there.fileno())
            try:
                return function(*args, **kwargs)
            finally:
                _set(home.fileno())

    def popen(self, argv: Sequence[str], **options: Any) -> "subprocess.Popen[Any]":
        """Start a process of the host inside the namespace; ``options`` are those of :class:`subprocess.Popen`."""
        return self.call(lambda: subprocess.Popen(argv, **options))

    def run(
        self, argv: Sequence[str], *, stdin: str = "", timeout: float | None = None
    ) -> "subprocess.CompletedProcess[str]":
        """Run a program of the host inside the namespace to its end; does not look at its exit code."""
        return self.call(
            lambda: subprocess.run(argv, input=stdin, text=True, capture_output=True, timeout=timeout, check=False)
        )


def create() -> int:
    """Make a fresh namespace; returns the descriptor that keeps it alive. Raises ``OSError``."""
    with open(_OWN, "rb") as home:
        unshare(_CLONE_NEWNET)
        try:
            return os.open(_OWN, os.O_RDONLY | os.O_CLOEXEC)
        finally:
            _set(home.fileno())


def isolate() -> None:
    """Give this process's network, mounts and future children namespaces of their own.

    The first child is then the init of its process namespace: when it dies, the kernel kills all the others.
    """
    unshare(_CLONE_NEWNET | _CLONE_NEWNS | _CLONE_NEWPID)
    if _LIBC.mount(b"none", b"/", None, _MS_REC | _MS_PRIVATE, None):
        raise _error("mount")


def settle() -> None:
    """Show the processes of this process namespace under /proc, and put fresh memory under /dev/shm.

    Machines keep their memory there, and a container's own is small and not executable. Only this mount namespace
    sees either.
    """
    _mount("proc", "/proc")
    _mount("tmpfs", MEMORY)


def _mount(kind: str, target: str) -> None:
    if _LIBC.mount(kind.encode(), target.encode(), kind.encode(), 0, None):
        raise _error(f"mount {target}")


def unshare(flags: int) -> None:
    if _LIBC.unshare(flags):
        raise _error("unshare")


def ip(lines: Sequence[str], *, within: Namespace | None = None) -> None:
    """Perform lines of ``ip -batch``; raises :class:`PermanentError` with what iproute2 said."""
    command, text = ["ip", "-batch", "-"], "\n".join(lines)
    if within is not None:
        done = within.run(command, stdin=text)
    else:
        done = subprocess.run(command, input=text, text=True, capture_output=True, check=False)
    if done.returncode:
        raise PermanentError(f"ip: {done.stderr.strip()}")


def _set(descriptor: int) -> None:
    if _LIBC.setns(descriptor, _CLONE_NEWNET):
        raise _error("setns")


def _error(what: str) -> OSError:
    code = ctypes.get_errno()
    return OSError(code, f"{what}: {os.strerror(code)}")
