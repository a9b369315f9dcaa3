"""How performing an action ends: done, try again later, or stalled until a person acts."""

from dataclasses import dataclass

from vedette.kit.units import MILLISECOND, SECOND


@dataclass(frozen=True, slots=True)
class Done:
    """It holds now."""


@dataclass(frozen=True, slots=True)
class RetryAfter:
    """Not yet; ``delay`` (ns) before the next try."""

    delay: int
    reason: str


@dataclass(frozen=True, slots=True)
class Stalled:
    """Trying again changes nothing until a person acts; ``reason`` says what to do."""

    reason: str


Outcome = Done | RetryAfter | Stalled


def backoff(failures: int, *, first: int = 100 * MILLISECOND, most: int = 30 * SECOND) -> int:
    """Exponential delay (ns) before try number ``failures`` + 1; the caller adds jitter."""
    return min(most, first << min(failures, 20))
