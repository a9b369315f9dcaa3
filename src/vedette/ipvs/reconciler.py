"""The loop: observe the kernel, plan, perform; again when woken, and when somebody else has changed the table.

Every director runs it all the time, holder or not, so that a takeover only moves addresses. It adopts what it finds,
and leaves everything as it is when it stops.
"""

import asyncio
import errno
import logging
import os
import secrets
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from vedette.ipvs.drivers import NoScreen, ScreenDriver, TableDriver
from vedette.ipvs.express import reweigh
from vedette.ipvs.inventory import Inventory
from vedette.ipvs.kernel import KernelTable
from vedette.ipvs.leaving import Owned, held_addresses, leaving, written
from vedette.ipvs.lives import Connections, Lives
from vedette.ipvs.model import (
    AddressKey,
    DestinationId,
    MarkKey,
    Observation,
    Service,
    ServiceKey,
    Timeouts,
    Tuning,
)
from vedette.ipvs.pace import TICK, Pace
from vedette.ipvs.paths import led, marks, title
from vedette.ipvs.paths import table as path_table
from vedette.ipvs.performing import EntryKey, Performer, counts
from vedette.ipvs.plan import Action, apply, plan, split
from vedette.ipvs.refusal import NOT_PERMITTED
from vedette.ipvs.repair import Repair, repairs
from vedette.ipvs.screen.rules import NOTHING, rules
from vedette.ipvs.status import by_service, leaving_status, sorry_problems, status
from vedette.kit.clock import boottime
from vedette.kit.errors import PermanentError, TransientError
from vedette.kit.log import event
from vedette.kit.net import IPAddress
from vedette.kit.netlink import BATCH
from vedette.kit.units import MILLISECOND, SECOND, seconds
from vedette.reconcile.outcome import Done, RetryAfter, Stalled
from vedette.reconcile.retry import Retries
from vedette.spec.marks import OURS
from vedette.spec.resolved import ClusterSpec
from vedette.state.edits import reweighings
from vedette.state.health import Verdicts
from vedette.state.paths import answers_come_from_outside

SHORTEST_REST = 50 * MILLISECOND
"""Between two passes that nobody asked for, ns."""
FORGOTTEN = 10 * SECOND
"""After so long (ns) the kernel's numbers that a status needed are let go."""

_log = logging.getLogger("vedette.ipvs")
_TABLE = "table"
_SCOPES = {
    _TABLE: "IPVS table",
    "inventory": "IPVS table",
    "servers": "IPVS table",
    "tuning": "IPVS settings",
    "screen": "IPVS packets",
}
"""What :meth:`Reconciler.problems` calls the parts of the whole."""
_NOTHING = Observation({}, {})


def spread(delay: int) -> int:
    """Lengthen a delay (ns) by up to a quarter."""
    return delay + secrets.randbelow(delay // 4 + 1)


class Reconciler:
    """Keeps the table as the document and the verdicts want it. All methods belong to one event loop.

    ``run_dir`` holds the list of our services; ``report`` is called when :attr:`settled`, :attr:`stalled` or
    :attr:`led` changes, ``repaired`` once with what others had changed. Without a ``screen`` packets get no firewall
    marks, and none is held back.
    """

    def __init__(
        self,
        *,
        run_dir: Path,
        report: Callable[[], None] = lambda: None,
        repaired: Callable[[tuple[Repair, ...]], None] = lambda _: None,
        driver: TableDriver | None = None,
        screen: ScreenDriver | None = None,
        clock: Callable[[], int] = boottime,
        jitter: Callable[[int], int] = spread,
    ) -> None:
        self._driver = driver or KernelTable()
        self._screen = screen or NoScreen()
        self._report, self._repaired, self._clock = report, repaired, clock
        self._inventory = Inventory(run_dir / "ipvs-services.json")
        self._entries: Retries[EntryKey] = Retries(jitter)
        self._performer = Performer(driver=self._driver, entries=self._entries, sending=self._sending, clock=clock)
        self._whole: Retries[str] = Retries(jitter)
        self._lives = Lives(run_dir / "ipvs-servers.json")
        self._written_for: ClusterSpec | None = None
        self._written: Mapping[ServiceKey, Owned] = {}
        self._turn_at: int | None = None
        self._pace = Pace()
        self._counting = Pace()
        self._ruled: ClusterSpec | None = None
        self._rules = NOTHING
        self._woken = asyncio.Event()
        self._spec: ClusterSpec | None = None
        self._verdicts: Verdicts = {}
        self._complete, self._waiting = False, True
        self._settled, self._stalled = False, 0
        self._led: frozenset[int] = frozenset()
        self._barred: frozenset[int] = frozenset()
        self._left_alone = False
        self._differences = 0
        self._wanted: dict[ServiceKey, Service] | None = None
        self._left: dict[ServiceKey, Service] | None = None
        self._left_for: ClusterSpec | None = None
        """The document that it was left for."""
        self._passing = False
        self._caught_up = asyncio.Event()
        self._observation = _NOTHING
        self._inspected = 0
        self._fingerprint = b""

    def update(self, spec: ClusterSpec, verdicts: Verdicts, *, complete: bool) -> None:
        """Take over the present document and verdicts.

        ``complete``: every target has had its first verdict, or its time for one. Nothing is deleted before that was
        so once; a real server that an edit adds later does not hold up the others.
        """
        if self._spec is None or self._spec.digest != spec.digest:
            self._entries.hurry()
        self._spec, self._verdicts = spec, verdicts
        self._complete, self._waiting = self._complete or complete, not complete
        self._wanted = None
        self._caught_up.clear()
        self._hasten(spec)
        self.wake()

    async def caught_up(self) -> None:
        """Wait until a pass has begun and ended with the present document and verdicts, however it ended."""
        await self._caught_up.wait()

    def leave_alone(self, on: bool) -> None:
        """While ``on``, as in maintenance: look, but touch nothing."""
        if on != self._left_alone:
            self._left_alone, self._differences = on, 0
            self.wake()

    def wake(self) -> None:
        """Something may have changed: look at everything again, soon."""
        self._woken.set()

    async def run(self) -> None:
        """Reconcile until cancelled; the table stays as it is."""
        try:
            while True:
                self._woken.clear()
                await self.reconcile()
                if not self._woken.is_set():
                    self._caught_up.set()
                await self._rest()
        finally:
            self._driver.close()
            self._screen.close()

    async def reconcile(self) -> None:
        """One pass: observe, plan, perform. A document without virtual services needs no IPVS in its kernel."""
        if self._spec is None or not self._whole.due(_TABLE, self._clock()):
            return
        if not self._concerned(self._spec):
            if not self._left_alone:
                self._keep_screen(self._spec)
        else:
            self._passing = True
            try:
                await self._pass(self._spec)
            except (PermanentError, TransientError, OSError) as error:
                self._fail(error)
            else:
                self._whole.succeeded(_TABLE)
            finally:
                self._passing = False
        self._settle()

    async def _pass(self, spec: ClusterSpec) -> None:
        self._left_for = spec
        self._fingerprint = self._driver.fingerprint()
        started = self._clock()
        observed = self._driver.observe()
        self._pace.note(started=started, ended=self._clock())
        left = self._left if self._left is not None else observed
        wanted = self._live(spec, left)
        owned = self._owner(spec)
        actions = plan(wanted, observed, owned=owned, deletions=self._complete)
        if self._left_alone:
            self._differences = len(actions)
            return
        self._list(spec, {*wanted, *filter(owned, observed)})
        self._entries.keep(action.key for action in actions)
        gains, losses = split(actions)
        performed = await self._performer.perform(gains)
        # New marks come before what loses them goes; else a server that died is removed first.
        ruled = self._ruled is spec
        if not ruled:
            self._keep_screen(spec)
        performed += await self._performer.perform(losses)
        if ruled:
            self._keep_screen(spec)
        self._left = apply(observed, performed)
        if performed:
            self._inspected = 0  # what status knows is out of date
        self._tune(spec)
        self._tell(performed, left)

    def _live(self, spec: ClusterSpec, left: dict[ServiceKey, Service]) -> dict[ServiceKey, Service]:
        """The wanted table: decided anew when something has changed, time has come, or connections were counted."""
        now, counted = self._clock(), self._count()
        if self._wanted is None or counted or (self._turn_at is not None and now >= self._turn_at):
            going = leaving(self._inventory.owned, spec, left)
            found = self._lives.step(
                spec, self._verdicts, left, now=now, connections=counted, leaving=going, waiting=self._waiting
            )
            self._wanted, self._turn_at = {**path_table(spec), **found.table}, found.due
            try:
                self._lives.keep()
            except OSError as error:
                self._trouble("servers", RetryAfter(0, f"what is under way cannot be stored: {error.strerror}"))
            else:
                self._whole.succeeded("servers")
        return self._wanted

    def _count(self) -> Connections:
        """How many connections still keep destinations that drain; nothing where none does, or it is not time yet."""
        draining, now = self._lives.draining, self._clock()
        if not draining or now < self._counting.next_look:
            return {}
        counted = self._driver.connections(draining)
        self._counting.note(started=now, ended=self._clock())
        return counted

    @property
    def settled(self) -> bool:
        """Whether every first verdict is known and the last pass left the table as it should be, as far as it can be
        before a person acts (:attr:`stalled`)."""
        return self._settled

    @property
    def stalled(self) -> int:
        """How many services lack what only a person can give this machine: a module of the kernel, a privilege."""
        return self._stalled

    @property
    def led(self) -> frozenset[int]:
        """The marks that lead checks to their servers; without its entry a check would go wherever clients go."""
        return self._led

    @property
    def barred(self) -> frozenset[int]:
        """The marks that lead nowhere before a person acts: what is checked on their way is not waited for."""
        return self._barred

    def status(self) -> list[dict[str, Any]]:
        """One entry for each endpoint of the document (:class:`ServiceStatus`), its numbers at most a second old.

        A table that cannot be read is shown as absent; :meth:`problems` says why.
        """
        if self._spec is None:
            return []
        self._inspect()
        found = status(self._spec, self._verdicts, self._observation, self._reasons(), self._lives)
        return [item.plain() for item in found]

    def leaving(self) -> list[dict[str, Any]]:
        """One entry for each real server of a service that has left the document (:class:`LeavingStatus`)."""
        if self._spec is None:
            return []
        self._inspect()
        return [item.plain() for item in leaving_status(self._lives, self._observation)]

    def remaining(self, destinations: Iterable[DestinationId]) -> str:
        """What of these is still in the table, in words; empty when nothing is."""
        left = self._left or {}
        there = [
            item
            for item in destinations
            if item.service in left and item.destination in left[item.service].destinations
        ]
        if not there or self._spec is None:
            return ""
        return self._lives.waits_for(there, self._spec, self._clock())

    def problems(self) -> list[tuple[str, str]]:
        """What keeps the table from being as it should be: (scope, what is wrong and what to do)."""
        found = [(_SCOPES[what], failure.reason) for what, failure in self._whole.failures.items()]
        if self._differences:
            differences = f"{self._differences} differences from the document"
            found.append(("IPVS table", f"{differences}: left alone, the node is in maintenance"))
        for service, reasons in by_service(self._reasons()).items():
            more = f" (and {len(reasons) - 1} more)" if len(reasons) > 1 else ""
            found.append((title(service, self._spec), reasons[0] + more))
        if self._spec is not None:
            found += self._lives.problems(self._spec)
            found += sorry_problems(self._spec, self._verdicts)
        return found

    def _inspect(self) -> None:
        now = self._clock()
        if not self._whole.due(_TABLE, now):
            self._observation = _NOTHING
        elif now - self._inspected >= SECOND:
            try:
                self._observation, self._inspected = self._driver.inspect(), now
            except (PermanentError, TransientError, OSError) as error:
                self._fail(error)

    def _reasons(self) -> dict[EntryKey, str]:
        return {key: failure.reason for key, failure in self._entries.failures.items()}

    # Steps of a pass

    def _sending(self) -> None:
        self._fingerprint = b""  # whatever it is from now on: the next tick looks again

    def _hasten(self, spec: ClusterSpec) -> None:
        """Send edited weights at once: the look at the whole table that follows takes a while when it is large."""
        former, left = self._left_for, self._left
        if former is None or former is spec or left is None or self._passing or self._left_alone or not self._complete:
            return
        actions: list[Action] = [*reweigh(reweighings(former, spec) or (), left)]
        if not 0 < len(actions) <= BATCH or not self._whole.due(_TABLE, self._clock()):
            return
        try:
            outcomes = self._driver.perform(actions)
        except (PermanentError, TransientError, OSError):
            return  # the pass that follows says so
        done = [action for action, outcome in zip(actions, outcomes, strict=True) if isinstance(outcome, Done)]
        self._tell(done, left)
        self._left, self._left_for, self._inspected = apply(left, done), spec, 0

    def _concerned(self, spec: ClusterSpec) -> bool:
        """A document without virtual services needs no IPVS in its kernel; what is there may still be ours to clear."""
        cleared = spec.ipvs_exclusive and self._driver.fingerprint() != b""
        return bool(spec.virtual_services or self._inventory or cleared)

    def _owner(self, spec: ClusterSpec) -> Callable[[ServiceKey], bool]:
        """Ours is what we programmed, and everything on an address of the document or by a mark that is Vedette's own;
        or all, where it says so."""
        if spec.ipvs_exclusive:
            return lambda _: True
        addresses = _addresses(spec)
        inventory = self._inventory
        return lambda key: (
            key in inventory or (key.address in addresses if isinstance(key, AddressKey) else key.mark in OURS)
        )

    def _list(self, spec: ClusterSpec, keys: set[ServiceKey]) -> None:
        """A list that cannot be written is no reason to leave clients without service."""
        if self._written_for is not spec:
            self._written_for, self._written = spec, written(spec)
        try:
            self._inventory.keep(self._written, keys)
        except OSError as error:
            self._trouble("inventory", RetryAfter(0, f"the list of our services cannot be written: {error.strerror}"))
        else:
            self._whole.succeeded("inventory")

    def _keep_screen(self, spec: ClusterSpec) -> None:
        """A kernel that refuses it costs the services that need marks, and none of the others."""
        started = self._clock()
        if self._ruled is not spec:
            self._ruled, self._rules = spec, rules(spec)
        try:
            self._screen.keep(self._rules)
        except (PermanentError, TransientError, OSError) as error:
            reason = f"packets cannot be marked or held back: {error}"
            self._trouble("screen", Stalled(reason) if isinstance(error, PermanentError) else RetryAfter(0, reason))
        else:
            self._whole.succeeded("screen")
        self._pace.also(started=started, ended=self._clock())

    def _tune(self, spec: ClusterSpec) -> None:
        timeouts = spec.ipvs_timeouts
        wanted = Timeouts(*(_whole_seconds(value) for value in (timeouts.tcp, timeouts.tcp_fin, timeouts.udp)))
        try:
            changed = self._driver.tune(Tuning(wanted, spec.ipvs_sysctls, answers_come_from_outside(spec)))
        except (OSError, PermanentError) as error:
            self._trouble("tuning", RetryAfter(0, str(error)))
        else:
            self._whole.succeeded("tuning")
            if changed:
                event(_log, logging.INFO, "ipvs.tuned", names=",".join(changed))

    def _tell(self, performed: list[Action], left: dict[ServiceKey, Service]) -> None:
        if not performed:
            return
        event(_log, logging.INFO, "ipvs.programmed", **counts(performed))
        found = repairs(performed, left)
        if found:
            self._repaired(found)

    def _fail(self, error: Exception) -> None:
        """The table as a whole is out of reach; a fresh socket may help."""
        self._driver.close()
        self._observation, self._inspected = _NOTHING, 0
        self._trouble(_TABLE, _policy(error))

    def _trouble(self, what: str, outcome: RetryAfter | Stalled) -> None:
        if self._whole.failed(what, outcome, self._clock()):
            event(_log, logging.ERROR, "ipvs.trouble", what=what, reason=outcome.reason)

    def _settle(self) -> None:
        entries, whole = self._entries.failures, self._whole.failures
        table, screen = whole.get(_TABLE), whole.get("screen") if self._rules.marks else None
        pending = any(not failure.stalled for failure in filter(None, (*entries.values(), table, screen)))
        stalled = {_service_of(key) for key, failure in entries.items() if failure.stalled}
        if screen is not None and screen.stalled:
            stalled |= {key for key in self._written if isinstance(key, MarkKey) and self._written[key].addresses}
        if table is not None and table.stalled and self._spec is not None:
            stalled |= written(self._spec).keys()
        untouched = self._left is None and self._differences > 0  # in maintenance since this daemon's start
        settled = self._complete and not pending and not untouched
        found = settled, len(stalled), led(self._left or {}), marks(stalled)
        if found != (self._settled, self._stalled, self._led, self._barred):
            self._settled, self._stalled, self._led, self._barred = found
            self._report()

    # Between two passes

    async def _rest(self) -> None:
        """Until woken, a retry is due, or the table is no longer as we left it."""
        self._forget_inspection()
        due = max(self._next_pass(), self._clock() + SHORTEST_REST)
        while not self._woken.is_set():
            try:
                async with asyncio.timeout(seconds(max(0, min(TICK, due - self._clock())))):
                    await self._woken.wait()
            except TimeoutError:
                if self._clock() >= due or self._has_drifted():
                    return
        await asyncio.sleep(seconds(max(0, self._pace.earliest - self._clock())))

    def _forget_inspection(self) -> None:
        """Numbers that nobody has asked for in a while only take room."""
        if self._observation is not _NOTHING and self._clock() - self._inspected >= FORGOTTEN:
            self._observation = _NOTHING

    def _next_pass(self) -> int:
        """The instant (ns) of the next pass that nobody asks for."""
        trouble = self._whole.failures.get(_TABLE)
        if trouble is not None:
            return trouble.due
        counting = self._counting.next_look if self._lives.draining else None
        return min(filter(None, (self._pace.next_look, self._entries.next(), self._turn_at, counting)))

    def _has_drifted(self) -> bool:
        try:
            return self._driver.fingerprint() != self._fingerprint
        except OSError:
            return True


def _service_of(key: EntryKey) -> ServiceKey:
    return key.service if isinstance(key, DestinationId) else key


def _addresses(spec: ClusterSpec) -> frozenset[IPAddress]:
    served = (endpoint.address for virtual in spec.virtual_services for endpoint in virtual.endpoints)
    return frozenset((*held_addresses(spec), *served))


def _whole_seconds(duration: int | None) -> int | None:
    return None if duration is None else -(-duration // SECOND)


def _policy(error: Exception) -> RetryAfter | Stalled:
    match error:
        case PermanentError():
            return Stalled(str(error))
        case OSError(errno=errno.EPERM):
            return Stalled(NOT_PERMITTED)
        case OSError(errno=int() as code):
            return RetryAfter(0, f"the kernel's table cannot be read: {os.strerror(code)}")
        case _:
            return RetryAfter(0, str(error) or type(error).__name__)
