"""The one clock of the safety core and the kernel gate: CLOCK_BOOTTIME.

It does not jump with the wall clock and it counts through a suspend, so that a lease ends while the machine
sleeps (clock_gettime(2)).
"""

import time


def boottime() -> int:
    """Nanoseconds since this machine booted, suspends included."""
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME)


def boot_id() -> str:
    """The kernel's random name of this boot (random(4), /proc/sys/kernel/random/boot_id)."""
    with open("/proc/sys/kernel/random/boot_id") as file:
        return file.read().strip()
