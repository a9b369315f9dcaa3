"""Flap damping: who falls again and again stays out longer (as RFC 2439 does with routes).

Every fall adds 1 to a server's penalty, which halves in every half-life. When as many as the document allows come
within about a half-life, the server is held out, though its checks pass, until its penalty is down to half of the
limit. Each fall meanwhile makes it longer, up to the document's longest time.
"""

from dataclasses import dataclass
from math import ceil, log2

from vedette.spec.resolved import Damping

NOTHING = 1 / 8
"""A penalty below this is forgotten."""


@dataclass(frozen=True, slots=True)
class Penalty:
    """``value`` is as of ``at`` (CLOCK_BOOTTIME ns)."""

    value: float
    at: int
    held: bool = False

    def decayed(self, rules: Damping, now: int) -> float:
        """What is left of it at ``now``."""
        elapsed: float = max(0, now - self.at) / rules.half_life
        return float(self.value * 0.5**elapsed)

    def release(self, rules: Damping) -> int:
        """When (ns) a server that is held is let in again."""
        return min(self._low(_reuse(rules), rules), self.at + rules.longest)

    def end(self, rules: Damping) -> int:
        """When (ns) nothing is left of it."""
        return self._low(NOTHING, rules)

    def _low(self, value: float, rules: Damping) -> int:
        halvings = max(0.0, log2(self.value / value))
        return self.at + ceil(halvings * rules.half_life)


def fall(before: Penalty | None, rules: Damping, now: int) -> Penalty:
    """The penalty after one more fall."""
    value = 1 + (before.decayed(rules, now) if before is not None else 0)
    held = (before is not None and before.held) or value >= _limit(rules)
    most = max(_limit(rules), _reuse(rules) * 2.0 ** min(rules.longest / rules.half_life, 64))
    return Penalty(min(value, most), now, held)


def review(penalty: Penalty, rules: Damping, now: int) -> Penalty | None:
    """The penalty as it counts at ``now``; None = nothing is left of it."""
    if penalty.held and now >= penalty.release(rules):
        penalty = Penalty(penalty.value, penalty.at)
    if not penalty.held and now >= penalty.end(rules):
        return None
    return penalty


def _limit(rules: Damping) -> float:
    """Below the number of failures, since the first have decayed when the last comes: they fit into a half-life."""
    return 0.75 * rules.failures


def _reuse(rules: Damping) -> float:
    return _limit(rules) / 2
