"""How often to look for changes that nothing announces: IPVS sends no events.

A full look at a small table costs a millisecond and is taken at every tick. Of a large one it is taken so rarely that
it costs at most a fiftieth of the time, and the cheap fingerprint is compared in between.
"""

from dataclasses import dataclass

from vedette.kit.units import MILLISECOND, SECOND

TICK = 500 * MILLISECOND
"""Between two probes, ns: half of the second in which a change made by hand must be undone."""
LONGEST = 10 * SECOND
"""Between two full looks, ns, whatever they cost: how long a change may hide that the fingerprint does not show."""
SHARE = 50
"""One part in this many of the time may go into looking."""


@dataclass(slots=True)
class Pace:
    """Instants and durations in ns."""

    looked: int = 0
    cost: int = 0

    def note(self, *, started: int, ended: int) -> None:
        """A full look was taken."""
        self.looked, self.cost = ended, ended - started

    def also(self, *, started: int, ended: int) -> None:
        """Something else was looked at as well."""
        self.cost += ended - started

    @property
    def next_look(self) -> int:
        return self.looked + min(LONGEST, max(TICK, SHARE * self.cost))

    @property
    def earliest(self) -> int:
        """When a wake-up may cause the next pass: a stream of verdicts must not fill the time with looking."""
        return self.looked + self.cost
