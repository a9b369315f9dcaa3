"""What is under way with a real server, and how an endpoint stands with its quorum: for people to read."""

from dataclasses import dataclass
from enum import Enum

from vedette.ipvs.life import Life
from vedette.ipvs.model import DestinationKey
from vedette.ipvs.records import Away
from vedette.spec.resolved import Life as Rules


class Doing(Enum):
    """``OUT``: drained, and out of the table; ``HELD``: up, but it falls too often; ``REMEMBERED``: it has fallen."""

    DRAINING = "draining"
    OUT = "out"
    RAMPING = "slowStart"
    HELD = "damped"
    REMEMBERED = "inService"


class Condition(Enum):
    UNDECIDED = "undecided"
    HELD = "held"
    LOST = "lost"


@dataclass(frozen=True, slots=True)
class Phase:
    """``until`` (CLOCK_BOOTTIME ns): when it is over at the latest; ``left``: connections that a drain waits for.

    ``penalty``: of the damping, as of the last fall.
    """

    doing: Doing
    since: int = 0
    until: int = 0
    left: int | None = None
    penalty: float = 0.0


@dataclass(frozen=True, slots=True)
class QuorumState:
    """``up``: the sum of weights that count now; ``sorry``: the sorry server stands in."""

    condition: Condition
    up: int
    weight: int
    hysteresis: int
    sorry: bool

    def explain(self) -> str:
        """In words, for a quorum that is lost."""
        enough = self.weight + self.hysteresis
        then = "the sorry server stands in" if self.sorry else "what is left of the servers goes on"
        return f"the quorum is lost: weight {self.up} is up, {enough} is needed; {then}"


def phase(life: Life, key: DestinationKey, rules: Rules) -> Phase:
    """What is under way with a server that :meth:`Life.concerned` names."""
    penalty = life.penalties.get(key)
    value = penalty.value if penalty is not None else 0.0
    drain = life.drains.get(key)
    if drain is not None:
        return Phase(Doing.DRAINING, drain.since, drain.since + rules.drain, drain.left)
    away = life.away.get(key)
    if away is Away.OUT:
        return Phase(Doing.OUT)
    if penalty is not None and penalty.held and rules.damping is not None:
        return Phase(Doing.HELD, penalty.at, penalty.release(rules.damping), penalty=value)
    if key in life.ramps:
        return Phase(Doing.RAMPING, life.ramps[key], life.ramps[key] + rules.slow_start, penalty=value)
    return Phase(Doing.REMEMBERED, penalty=value)
