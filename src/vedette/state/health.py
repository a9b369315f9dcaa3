"""What the checkers know of the real servers."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from vedette.kit.net import IPAddress
from vedette.spec.resolved import HealthCheck


class Health(Enum):
    """``UNKNOWN`` until the first verdict: nothing is decided on it."""

    UP = "up"
    DOWN = "down"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Target:
    """One thing to check: two virtual services that check the same server in the same way share one target."""

    address: IPAddress
    port: int
    check: HealthCheck


@dataclass(frozen=True, slots=True)
class Verdict:
    """``since`` is CLOCK_BOOTTIME in ns; ``reason`` is fit for an operator ("connection refused", "status 500").

    ``notice``: what an operator should know of a server whatever its health ("certificate expires on …"), or empty.
    """

    health: Health
    since: int
    reason: str
    notice: str = ""


Verdicts = Mapping[Target, Verdict]

UNKNOWN = Verdict(health=Health.UNKNOWN, since=0, reason="not checked yet")
