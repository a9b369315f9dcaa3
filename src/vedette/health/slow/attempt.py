"""Runs the coroutine of a check as the engine's :class:`~vedette.health.attempt.Attempt`.

The result stands when the time is up, whether or not the coroutine lets itself be cancelled: what does not end is
counted among the :data:`leftovers`, and :mod:`vedette.health.slow.upkeep` ends the process when they pile up.
"""

import asyncio

from vedette.health import reasons
from vedette.health.aim import BlockedError
from vedette.health.attempt import Finished
from vedette.health.judge import Outcome
from vedette.health.poller import Poller
from vedette.health.slow import places
from vedette.health.slow.check import Check, FailedError, Passed, Progress, UnableError
from vedette.kit.secrecy import Censor

_HEARD = 1024
"""Letters of a reason that are looked through for secrets; fewer are shown."""

leftovers: set[asyncio.Task[Passed]] = set()
"""Checks that were cancelled and have not ended yet."""


class CheckAttempt:
    """One check under way. Whatever it reports goes through ``censor``: servers quote what they were sent."""

    __slots__ = ("_censor", "_check", "_finished", "_progress", "_task", "done")

    def __init__(self, check: Check, censor: Censor, poller: Poller, finished: Finished) -> None:
        self._check, self._finished = check, finished  # a coroutine waits on the loop itself, not on the poller
        self._censor = censor
        self._progress = Progress()
        self._task: asyncio.Task[Passed] | None = None
        self.done = False

    def begin(self) -> None:
        self._task = asyncio.get_running_loop().create_task(self._check(self._progress))
        self._task.add_done_callback(self._over)

    def expire(self, duration: str) -> None:
        """Report that the time is up, unless all that matters has been said; and let go."""
        self.done = True
        wanted = places.waiting.get(self._task)
        self._let_go()
        if wanted is not None:
            self._finished(Outcome.BLOCKED, wanted)
            return
        if (passed := self._progress.passed) is not None:
            self._pass(passed)
            return
        stage = f" {self._progress.stage}" if self._progress.stage else ""
        self._finished(Outcome.FAILED, self._fit(f"no answer in {duration}{stage}"))

    def cancel(self) -> None:
        """Stop without a report."""
        self.done = True
        self._let_go()

    def _let_go(self) -> None:
        if self._task is not None and not self._task.done():
            leftovers.add(self._task)
            self._task.cancel()

    def _over(self, task: asyncio.Task[Passed]) -> None:
        leftovers.discard(task)
        error = None if task.cancelled() else task.exception()  # asked for, or asyncio complains that nobody did
        if self.done:
            return
        self.done = True
        if error is None and not task.cancelled():
            self._pass(task.result())
        else:
            outcome, reason = _judge(error)
            self._finished(outcome, self._fit(reason))

    def _pass(self, passed: Passed) -> None:
        self._finished(Outcome.PASSED, self._fit(passed.reason), advice=passed.advice)

    def _fit(self, reason: str) -> str:
        return reasons.clean(self._censor(reason[:_HEARD]))


def _judge(error: BaseException | None) -> tuple[Outcome, str]:
    """What became of a check that did not pass. The text of a foreign error might quote a password: it is not shown."""
    match error:
        case FailedError():
            return Outcome.FAILED, str(error)
        case BlockedError():
            return Outcome.BLOCKED, str(error)
        case UnableError():
            return Outcome.UNABLE, str(error)
        case OSError():
            return reasons.of_error(error)
        case MemoryError():
            return Outcome.UNABLE, "no memory left"
        case None:
            return Outcome.FAILED, "given up"
        case _:
            return Outcome.FAILED, f"the answer cannot be understood ({type(error).__name__})"
