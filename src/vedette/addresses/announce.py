"""When to announce and when to probe a VIP that has just come here: a pure schedule.

The first announcement moves the neighbours; the repeats cover loss, and the one at 1.5 s outlives the second for
which a neighbour ignores a change after the last one (facts-kernel.md section 5). Probes are off the critical path:
the address is announced already, and an answer means that somebody else has it too.
"""

from dataclasses import dataclass, replace
from enum import Enum

from vedette.kit.units import MILLISECOND, MINUTE, SECOND


class Kind(Enum):
    ANNOUNCEMENT = "announcement"
    PROBE = "probe"


STEPS = (
    (0, Kind.ANNOUNCEMENT),
    (20 * MILLISECOND, Kind.ANNOUNCEMENT),
    (50 * MILLISECOND, Kind.PROBE),
    (100 * MILLISECOND, Kind.ANNOUNCEMENT),
    (500 * MILLISECOND, Kind.ANNOUNCEMENT),
    (1000 * MILLISECOND, Kind.PROBE),
    (1500 * MILLISECOND, Kind.ANNOUNCEMENT),
    (2000 * MILLISECOND, Kind.PROBE),
    (5000 * MILLISECOND, Kind.ANNOUNCEMENT),
)
"""After the claim: what to send and when."""
PERIOD = MINUTE
"""Between announcements for as long as the address is held."""
DEFEND_INTERVAL = SECOND
"""At most one renewed round of announcements in this time: two claimants must not drive each other (RFC 5227 2.4)."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """One VIP's round of frames: begun at ``start`` (ns), ``step`` frames sent, last begun again at ``defended``."""

    start: int
    step: int = 0
    defended: int = -DEFEND_INTERVAL

    @property
    def at(self) -> int:
        """When the next frame is due."""
        if self.step < len(STEPS):
            return self.start + STEPS[self.step][0]
        return self.start + STEPS[-1][0] + (self.step - len(STEPS) + 1) * PERIOD

    @property
    def kind(self) -> Kind:
        """What the next frame is."""
        return STEPS[self.step][1] if self.step < len(STEPS) else Kind.ANNOUNCEMENT

    def advance(self, now: int) -> "Schedule":
        """The schedule after the next frame; the periodic ones that a sleep has missed are left out."""
        following = replace(self, step=self.step + 1)
        if following.step <= len(STEPS) or following.at > now:
            return following
        return replace(self, step=len(STEPS) + (now - self.start - STEPS[-1][0]) // PERIOD)

    def defend(self, now: int) -> "Schedule":
        """Begin again because somebody else claims the address, at once or when :data:`DEFEND_INTERVAL` allows."""
        if self.start > now:
            return self
        start = max(now, self.defended + DEFEND_INTERVAL)
        return Schedule(start, defended=start)
