"""The director's side of the checker process: what to check goes in, verdicts come out."""

import asyncio
import itertools
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from types import MappingProxyType

from vedette.health import messages
from vedette.health.schedule import RETRY
from vedette.kit import clock, log
from vedette.kit.channel import Channel, Message
from vedette.kit.child import Child
from vedette.kit.units import MILLISECOND, SECOND, seconds
from vedette.spec.resolved import HealthCheck
from vedette.state.health import UNKNOWN, Advice, Health, Target, Verdict, Verdicts, guess
from vedette.state.targets import likeness

BIRTH = 5 * SECOND
"""How long (ns) a checker may take to begin, on a slow machine, before its targets' time for a verdict runs."""
NOTICES = 100
"""So many notices are shown."""
PIECE = 2500
"""Targets of one message: reading one of ten thousand takes memory that is never used again."""
LOGGED = 20
"""Changes of one message that are logged each; of more there is a count."""

_log = logging.getLogger("vedette.health")


@dataclass(frozen=True, slots=True)
class Process:
    """A checker process: its module, what it is called in the status and the log, and its arguments."""

    module: str
    name: str
    arguments: tuple[str, ...] = ()


FAST = Process("vedette.health.process", "checker")


class CheckerClient:
    """Keeps a checker process running and its last word on every target.

    While the checker is away the verdicts stay as they are, and its successor goes on from them: the death of a
    checker costs no server its place. ``changed`` is called when the health of a target or :attr:`complete` changes.
    """

    def __init__(
        self, changed: Callable[[], None], *, process: Process = FAST, now: Callable[[], int] = clock.boottime
    ) -> None:
        self._changed, self._now = changed, now
        self._process = process
        self._serial = itertools.count(1)
        self._numbers: dict[Target, int] = {}
        self._targets: dict[int, Target] = {}
        self._verdicts: dict[Target, Verdict] = {}
        self._patience: dict[Target, int] = {}
        """Targets without a verdict, and until when (ns) they are waited for."""
        self._begun = False
        """Whether the checker of this life has taken its assignment."""
        self._timer: asyncio.TimerHandle | None = None
        self.problem = ""
        """Why the checker is away, fit for an operator; empty while it runs."""
        self.child = Child(
            module=process.module,
            name=process.name,
            arguments=process.arguments,
            receive=self._receive,
            started=self._started,
            died=self._died,
        )

    async def run(self) -> None:
        """Keep the checker running until cancelled."""
        try:
            await self.child.run()
        finally:
            if self._timer is not None:
                self._timer.cancel()

    @property
    def verdicts(self) -> Verdicts:
        """The last word on every target, as of now; later changes do not reach what was handed out.

        What cannot be checked here, and has had its time, is guessed (:attr:`guesses`).
        """
        return {**self._verdicts, **self.guesses}

    @property
    def guesses(self) -> Verdicts:
        """Targets that are taken to be up, because their checks cannot be made here and never could."""
        now = self._now()
        overdue = ((target, until) for target, until in self._patience.items() if until <= now)
        return {
            target: guess(why, since=until, notice=self._verdicts[target].notice)
            for target, until in overdue
            if (why := self._hindrance(target))
        }

    def _hindrance(self, target: Target) -> str:
        """Why there can be no result, in words; empty where one may come."""
        if self._verdicts[target].blocked:
            return f"it {self._verdicts[target].notice}"
        return "" if self._begun else f"the {self._process.name} does not run"

    def notices(self) -> list[tuple[str, str]]:
        """What an operator should know of targets though it is no failure: of which, and what."""
        found = (
            (f"server {target.place}", verdict.notice) for target, verdict in self._verdicts.items() if verdict.notice
        )
        return list(dict.fromkeys(islice(found, NOTICES)))

    @property
    def complete(self) -> bool:
        """Whether every target has a verdict, or has had its time for one."""
        now = self._now()
        return all(until <= now for until in self._patience.values())

    def set_targets(self, targets: Iterable[Target], known: Verdicts = MappingProxyType({})) -> None:
        """Check exactly ``targets`` from now on; call it in the running loop.

        ``known`` are verdicts from elsewhere for targets that are new here, such as the servers that a table taken
        over holds. A target that differs from one it replaces only in its timings inherits that one's verdict.
        """
        wanted = dict.fromkeys(targets)
        gone = [target for target in self._numbers if target not in wanted]
        heirs = {likeness(target): self._verdicts[target] for target in gone}
        remove = tuple(self._forget(target) for target in gone)
        add: dict[int, tuple[Target, Verdict]] = {}
        for target in wanted:
            if target not in self._numbers:
                verdict = known.get(target) or heirs.get(likeness(target), UNKNOWN)
                add[self._enter(target, verdict)] = target, verdict
        if add or remove:
            for assignment in _pieces(add, remove):
                self.child.send(messages.write_assignment(assignment))
            self._wait_for_patience()

    def _enter(self, target: Target, verdict: Verdict) -> int:
        number = next(self._serial)
        self._numbers[target], self._targets[number] = number, target
        self._verdicts[target] = verdict
        if verdict.health is Health.UNKNOWN:
            self._wait_for(target)
        return number

    def _wait_for(self, target: Target) -> None:
        birth = 0 if self._begun else BIRTH
        self._patience[target] = self._now() + birth + _longest(target.check)

    def _forget(self, target: Target) -> int:
        number = self._numbers.pop(target)
        del self._targets[number], self._verdicts[target]
        self._patience.pop(target, None)
        return number

    def _started(self, channel: Channel) -> None:
        """Tell a new checker everything, with what its predecessor found."""
        self.problem = ""
        add = {number: (target, self._verdicts[target]) for number, target in self._targets.items()}
        for assignment in _pieces(add):
            channel.send(messages.write_assignment(assignment))

    def _died(self, reason: str) -> None:
        self._begun = False
        self.problem = f"the {self._process.name} is being restarted: {reason}"
        if self.guesses:
            self._changed()

    def _receive(self, message: Message) -> None:
        if not self._begun:
            self._begun = True
            for waiting in self._patience:
                self._wait_for(waiting)
            self._wait_for_patience()
        changes, news = [], False
        for number, verdict in messages.read_verdicts(message):
            target = self._targets.get(number)
            if target is None:
                continue  # removed while the verdict was on its way
            former = self._verdicts[target]
            if verdict.health is not former.health:
                changes.append((target, verdict))
            elif verdict.notice and verdict.notice != former.notice:
                log.event(_log, logging.WARNING, "server.notice", server=target.place, notice=verdict.notice)
            news = news or _steers(verdict) != _steers(former)
            self._verdicts[target] = verdict
            if verdict.health is not Health.UNKNOWN:
                self._patience.pop(target, None)
        _log_changes(changes)
        if news:
            self._wait_for_patience()
            self._changed()

    def _wait_for_patience(self) -> None:
        """Call :attr:`_changed` when the last target without a verdict has had its time."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        now = self._now()
        last = max(self._patience.values(), default=now)
        if last > now:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(seconds(last - now + MILLISECOND), self._changed)


def _pieces(add: Mapping[int, tuple[Target, Verdict]], remove: tuple[int, ...] = ()) -> Iterator[messages.Assignment]:
    """An assignment in messages of bounded size; what is to be removed comes first."""
    items = iter(add.items())
    yield messages.Assignment(add=dict(islice(items, PIECE)), remove=remove)
    while piece := dict(islice(items, PIECE)):
        yield messages.Assignment(add=piece)


def _longest(check: HealthCheck) -> int:
    """How long (ns) the way to a verdict may take: a failure is followed quickly by the next, but may last."""
    return max(check.interval + check.timeout, check.fall * (check.timeout + RETRY))


def _steers(verdict: Verdict) -> tuple[Health, Advice | None, bool]:
    """What of a verdict decides on the table."""
    return verdict.health, verdict.advice, verdict.blocked


def _log_changes(changes: list[tuple[Target, Verdict]]) -> None:
    for target, verdict in changes[:LOGGED]:
        level = logging.INFO if verdict.health is Health.UP else logging.WARNING
        where = target.place if target.port else "this node"
        log.event(_log, level, f"server.{verdict.health.value}", server=where, reason=verdict.reason)
    if len(changes) > LOGGED:
        log.event(_log, logging.WARNING, "servers.changed", more=len(changes) - LOGGED)
