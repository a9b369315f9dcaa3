"""Network namespaces for a test, so that no table but the test's is ever touched."""

import ctypes
import os
import struct
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


CAP_SYS_ADMIN, CAP_BPF = 21, 39
_CAPABILITY_VERSION_3 = 0x20080522


@contextmanager
def without(*capabilities: int) -> Iterator[None]:
    """Lack these capabilities for a while (capset(2)); they stay permitted, so that they can come back."""
    header = struct.pack("=Ii", _CAPABILITY_VERSION_3, 0)
    before = ctypes.create_string_buffer(24)
    _check(_LIBC.capget(ctypes.create_string_buffer(header, len(header)), before))
    words = list(struct.unpack("=6I", before.raw))
    for capability in capabilities:
        words[3 * (capability // 32)] &= ~(1 << capability % 32)
    _check(_LIBC.capset(ctypes.create_string_buffer(header, len(header)), struct.pack("=6I", *words)))
    try:
        yield
    finally:
        _check(_LIBC.capset(ctypes.create_string_buffer(header, len(header)), before))
