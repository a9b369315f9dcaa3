"""Which things failed, why, and when to try them again. It holds no clock and draws no random number itself."""

from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass
from typing import Generic, TypeVar

from vedette.kit.units import SECOND
from vedette.reconcile.outcome import RetryAfter, Stalled, backoff

K = TypeVar("K", bound=Hashable)

STALLED_DELAY = 30 * SECOND
"""A stalled thing waits for a person; it is tried again all the same, lest that person must also tell us (ns)."""


@dataclass(frozen=True, slots=True)
class Failure:
    """``due`` is the instant (ns) of the next try; ``failures`` counts the tries in a row."""

    failures: int
    due: int
    reason: str
    stalled: bool


class Retries(Generic[K]):
    """The failures by key. ``jitter`` spreads a delay (ns) so that equals do not try in step."""

    def __init__(self, jitter: Callable[[int], int]) -> None:
        self._jitter = jitter
        self._failures: dict[K, Failure] = {}

    def due(self, key: K, now: int) -> bool:
        """Whether ``key`` may be tried: it has not failed, or its delay is over."""
        failure = self._failures.get(key) if self._failures else None
        return failure is None or failure.due <= now

    def failed(self, key: K, outcome: RetryAfter | Stalled, now: int) -> bool:
        """Note a failure; whether its reason is news."""
        before = self._failures.get(key)
        failures = before.failures + 1 if before else 1
        match outcome:
            case RetryAfter(delay, reason):
                wait = max(delay, backoff(failures - 1))
            case Stalled(reason):
                wait = STALLED_DELAY
        stalled = isinstance(outcome, Stalled)
        self._failures[key] = Failure(failures, now + self._jitter(wait), reason, stalled)
        return before is None or before.reason != reason

    def succeeded(self, key: K) -> bool:
        """Forget a failure; whether there was one."""
        return bool(self._failures) and self._failures.pop(key, None) is not None

    def keep(self, keys: Iterable[K]) -> None:
        """Forget the failures of all others: nobody tries them any more."""
        if self._failures:
            kept = set(keys)
            self._failures = {key: failure for key, failure in self._failures.items() if key in kept}

    def hurry(self) -> None:
        """Make everything due: what was refused may be something else now."""
        self._failures = {
            key: Failure(failure.failures, 0, failure.reason, failure.stalled)
            for key, failure in self._failures.items()
        }

    def next(self) -> int | None:
        """The earliest instant (ns) at which something is due."""
        return min((failure.due for failure in self._failures.values()), default=None)

    @property
    def failures(self) -> dict[K, Failure]:
        return dict(self._failures)
