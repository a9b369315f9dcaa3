"""What the checkers know of the real servers."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from vedette.kit.net import IPAddress, endpoint
from vedette.spec.resolved import HealthCheck

MOST_WEIGHT = 65535
"""Of a destination, as the document can write it."""


class Health(Enum):
    """``UNKNOWN`` until the first verdict: nothing is decided on it."""

    UP = "up"
    DOWN = "down"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Behind:
    """The real server that a check through a service is meant for, and the firewall ``mark`` that leads there.

    ``near``: packets come to it without a router between, so they need not live longer than that.
    """

    server: IPAddress
    mark: int
    near: bool


@dataclass(frozen=True, slots=True)
class Target:
    """One thing to check: two virtual services that check the same server in the same way share one target.

    ``behind``: the address is a virtual one, and this server is meant. None: the address is.
    """

    address: IPAddress
    port: int
    check: HealthCheck
    behind: Behind | None = None

    @property
    def mark(self) -> int:
        """The firewall mark of the check's packets; 0 = none."""
        return self.check.mark if self.behind is None else self.behind.mark

    @property
    def place(self) -> str:
        """What is checked, in words; with port 0 it is the address alone, or a check of this node."""
        where = endpoint(self.address, self.port)
        return where if self.behind is None else f"{self.behind.server} through {where}"


@dataclass(frozen=True, slots=True)
class Advice:
    """The weight that a check would give to its server: percent of the document's (0 to 100), or ``absolute``.

    An absolute one (0 to 65535) stands in place of the document's. Weight 0 means: no new connections for now.
    """

    value: int
    absolute: bool = False

    def weigh(self, weight: int) -> int:
        """What becomes of the document's ``weight``; only 0 percent of it makes a server idle."""
        if self.absolute:
            return min(max(self.value, 0), MOST_WEIGHT)
        return -(-weight * min(max(self.value, 0), 100) // 100)


@dataclass(frozen=True, slots=True)
class Verdict:
    """``since`` is CLOCK_BOOTTIME in ns; ``reason`` is fit for an operator ("connection refused", "status 500").

    ``notice``: what an operator should know of a server whatever its health ("certificate expires on …"), or empty.
    ``advice``: what the last passed check said about the weight, if it is one that does.
    """

    health: Health
    since: int
    reason: str
    notice: str = ""
    advice: Advice | None = None

    @property
    def blocked(self) -> bool:
        """Whether there has never been a result because the check cannot be made from here; ``notice`` says why."""
        return self.health is Health.UNKNOWN and bool(self.notice)


Verdicts = Mapping[Target, Verdict]

UNKNOWN = Verdict(health=Health.UNKNOWN, since=0, reason="not checked yet")


def guess(why: str, *, since: int = 0, notice: str = "") -> Verdict:
    """What holds of a server that cannot be checked from here: one that may be up is better than none."""
    return Verdict(health=Health.UP, since=since, reason=f"taken to be up: {why}", notice=notice)
