"""A network namespace of its own for a test, so that no table but the test's is ever touched."""

import ctypes
import os
from collections.abc import Iterator
from contextlib import contextmanager

from vedette.kit.netlink import Message, Requests

_NEWNET = 0x40000000
_LIBC = ctypes.CDLL(None, use_errno=True)


@contextmanager
def own_network() -> Iterator[None]:
    """Be in a fresh network namespace whose ``lo`` is up; raises ``OSError`` without CAP_SYS_ADMIN."""
    before = os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        _check(_LIBC.unshare(_NEWNET))
        try:
            _bring_up_loopback()
            yield
        finally:
            _check(_LIBC.setns(before, _NEWNET))
    finally:
        os.close(before)


def _check(result: int) -> None:
    if result:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def _bring_up_loopback() -> None:
    """RTM_NEWLINK with IFF_UP on interface 1 (struct ifinfomsg)."""
    requests = Requests(0)
    up = b"\0\0\0\0" + (1).to_bytes(4, "little") + (1).to_bytes(4, "little") + (1).to_bytes(4, "little")
    failed = requests.perform([Message(16, 0, up)])
    requests.close()
    assert not failed
