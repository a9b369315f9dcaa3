"""What the history says about a fence: plain values with the wall clock's times, for people to read years later."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum
from typing import Any

from vedette.fencing.answers import Evidence
from vedette.kit.units import SECOND

Entry = dict[str, Any]
"""One line of the history."""


class Ended(Enum):
    """What became of a request; the value is the word in the history."""

    OFF = "off"
    FAILED = "failed"
    """A round through all levels came to nothing; it goes on."""
    WITHDRAWN = "withdrawn"
    """The node was heard again, or somebody confirmed."""
    CONFIRMED = "confirmed"
    """A person said so."""


@dataclass(frozen=True, slots=True)
class Moments:
    """Both clocks at one instant (ns)."""

    boottime: int
    wall: int

    def show(self, instant: int) -> str:
        """Print a CLOCK_BOOTTIME instant as RFC 3339, UTC."""
        moment = datetime.fromtimestamp((self.wall + instant - self.boottime) / SECOND, UTC)
        return moment.isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"


def entry(
    *,
    node: str,
    incarnation: int,
    asked_by: str,
    asked: int,
    ended: Ended,
    reason: str,
    evidence: Iterable[Evidence],
    moments: Moments,
) -> Entry:
    """One line. ``asked``: BOOTTIME ns."""
    show: Callable[[int], str] = moments.show
    return {
        "time": show(moments.boottime),
        "node": node,
        "incarnation": incarnation,
        "result": ended.value,
        "reason": reason,
        "askedBy": asked_by,
        "askedAt": show(asked),
        "seconds": round((moments.boottime - asked) / SECOND, 3),
        "evidence": [
            {
                "time": show(item.at),
                "device": item.device,
                "plug": item.plug,
                "asked": item.asked,
                "said": item.said,
                "detail": item.detail,
            }
            for item in evidence
        ],
    }
