"""One check of the slow lane, as the engine runs it, and what it leaves behind."""

import asyncio
from dataclasses import dataclass
from pathlib import Path

import pytest

from vedette.health.judge import Outcome
from vedette.health.poller import Poller
from vedette.health.slow import attempt as attempts
from vedette.health.slow import kinds, threads
from vedette.kit.units import MILLISECOND, seconds, show
from vedette.state.health import Advice, Target

PATIENCE = 5_000 * MILLISECOND
"""A time-out (ns) for checks that are to end by themselves, on a busy machine too."""
SHORT = 150 * MILLISECOND
"""A time-out for servers that say nothing."""


@dataclass(frozen=True)
class Result:
    """How a check ended. ``expired``: its time was up first."""

    outcome: Outcome
    reason: str
    advice: Advice | None
    expired: bool

    @property
    def passed(self) -> bool:
        return self.outcome is Outcome.PASSED


async def attempt(target: Target, timeout: int = PATIENCE) -> Result:
    """Check once, and see to it that nothing of the check is left afterwards."""
    loop = asyncio.get_running_loop()
    before = descriptors()
    over: asyncio.Future[Result] = loop.create_future()
    expired = False

    def finished(outcome: Outcome, reason: str, /, *, notice: str = "", advice: Advice | None = None) -> None:
        assert not over.done(), "a check reports once"
        over.set_result(Result(outcome, reason, advice, expired))

    def expire() -> None:
        nonlocal expired
        expired = True
        if not trial.done:
            trial.expire(show(timeout))

    poller = Poller(loop)
    trial = kinds.prepare(target)(poller, finished)
    timer = loop.call_later(seconds(timeout), expire)
    trial.begin()
    result = await over
    timer.cancel()
    poller.close()
    while attempts.leftovers or threads.abandoned:
        await asyncio.sleep(0.001)
    for _ in range(1000):  # a server in this very process closes its end when it sees ours closed
        if descriptors() <= before:
            break
        await asyncio.sleep(0.001)
    else:
        pytest.fail("a check leaves descriptors open")
    assert result.reason.isprintable()
    assert len(result.reason) <= 160
    return result


def check(target: Target, timeout: int = PATIENCE) -> Result:
    """Check a server that runs elsewhere."""
    return asyncio.run(attempt(target, timeout))


def descriptors() -> set[str]:
    """What is open in this process."""
    found = set()
    for entry in Path("/proc/self/fd").iterdir():
        try:
            found.add(f"{entry.name} {entry.readlink()}")
        except FileNotFoundError:
            continue
    return {entry for entry in found if not entry.endswith("/fd")}
