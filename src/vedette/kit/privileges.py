"""Shedding what a helper process inherits and does not need (capabilities(7), prctl(2), sched(7))."""

import contextlib
import ctypes
import os
import resource
import signal
import struct
from collections.abc import Collection

from vedette.kit.errors import PermanentError

CAP_KILL, CAP_SETGID, CAP_SETUID = 5, 6, 7
"""Send signals to, and become, other users (linux/capability.h)."""
CAP_NET_BIND_SERVICE = 10
"""Bind to ports below 1024 (linux/capability.h)."""
CAP_NET_RAW = 13
"""Open raw sockets, and since Linux 5.17 mark packets."""

_PR_SET_PDEATHSIG = 1
_PR_SET_DUMPABLE = 4
_PR_SET_CHILD_SUBREAPER = 36
_PR_SET_NO_NEW_PRIVS = 38
_CAPABILITY_VERSION_3 = 0x20080522
_libc = ctypes.CDLL(None, use_errno=True)


def shed_urgency() -> None:
    """Become an ordinary process: no real-time class, no blocked signals, first to go when memory runs out.

    A child of the keeper inherits all three, and would compete with the heartbeat for the processor.
    """
    os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w") as file:
        file.write("0")


def die_with_parent(parent: int) -> None:
    """Have the kernel kill this process when the thread that started it ends; exit if ``parent`` is gone already."""
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        raise SystemExit("the parent process is gone")


def adopt_orphans() -> None:
    """Become the parent of every descendant that loses its own (prctl(2), PR_SET_CHILD_SUBREAPER)."""
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)


def allow_many_descriptors() -> int:
    """Raise the soft limit of open files to the hard one (getrlimit(2)); returns it."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return 1 << 20 if hard == resource.RLIM_INFINITY else hard


def leave_no_core() -> None:
    """Have no memory image of this process written when it crashes, nor of what it starts: both may hold secrets.

    A limit of one byte, because a limit of none does not keep a core from a program that takes it over a pipe; one
    byte means "do not dump" to the kernel there as well (core(5), fs/coredump.c). Also closes /proc/PID to others.
    """
    _, hard = resource.getrlimit(resource.RLIMIT_CORE)
    most = 1 if hard == resource.RLIM_INFINITY else min(1, hard)  # raising it would take a capability
    resource.setrlimit(resource.RLIMIT_CORE, (most, most))
    _prctl(_PR_SET_DUMPABLE, 0)


def keep_capabilities(kept: Collection[int]) -> None:
    """Give up every capability but ``kept``, for this process and whatever it may execute.

    The user stays the same, so that modules which Python imports late are still readable. Call it before any
    thread is started: capabilities belong to a thread.
    """
    wanted = sum(1 << number for number in kept)
    header = ctypes.create_string_buffer(struct.pack("=Ii", _CAPABILITY_VERSION_3, 0))
    sets = ctypes.create_string_buffer(24)
    _check(_libc.capget(header, sets))
    permitted_low, permitted_high = struct.unpack_from("=I", sets, 4)[0], struct.unpack_from("=I", sets, 16)[0]
    mask = wanted & (permitted_low | permitted_high << 32)
    low, high = mask & 0xFFFFFFFF, mask >> 32
    _check(_libc.capset(header, ctypes.create_string_buffer(struct.pack("=6I", low, low, 0, high, high, 0))))
    _prctl(_PR_SET_NO_NEW_PRIVS, 1)


def _prctl(option: int, value: int) -> None:
    _check(_libc.prctl(option, ctypes.c_ulong(value), ctypes.c_ulong(0), ctypes.c_ulong(0), ctypes.c_ulong(0)))


def _check(result: int) -> None:
    if result != 0:
        error = ctypes.get_errno()
        raise PermanentError(f"the kernel refuses to give up privileges: {os.strerror(error)}")
