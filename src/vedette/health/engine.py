"""Runs the checks of all targets on one event loop and reports what changes.

One timer serves everything: it starts the checks that are due, a bounded number in one turn of the loop so that
answers are read in between, and ends those that are out of time. A check costs no task and no timer of its own.
"""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType

from vedette.health import http, ping, tcp, udp
from vedette.health.attempt import Attempt, Prepare, Start
from vedette.health.judge import Judge, Outcome
from vedette.health.poller import Poller
from vedette.health.schedule import RETRY, Lateness, Schedule, Slot, phase
from vedette.kit import clock, log
from vedette.kit.net import endpoint
from vedette.kit.units import MILLISECOND, SECOND, seconds, show
from vedette.spec.resolved import HttpProbe, PingProbe, TcpProbe, UdpProbe
from vedette.state.health import UNKNOWN, Advice, Health, Target, Verdict, Verdicts

STARTS = 32
"""Checks started in one turn of the loop: about a millisecond."""
TICK = 20 * MILLISECOND
"""The timer goes off at most once in this time (ns): checks that start together, and answers that come together, share
the turns of the loop, which at 1,000 checks a second are half of what a check costs."""
STALL = 100 * MILLISECOND
"""A turn this late (ns) means that this process did not run, or that something kept it busy: checks under way get the
time that it did not run on top, and answers that have come are read before anybody's time is up."""
HOLD = 100 * MILLISECOND
"""No check is started for this long (ns) after this machine ran out of descriptors, memory or ports."""
CALM = 5 * SECOND
"""So long (ns) after the last such trouble it counts as over."""
LASTING = 5 * SECOND
"""A target for which this machine lacks something for so long (ns) gets a notice."""

_log = logging.getLogger("vedette.health")
_PASSED, _UNABLE = Outcome.PASSED, Outcome.UNABLE


def prepare(target: Target) -> Start:
    """Choose the driver of a probe and bind the target to it."""
    match target.check.probe:
        case TcpProbe():
            return tcp.prepare(target)
        case HttpProbe():
            return http.prepare(target)
        case UdpProbe():
            return udp.prepare(target)
        case PingProbe():
            return ping.prepare(target)
        case probe:
            raise ValueError(f"{type(probe).__name__} is for the slow lane")


class _Course:
    """One target and its checks, one after the other."""

    __slots__ = ("attempt", "duration", "judge", "lack", "slot", "start", "target", "through", "timeout")

    def __init__(self, target: Target, start: Start | None, verdict: Verdict) -> None:
        """``start`` None: the target cannot be checked at all."""
        self.target = target
        self.start = start
        self.timeout = target.check.timeout
        self.duration = show(target.check.timeout)
        where = endpoint(target.address, target.port)
        self.through = f", through the service at {where}" if target.behind is not None else ""
        self.judge = Judge(rise=target.check.rise, fall=target.check.fall, verdict=verdict)
        self.attempt: Attempt | None = None
        self.slot: Slot[_Course] | None = None
        self.lack: _Lack | None = None


@dataclass(slots=True)
class _Lack:
    """This machine has lacked something for a target, ``times`` in a row; instants in ns."""

    since: int
    last: int
    times: int = 0


class Engine:
    """``report`` gets what has changed, at most once in a turn of the loop and never while it is being called."""

    def __init__(
        self,
        *,
        report: Callable[[Verdicts], None],
        prepare: Prepare = prepare,
        now: Callable[[], int] = clock.boottime,
        worked: Callable[[], int] = time.thread_time_ns,
        loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        """``worked``: the processor time (ns) that the loop's thread has had."""
        self._report, self._prepare, self._now = report, prepare, now
        self._loop = asyncio.get_running_loop() if loop is None else loop
        self._poller = Poller(self._loop)
        self._courses: dict[Target, _Course] = {}
        self._schedule: Schedule[_Course] = Schedule()
        self._overdue: dict[int, deque[tuple[int, _Course, Attempt]]] = {}
        """Attempts by time-out, each queue in the order of deadlines; those that are done leave from the front."""
        self._worked, self._worked_before = worked, worked()
        self._spared = False
        """Whether the last turn was late, and only let answers be read."""
        self._lost = 0
        """Time (ns) in which this process did not run; deadlines are counted without it."""
        self._held = False
        self._held_until = 0
        self._made = 0
        """When the last check ended that could be made."""
        self._changes: dict[Target, Verdict] = {}
        self._wake = 0
        self._timer: asyncio.Handle | None = None

    def apply(self, targets: Collection[Target], known: Verdicts = MappingProxyType({})) -> None:
        """Check exactly ``targets`` from now on; those kept go on undisturbed.

        ``known`` are verdicts of an earlier engine: a new target goes on from there instead of from nothing.
        """
        wanted = frozenset(targets)
        for target in [target for target in self._courses if target not in wanted]:
            self._remove(self._courses.pop(target))
            self._changes.pop(target, None)
        now = self._now()
        for target in wanted:
            if target not in self._courses:
                self._courses[target] = self._add(target, known.get(target, UNKNOWN), now)
        self._arm(now)

    def verdicts(self) -> Verdicts:
        """The verdict on every target."""
        return {target: course.judge.verdict for target, course in self._courses.items()}

    @property
    def lateness(self) -> Lateness:
        """How late checks started."""
        return self._schedule.lateness

    def close(self) -> None:
        """End everything without a report."""
        self.apply(())
        self._poller.close()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _add(self, target: Target, verdict: Verdict, now: int) -> _Course:
        try:
            start = self._prepare(target)
        except ValueError as error:
            course = _Course(target, None, UNKNOWN)
            course.judge.verdict = Verdict(health=Health.DOWN, since=now, reason=f"cannot be checked: {error}")
            self._changed(course)
            return course
        course = _Course(target, start, verdict)
        address = target.address if target.behind is None else target.behind.server
        interval = target.check.interval
        course.slot = self._schedule.add(
            course,
            interval=interval,
            phase=phase(target.port.to_bytes(2) + address.packed, interval),
            now=now,
            jitter=target.check.jitter,
        )
        return course

    def _remove(self, course: _Course) -> None:
        if course.slot is not None:
            self._schedule.remove(course.slot)
            course.slot = None
        if course.attempt is not None:
            course.attempt.cancel()
            course.attempt = None

    def _turn(self) -> None:
        """Start what is due, end what is overdue."""
        now = self._now()
        self._timer = None
        if self._late(now):
            return
        self._expire(now - self._lost)
        if now >= self._held_until:
            for slot in self._schedule.take(now, STARTS):
                if now < self._held_until:  # since one of those before
                    self._schedule.put_back(slot)
                else:
                    self._begin(slot.item, now)
            self._poller.look()  # what is near has answered by now: that saves a turn of the loop
        self._arm(now)
        self._worked_before = self._worked()

    def _late(self, now: int) -> bool:
        """Whether this turn does no more than let answers be read, because it is late, and the one before was not.

        Time in which this process was busy is lost for nobody: else whoever makes it search for long, say, keeps
        everybody's time from being up.
        """
        late = now - self._wake
        if late > STALL:
            self._lost += max(0, late - (self._worked() - self._worked_before))
            if not self._spared:
                self._spared, self._wake = True, now + TICK
                self._worked_before = self._worked()
                self._timer = self._loop.call_later(seconds(TICK), self._turn)
                return True
        self._spared = False
        return False

    def _begin(self, course: _Course, now: int) -> None:
        assert course.start is not None
        attempt = course.start(self._poller, partial(self._ended, course))
        course.attempt = attempt
        queue = self._overdue.get(course.timeout)
        if queue is None:
            queue = self._overdue[course.timeout] = deque()
        queue.append((now - self._lost + course.timeout, course, attempt))
        attempt.begin()

    def _ended(
        self,
        course: _Course,
        outcome: Outcome,
        reason: str,
        /,
        *,
        notice: str = "",
        advice: Advice | None = None,
    ) -> None:
        now = self._now()
        course.attempt = None
        reason += course.through
        assert course.slot is not None
        if outcome is _UNABLE:
            self._lacks(course, reason, now)
        else:
            self._made, course.lack = now, None
            if self._held and now >= self._held_until + CALM:
                self._held = False
                log.event(_log, logging.INFO, "checks.resumed")
            if course.judge.hear(outcome, reason, now, notice=notice, advice=advice):
                self._changed(course)
            if outcome is not _PASSED and course.judge.doubts:
                self._schedule.postpone(course.slot, now + min(RETRY, course.target.check.interval))
            else:
                self._schedule.ended(course.slot, now)
        if course.slot.due < self._wake:
            self._arm(now)

    def _lacks(self, course: _Course, reason: str, now: int) -> None:
        """This machine could not make a check: it comes again behind all those that it has held up, and later each
        time. If others could be made since it last failed so, it lacks something that they do not need, and nobody
        else waits for it."""
        lack = course.lack
        if lack is None:
            lack = course.lack = _Lack(now, now)
        elif now - lack.since >= LASTING and course.judge.hear(Outcome.BLOCKED, reason, now):
            self._changed(course)
        if not lack.times or self._made <= lack.last:
            self._hold(reason, now)
        lack.last, lack.times = now, lack.times + 1
        assert course.slot is not None
        later = min(lack.times * HOLD, max(HOLD, course.target.check.interval))
        self._schedule.postpone(course.slot, max(now, self._held_until) + later)

    def _hold(self, reason: str, now: int) -> None:
        self._held_until = now + HOLD
        if not self._held:
            self._held = True
            log.event(_log, logging.WARNING, "checks.held", reason=reason)

    def _expire(self, awake: int) -> None:
        for timeout, queue in list(self._overdue.items()):
            while queue and (queue[0][2].done or queue[0][0] <= awake):
                _, course, attempt = queue.popleft()
                if not attempt.done:
                    attempt.expire(course.duration)
            if not queue:
                del self._overdue[timeout]

    def _arm(self, now: int) -> None:
        """Set the timer for whatever comes first."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        instants = [queue[0][0] + self._lost for queue in self._overdue.values()]
        due = self._schedule.next_due()
        if due is not None:
            instants.append(max(due, self._held_until))
        if not instants:
            return
        self._wake = min(instants)
        if self._wake <= now:
            self._wake = now
            self._timer = self._loop.call_soon(self._turn)
        else:
            self._wake = max(self._wake, now + TICK)
            self._timer = self._loop.call_later(seconds(self._wake - now), self._turn)

    def _changed(self, course: _Course) -> None:
        if not self._changes:
            self._loop.call_soon(self._flush)
        self._changes[course.target] = course.judge.verdict

    def _flush(self) -> None:
        changes, self._changes = self._changes, {}
        if changes:
            self._report(changes)
