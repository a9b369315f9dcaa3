"""Rise and fall: how single results become a verdict that traffic is steered by.

A target that is up goes down after ``fall`` failures in a row, and one that is down comes up after ``rise`` successes
in a row; a result to the contrary starts the count again. Of a target without a verdict, the first success says that
it is up, so that a director that has just started has its servers after one round of checks; a first failure says
nothing yet, because just then it is often this machine that is not ready. ``fall`` failures in a row do, and the
engine makes them follow each other quickly (:attr:`Judge.doubts`).
"""

from enum import Enum

from vedette.state.health import UNKNOWN, Advice, Health, Verdict


class Outcome(Enum):
    """How a single check ends.

    ``UNABLE``: this machine lacks something that other checks need too; ``BLOCKED``: this check cannot be made from
    here. Neither says anything of the server.
    """

    PASSED = "passed"
    FAILED = "failed"
    UNABLE = "unable"
    BLOCKED = "blocked"


_UNABLE, _BLOCKED, _PASSED = Outcome.UNABLE, Outcome.BLOCKED, Outcome.PASSED
_UP, _DOWN, _UNKNOWN = Health.UP, Health.DOWN, Health.UNKNOWN
"""Members of an enum are slow to look up in Python 3.11, and here they would be an eighth of a check's own time."""


class Judge:
    """The verdict on one target and the streak of results against it."""

    __slots__ = ("_fall", "_rise", "_streak", "verdict")

    def __init__(self, *, rise: int, fall: int, verdict: Verdict = UNKNOWN) -> None:
        """``verdict`` is where an earlier judge of the same target stopped."""
        self._rise, self._fall = rise, fall
        self._streak = 0
        self.verdict = verdict

    @property
    def doubts(self) -> bool:
        """Whether there are failures, and still no verdict."""
        return self._streak > 0 and self.verdict.health is _UNKNOWN

    def hear(self, outcome: Outcome, reason: str, now: int, *, notice: str = "", advice: Advice | None = None) -> bool:
        """Take a result at ``now`` (ns); True when :attr:`verdict` has changed.

        A server that stays down for a new reason gets the new reason and keeps the instant since when it is down; one
        that stays up and gives other ``advice`` on its weight gets that at once, because it says so itself.
        """
        health = self.verdict.health
        heard = _UP if outcome is _PASSED else _DOWN
        if outcome is _UNABLE:
            return False
        if outcome is _BLOCKED:
            return self._correct(reason, f"is not checked: {reason}", self.verdict.advice)
        if heard is health:
            self._streak = 0
            return self._correct(reason, notice, advice)
        self._streak += 1
        if self._streak >= (self._fall if heard is _DOWN else 1 if health is _UNKNOWN else self._rise):
            self._streak = 0
            self.verdict = Verdict(health=heard, since=now, reason=reason, notice=notice, advice=advice)
            return True
        return False

    def _correct(self, reason: str, notice: str, advice: Advice | None) -> bool:
        """Set right what is said beside the health.

        A server that is up keeps the reason why it came up, until its weight has another.
        """
        former = self.verdict
        if advice == former.advice and notice == former.notice and (former.health is _UP or reason == former.reason):
            return False
        kept = former.reason if former.health is _UP and advice == former.advice else reason
        self.verdict = Verdict(health=former.health, since=former.since, reason=kept, notice=notice, advice=advice)
        return True
