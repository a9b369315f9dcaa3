"""Rise and fall: how single results become a verdict that traffic is steered by.

The first result of a target decides at once, so that a director that has just started knows its servers after one
round of checks. From then on a target that is up goes down after ``fall`` failures in a row, and one that is down
comes up after ``rise`` successes in a row; a result to the contrary starts the count again.
"""

from enum import Enum

from vedette.state.health import UNKNOWN, Advice, Health, Verdict


class Outcome(Enum):
    """How a single check ends. ``UNABLE``: this machine could not check, which says nothing of the server."""

    PASSED = "passed"
    FAILED = "failed"
    UNABLE = "unable"


class Judge:
    """The verdict on one target and the streak of results against it."""

    __slots__ = ("_fall", "_rise", "_streak", "verdict")

    def __init__(self, *, rise: int, fall: int, verdict: Verdict = UNKNOWN) -> None:
        """``verdict`` is where an earlier judge of the same target stopped."""
        self._rise, self._fall = rise, fall
        self._streak = 0
        self.verdict = verdict

    def hear(self, outcome: Outcome, reason: str, now: int, advice: Advice | None = None) -> bool:
        """Take a result at ``now`` (ns); True when :attr:`verdict` has changed.

        A server that stays down for a new reason gets the new reason and keeps the instant since when it is down.
        ``advice`` of a check that passed holds at once, without rise and fall.
        """
        health = self.verdict.health
        if outcome is Outcome.UNABLE:
            return False
        heard = Health.UP if outcome is Outcome.PASSED else Health.DOWN
        if heard is health:
            self._streak = 0
            if health is Health.DOWN:
                return self._correct(reason)
            return advice != self.verdict.advice and self._advise(reason, advice)
        self._streak += 1
        if health is Health.UNKNOWN or self._streak >= (self._rise if heard is Health.UP else self._fall):
            self._streak = 0
            self.verdict = Verdict(health=heard, since=now, reason=reason, advice=advice)
            return True
        return False

    def _advise(self, reason: str, advice: Advice | None) -> bool:
        self.verdict = Verdict(health=self.verdict.health, since=self.verdict.since, reason=reason, advice=advice)
        return True

    def _correct(self, reason: str) -> bool:
        if reason == self.verdict.reason:
            return False
        self.verdict = Verdict(health=self.verdict.health, since=self.verdict.since, reason=reason)
        return True
