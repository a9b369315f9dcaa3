"""The one clock of the safety core and the kernel gate: CLOCK_BOOTTIME.

It does not jump with the wall clock and it counts through a suspend, so that a lease ends while the machine
sleeps (clock_gettime(2)).
"""

import time

_2025 = 1_735_689_600


def boottime() -> int:
    """Nanoseconds since this machine booted, suspends included."""
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME)


def calendar() -> int:
    """Quarters of a second since 2025 by the wall clock, which may be wrong; 0 before. 32 bits last until 2059."""
    return max(0, int((time.time() - _2025) * 4))


def boot_id() -> str:
    """The kernel's random name of this boot (random(4), /proc/sys/kernel/random/boot_id)."""
    with open("/proc/sys/kernel/random/boot_id") as file:
        return file.read().strip()
