"""Switching one node off, until its devices prove it or nobody wants it any more.

Levels in order, all devices of a level; *off*, then the status is asked for until it says off twice in a row or the
device's time is over. A level that failed is tried once more, unless its time was over, then the next one, then all
of them again after a pause that grows, for ever: nothing is ever assumed. *On* is no part of this, and a device's own
reboot is never used: it shows nobody that the node was off.
"""

import asyncio
import itertools
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

from vedette.fencing import plugs
from vedette.fencing.access import Access
from vedette.fencing.answers import Answer, Evidence, Said
from vedette.fencing.lamp import LOOKS, Lamp
from vedette.kit import clock
from vedette.kit.units import SECOND, seconds, show
from vedette.reconcile.outcome import backoff
from vedette.spec.resolved import Fencing, FencingUse

POLL = SECOND // 2
"""Between two looks (ns) at what a device says."""
FAIR = SECOND
"""Silence after less time (ns) than this says nothing: a last look has only what is left."""
TRIES = 2
"""Of a level in one round, as long as its time is not over."""
FIRST_PAUSE, LONGEST_PAUSE = SECOND, 60 * SECOND
"""Between two rounds through all levels (ns); each pause is twice as long as the one before."""
MOST_EVIDENCE = 64
"""Answers that are kept: the latest, and of the same answer over and over only the first."""


@dataclass(frozen=True, slots=True)
class Means:
    """A device of the target's levels: the way to it, and the longest (ns) that an off, seen off, may take."""

    access: Access
    timeout: int


class Phase(Enum):
    """What is being done; the value is what status shows."""

    WAITING = "waiting"
    SWITCHING = "switching off"
    PAUSING = "will try again"
    OFF = "off"


@dataclass(frozen=True, slots=True)
class Progress:
    """How far it is. ``level`` counts from 1; ``until`` (BOOTTIME ns) ends a wait or pause; ``failure`` is the last."""

    phase: Phase
    level: int = 0
    rounds: int = 0
    until: int = 0
    failure: str = ""


class Outcome(Enum):
    """How one try of a level ended."""

    OFF = "off"
    FAILED = "failed"
    TIMED_OUT = "timed out"


class Procedure:
    """One node, once. ``run`` returns when the node is proved off, and is cancelled when nobody wants that any more.

    ``trusted`` says whether a plug was seen on while the node lived, ``doubted`` whether off; ``saw`` is told every
    status that is read; ``allowed`` returns when the request is known to stand, and is asked before every order, the
    last time when the device is free for it; ``failed`` is told why a round through all levels came to nothing;
    ``progressed`` that :attr:`progress` has changed.
    """

    def __init__(
        self,
        fencing: Fencing,
        means: Mapping[str, Means],
        *,
        trusted: Callable[[FencingUse], bool],
        saw: Callable[[FencingUse, Answer], None],
        allowed: Callable[[], Awaitable[None]],
        failed: Callable[[str], None],
        progressed: Callable[[], None] = lambda: None,
        doubted: Callable[[FencingUse], bool] = lambda use: False,
        now: Callable[[], int] = clock.boottime,
    ) -> None:
        self._levels, self._means = fencing.levels, means
        self._trusted, self._saw, self._allowed, self._failed = trusted, saw, allowed, failed
        self._progressed, self._doubted, self._now = progressed, doubted, now
        self._lamps = {use: Lamp() for level in fencing.levels for use in level}
        self._evidence: deque[Evidence] = deque(maxlen=MOST_EVIDENCE)
        self._last: dict[tuple[FencingUse, str], str] = {}
        self.progress = Progress(Phase.WAITING)

    @property
    def evidence(self) -> tuple[Evidence, ...]:
        """What was asked and answered so far, oldest first."""
        return tuple(self._evidence)

    async def run(self, *, wait: int) -> str:
        """Wait (ns), then switch off; returns the proof in words."""
        proof = await self._watch(Phase.WAITING, wait)
        for rounds in itertools.count(1):
            if proof:
                break
            proof, failures = await self._round(rounds)
            if not proof:
                reason = "; ".join(failures)
                self._failed(reason)
                pause = backoff(rounds - 1, first=FIRST_PAUSE, most=LONGEST_PAUSE)
                proof = await self._watch(Phase.PAUSING, pause, rounds=rounds, failure=reason)
        self._show(Progress(Phase.OFF, rounds=self.progress.rounds))
        return proof

    async def once(self) -> tuple[str, str]:
        """Try the first level a single time; returns the proof in words, or what is wrong."""
        level = self._levels[0]
        if await self._try(level) is Outcome.OFF:
            return self._proof(level), ""
        return "", self._complaint(level)

    def _show(self, progress: Progress) -> None:
        self.progress = progress
        self._progressed()

    async def _round(self, rounds: int) -> tuple[str, list[str]]:
        """Go through the levels; returns the proof, or what was wrong at each level."""
        failures = []
        for number, level in enumerate(self._levels, 1):
            for _ in range(TRIES):
                self._show(Progress(Phase.SWITCHING, level=number, rounds=rounds, failure=self.progress.failure))
                outcome = await self._try(level)
                if outcome is Outcome.OFF:
                    return self._proof(level), []
                if outcome is Outcome.TIMED_OUT:
                    break
            failures.append(f"level {number}: {self._complaint(level)}")
        return "", failures

    async def _watch(self, phase: Phase, duration: int, *, rounds: int = 0, failure: str = "") -> str:
        """Only look for a while (ns): somebody else, or a plug that was pulled, may have done it."""
        deadline = self._now() + duration
        if not duration:
            return ""
        self._show(Progress(phase, rounds=rounds, until=deadline, failure=failure))
        for lamp in self._lamps.values():
            lamp.restart()
        looking = [asyncio.ensure_future(self._look_until(use, deadline)) for use in self._lamps]
        try:
            while (left := deadline - self._now()) > 0:
                for level in self._levels:
                    if self._proved(level):
                        return self._proof(level)
                await asyncio.sleep(seconds(min(left, POLL)))
        finally:
            await _end(looking)
        return ""

    async def _look_until(self, use: FencingUse, deadline: int) -> None:
        while (left := deadline - self._now()) > 0:
            await self._look(use, limit=min(left, self._means[use.device].timeout))
            await asyncio.sleep(seconds(POLL))

    async def _try(self, level: tuple[FencingUse, ...]) -> Outcome:
        """All devices of a level side by side; then they must agree for a moment, or one was switched on meanwhile."""
        for use in level:
            self._lamps[use].restart()
        switching = [asyncio.ensure_future(self._switch_off(use)) for use in level]
        try:
            outcomes = await asyncio.gather(*switching)
            if len(level) > 1 and all(outcome is Outcome.OFF for outcome in outcomes):
                await asyncio.gather(*(self._look(use, limit=self._means[use.device].timeout // 4) for use in level))
        finally:
            await _end(switching)
        if Outcome.TIMED_OUT in outcomes:
            return Outcome.TIMED_OUT
        proved = self._proved(level) and all(outcome is Outcome.OFF for outcome in outcomes)
        return Outcome.OFF if proved else Outcome.FAILED

    async def _switch_off(self, use: FencingUse) -> Outcome:
        """One device: was it on, *off*, and then the status until it is clear; all within its time."""
        timeout = self._means[use.device].timeout
        await self._allowed()
        deadline = self._now() + timeout
        if not self._lamps[use].counts(trusted=self._trusted(use), doubted=self._doubted(use)):
            await self._look(use, limit=timeout // 4)
            await self._allowed()
        access = self._means[use.device].access
        answer = await access.off(use.plug, limit=timeout - timeout // 4, allowed=self._allowed)
        self._record(use, "off", answer)
        for looks in itertools.count(1):
            left = deadline - self._now()
            if left <= 0:
                break
            await self._look(use, limit=left)
            if self._lamps[use].dark:
                return Outcome.OFF if self._proves(use) else Outcome.FAILED
            if answer.said is Said.FAILED and looks >= LOOKS:
                return Outcome.FAILED
            await asyncio.sleep(seconds(min(POLL, max(0, deadline - self._now()))))
        return Outcome.TIMED_OUT

    async def _look(self, use: FencingUse, *, limit: int) -> None:
        answer = await self._means[use.device].access.status(use.plug, limit=limit)
        self._lamps[use].take(answer)
        if answer.said is not Said.SILENT or limit >= FAIR:
            self._record(use, "status", answer)
        self._saw(use, answer)

    def _record(self, use: FencingUse, asked: str, answer: Answer) -> None:
        """Keep an answer, and the second *off* beside the first; of what is said over and over only the first."""
        text = str(answer)
        if text == self._last.get((use, asked)) and not (answer.said is Said.OFF and self._lamps[use].dark):
            return
        self._last[use, asked] = text
        self._evidence.append(Evidence(use.device, use.plug, asked, answer.said.value, answer.at, answer.detail))

    def _proved(self, level: tuple[FencingUse, ...]) -> bool:
        return all(map(self._proves, level))

    def _proves(self, use: FencingUse) -> bool:
        return self._lamps[use].proves(trusted=self._trusted(use), doubted=self._doubted(use))

    def _proof(self, level: tuple[FencingUse, ...]) -> str:
        return "off, says " + " and ".join(plugs.name(use) for use in level)

    def _complaint(self, level: tuple[FencingUse, ...]) -> str:
        """What each device that did not prove it said last."""
        return ", ".join(self._shortcoming(use) for use in level if not self._proves(use))

    def _shortcoming(self, use: FencingUse) -> str:
        said = self._last.get((use, "status"), "not asked")
        ordered = self._last.get((use, "off"), "")
        if self._lamps[use].dark and self._doubted(use):
            return f"{plugs.name(use)} says off, but it did so while the node lived: it is not that node's plug"
        if self._lamps[use].dark:
            return f"{plugs.name(use)} says off, but was never seen on: that may be nobody's plug"
        if said == Said.ON.value and ordered == Said.ACCEPTED.value:
            return f"{plugs.name(use)} took the order and still says on after {show(self._means[use.device].timeout)}"
        order = f", the order {ordered}" if ordered and ordered != Said.ACCEPTED.value else ""
        return f"{plugs.name(use)} says {said}{order}"


async def _end(tasks: Iterable["asyncio.Future[Any]"]) -> None:
    tasks = list(tasks)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
