"""Addresses that the kernel will not have here: reason enough to let another node have the group.

Where IPv6 is switched off, for instance, an address is refused each time, and a node that goes on trying serves nobody
with it. After it has let go it cannot know whether that has changed, except by trying again; so it counts as unable for
a while, longer each time.
"""

from collections.abc import Iterable

from vedette.kit.net import IPAddress
from vedette.kit.units import HOUR, MINUTE

TRIES = 3
"""Passes in a row that must fail: a kernel that is short of memory for a moment refuses, too."""
FIRST, MOST = MINUTE, HOUR
"""How long (ns) a node counts as unable, at first and at most."""


class Refusals:
    """All instants are CLOCK_BOOTTIME ns."""

    def __init__(self) -> None:
        self._tries: dict[IPAddress, int] = {}
        self._unable: dict[IPAddress, tuple[int, int]] = {}
        """Until when, and for how long that was."""

    def note(self, *, refused: Iterable[IPAddress], put: Iterable[IPAddress], now: int) -> None:
        """Take the outcome of a pass: what was refused, and what is where it belongs."""
        for address in put:
            self._tries.pop(address, None)
            self._unable.pop(address, None)
        for address in refused:
            self._tries[address] = self._tries.get(address, 0) + 1
            until, lasted = self._unable.get(address, (0, 0))
            if self._tries[address] >= TRIES and now >= until:
                lasts = min(2 * lasted or FIRST, MOST)
                self._unable[address] = now + lasts, lasts

    def unable(self, address: IPAddress, now: int) -> bool:
        """Whether this node counts as one that cannot have the address."""
        return now < self._unable.get(address, (0, 0))[0]
