"""Virtual time: a loop whose clock jumps from timer to timer, and servers that answer when told to."""

import asyncio
import heapq
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, cast

from vedette.health.attempt import Finished, Start
from vedette.health.engine import Engine
from vedette.health.judge import Outcome
from vedette.kit.units import SECOND
from vedette.state.health import Health, Target, Verdict, Verdicts

Callback = Callable[..., Any]


@dataclass
class Timer:
    callback: Callable[[], Any]
    cancelled: bool = False

    def cancel(self) -> None:
        self.cancelled = True


class Loop:
    """As much of an event loop as the engine uses. ``now`` is in ns."""

    def __init__(self) -> None:
        self.now = 1000 * SECOND
        self.worked = 0
        self._serial = 0
        self._timers: list[tuple[int, int, Timer]] = []

    def call_soon(self, callback: Callback, *args: Any) -> "Timer":
        return self.at(self.now, callback, *args)

    def call_later(self, delay: float, callback: Callback, *args: Any) -> "Timer":
        return self.at(self.now + round(delay * SECOND), callback, *args)

    def at(self, instant: int, callback: Callback, *args: Any) -> "Timer":
        timer = Timer(partial(callback, *args))
        self._serial += 1
        heapq.heappush(self._timers, (instant, self._serial, timer))
        return timer

    def run(self, duration: int) -> None:
        """Let ``duration`` (ns) pass."""
        end = self.now + duration
        while self._timers and self._timers[0][0] <= end:
            instant, _, timer = heapq.heappop(self._timers)
            self.now = max(self.now, instant)
            if not timer.cancelled:
                timer.callback()
        self.now = end

    def freeze(self, duration: int) -> None:
        """The whole process stands still for ``duration`` (ns)."""
        self.now += duration

    def work(self, duration: int) -> None:
        """The process does something else for ``duration`` (ns)."""
        self.now += duration
        self.worked += duration


@dataclass
class Behaviour:
    """How a server answers: after ``delay`` (ns), or never (None)."""

    outcome: Outcome = Outcome.PASSED
    reason: str = "fine"
    delay: int | None = 1_000_000


class Attempt:
    """A check of a server of :class:`Lab`."""

    def __init__(self, lab: "Lab", target: Target, finished: Finished) -> None:
        self._lab, self._target, self._finished = lab, target, finished
        self.done = False

    def begin(self) -> None:
        self._lab.begun(self._target)
        behaviour = self._lab.behaviours.get(self._target, Behaviour())
        if behaviour.delay == 0:
            self._finish(behaviour.outcome, behaviour.reason)
        elif behaviour.delay is not None:
            self._lab.loop.call_later(behaviour.delay / SECOND, self._finish, behaviour.outcome, behaviour.reason)

    def expire(self, duration: str) -> None:
        self._finish(Outcome.FAILED, f"no answer in {duration}")

    def cancel(self) -> None:
        if not self.done:
            self.done = True
            self._lab.over(self._target)

    def _finish(self, outcome: Outcome, reason: str) -> None:
        if not self.done:
            self.done = True
            self._lab.over(self._target)
            self._finished(outcome, reason)


class Lab:
    """An engine on virtual time, its servers, and a record of what it did."""

    def __init__(self) -> None:
        self.loop = Loop()
        self.behaviours: dict[Target, Behaviour] = {}
        self.starts: dict[Target, list[int]] = {}
        self.under_way: set[Target] = set()
        self.reports: list[tuple[int, Verdicts]] = []
        self.engine = Engine(
            report=lambda verdicts: self.reports.append((self.loop.now, dict(verdicts))),
            prepare=self._prepare,
            now=lambda: self.loop.now,
            worked=lambda: self.loop.worked,
            loop=cast(asyncio.AbstractEventLoop, self.loop),
        )

    def begun(self, target: Target) -> None:
        assert target not in self.under_way, "two checks of one target at a time"
        self.under_way.add(target)
        self.starts.setdefault(target, []).append(self.loop.now)

    def over(self, target: Target) -> None:
        self.under_way.remove(target)

    def health(self, target: Target) -> Health:
        return self.engine.verdicts()[target].health

    def history(self, target: Target) -> list[tuple[int, Verdict]]:
        """When which verdict on a target was reported."""
        return [(when, verdicts[target]) for when, verdicts in self.reports if target in verdicts]

    def _prepare(self, target: Target) -> Start:
        return lambda loop, finished: Attempt(self, target, finished)
