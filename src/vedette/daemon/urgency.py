"""What keeps the heartbeat on time on a busy machine: a real-time class, memory that stays, no surprise collections."""

import contextlib
import ctypes
import gc
import logging
import os

from vedette.kit import log

logger = logging.getLogger("vedette.keeper")

PRIORITY = 1
"""The lowest SCHED_RR priority: above everything ordinary, below the kernel's own threads (sched(7))."""
_MCL_CURRENT, _MCL_FUTURE, _MCL_ONFAULT = 1, 2, 4


def acquire() -> None:
    """Take what the machine grants; what it refuses is logged once and is no error."""
    try:
        os.sched_setscheduler(0, os.SCHED_RR | os.SCHED_RESET_ON_FORK, os.sched_param(PRIORITY))
    except OSError as error:
        log.event(logger, logging.WARNING, "urgency.no_realtime", reason=error.strerror)
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mlockall(_MCL_CURRENT | _MCL_FUTURE | _MCL_ONFAULT) != 0:
        log.event(logger, logging.WARNING, "urgency.memory_not_locked", reason=os.strerror(ctypes.get_errno()))
    with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w") as file:
        file.write("-900")


def settle() -> None:
    """Spare the collector everything that start-up made: it lives as long as the process."""
    gc.collect()
    gc.freeze()
