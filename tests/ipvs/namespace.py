"""Network namespaces for a test, so that no table but the test's is ever touched."""

import ctypes
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

_NEWNET = 0x40000000
_LIBC = ctypes.CDLL(None, use_errno=True)


@contextmanager
def own_network() -> Iterator[int]:
    """Be in a fresh network namespace whose ``lo`` is up; yields a descriptor of it.

    Raises ``OSError`` without CAP_SYS_ADMIN.
    """
    before = _here()
    try:
        _check(_LIBC.unshare(_NEWNET))
        fresh = _here()
        try:
            ip("link set lo up")
            yield fresh
        finally:
            _check(_LIBC.setns(before, _NEWNET))
            os.close(fresh)
    finally:
        os.close(before)


@contextmanager
def within(network: int) -> Iterator[None]:
    """Be in that namespace for a while: sockets opened meanwhile stay in it."""
    before = _here()
    try:
        _check(_LIBC.setns(network, _NEWNET))
        yield
    finally:
        _check(_LIBC.setns(before, _NEWNET))
        os.close(before)


def ip(*commands: str) -> None:
    """Run commands of ip(8) in one process."""
    subprocess.run(["ip", "-batch", "-"], input="\n".join(commands), text=True, check=True)


def _here() -> int:
    return os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)


def _check(result: int) -> None:
    if result:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
