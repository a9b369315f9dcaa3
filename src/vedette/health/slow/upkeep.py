"""When the lane must be replaced: libraries that leak or hang for good cost a restart, never the checks.

A successor goes on from the last verdicts (:mod:`vedette.health.client`), so a restart costs each check some tenths of
a second and no server its place.
"""

import asyncio
import resource
from pathlib import Path

from vedette.health.slow import attempt, threads
from vedette.kit.units import SECOND, seconds

PERIOD = 5 * SECOND
"""Between two looks (ns)."""
MOST_LEFT = 128
"""Threads or tasks that did not end when their time was up."""
MOST_MEMORY = 512 << 20
"""Resident bytes; ten thousand targets of the slow lane and every library take under 150 MB."""


async def watch() -> None:
    """Look until there is a reason to end: then ``SystemExit`` with it."""
    while True:
        await asyncio.sleep(seconds(PERIOD))
        reason = excess()
        if reason is not None:
            raise SystemExit(f"the slow lane starts anew: {reason}")


def excess() -> str | None:
    """Return what there is too much of; None while all is well."""
    left = len(threads.abandoned) + len(attempt.leftovers)
    if left > MOST_LEFT:
        return f"{left} checks do not end"
    resident = int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()
    if resident > MOST_MEMORY:
        return f"{resident >> 20} MiB of memory"
    return None
