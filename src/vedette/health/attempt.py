"""What the engine asks of a driver, whatever protocol it speaks."""

from collections.abc import Callable
from typing import Protocol

from vedette.health.judge import Outcome
from vedette.health.poller import Poller
from vedette.state.health import Advice, Target


class Finished(Protocol):
    """Takes the result of a check, a reason fit for an operator, what he should know though it is no failure, and what
    the check says about the server's weight."""

    def __call__(self, outcome: Outcome, reason: str, /, *, notice: str = "", advice: Advice | None = None) -> None: ...


class Attempt(Protocol):
    """One check under way: it reports exactly once, by itself or when told to expire; never after a cancel."""

    done: bool

    def begin(self) -> None:
        """Start; may report before it returns."""

    def expire(self, duration: str) -> None:
        """The time is up; ``duration`` is the time-out as people write it. Reports at once."""

    def cancel(self) -> None:
        """Stop without a report."""


Start = Callable[[Poller, Finished], Attempt]
"""Makes one attempt at a target; everything about the target is bound already."""

Prepare = Callable[[Target], Start]
"""Binds what stays the same from check to check; raises ``ValueError`` when the target cannot be checked."""
