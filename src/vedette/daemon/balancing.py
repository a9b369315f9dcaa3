"""Real servers, their checks and the table of them: what only a director does.

A witness never begins. Level-triggered: whatever changes (document, names, verdicts, orders, leases), the table is
compared again with what follows from all of it.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Sequence
from pathlib import Path

from vedette.api.status import Problem
from vedette.daemon.connections import Connections
from vedette.daemon.keeper_link import KeeperLink
from vedette.daemon.server_orders import ServerOrders
from vedette.health.lanes import Checkers
from vedette.health.pinger import Pinger
from vedette.ipvs.drivers import ScreenDriver, TableDriver
from vedette.ipvs.reconciler import Reconciler
from vedette.ipvs.repair import Repair
from vedette.ipvs.screen.screen import Screen
from vedette.kit import log, net
from vedette.kit.child import Child
from vedette.sorry.client import SorryClient
from vedette.sources.names import Names
from vedette.spec.resolved import ClusterSpec, Role
from vedette.state.edits import reweighings
from vedette.state.health import UNKNOWN, Health, Target, Verdict, Verdicts, guess
from vedette.state.names import questions, with_names
from vedette.state.paths import has_paths, with_paths
from vedette.state.targets import all_targets, barred_targets, entries_of, passable

logger = logging.getLogger("vedette.director")

PATIENCE = 2.0
"""Seconds that the table may take before others, who can wait, go on."""


class Balancing:
    """Composes what real servers need. Its parts are there to be looked at."""

    def __init__(
        self,
        *,
        node: str,
        run_dir: Path,
        state_dir: Path,
        keeper: KeeperLink,
        checkers: Callable[[Callable[[], None]], Checkers] = Checkers,
        driver: TableDriver | None = None,
        screen: ScreenDriver | None = None,
    ) -> None:
        self._node, self._keeper = node, keeper
        self._begun = asyncio.Event()
        self._document: ClusterSpec | None = None
        self._expanded: ClusterSpec | None = None
        self._held: frozenset[str] = frozenset()
        self._told: tuple[bool, int] | None = None
        self._withheld = 0
        """Targets that wait for their path in the kernel's table, and not for a person."""
        self._apart: dict[Target, Verdict] = {}
        """What holds of targets that the checkers are not given: their path is on its way, or waits for a person."""
        self._guessed = 0
        """Entries of the table with servers that this node cannot check."""
        self.orders = ServerOrders()
        self.names = Names(state_dir / "names.json", self._names_changed)
        self.checkers = checkers(self._reconcile)
        self.sorry = SorryClient(changed=lambda: None)
        self.pinger = Pinger(changed=self._tell_reach)
        self.reconciler = Reconciler(
            run_dir=run_dir,
            driver=driver,
            screen=screen or Screen(),
            report=self._table_changed,
            repaired=_log_repairs,
        )
        self.connections = Connections(
            node=node,
            run_dir=run_dir,
            running=lambda: self._document,
            view=lambda: self._keeper.view,
            programmed=lambda: self.reconciler.settled,
            changed=self._tell_readiness,
        )

    async def run(self) -> None:
        """From the first document on, until cancelled."""
        await self._begun.wait()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.checkers.run())
            tasks.create_task(self.sorry.run())
            tasks.create_task(self.pinger.run())
            tasks.create_task(self.names.run())
            tasks.create_task(self.reconciler.run())
            tasks.create_task(self.connections.run())

    @property
    def begun(self) -> bool:
        """Whether there is a document, and this node is a director in it."""
        return self._begun.is_set()

    @property
    def children(self) -> Sequence[Child]:
        """The processes that have been started."""
        return (*self.checkers.children, *self.sorry.children) if self.begun else ()

    @property
    def verdicts(self) -> Verdicts:
        """What is known of every target, or taken to be so."""
        return {**self.checkers.verdicts, **self._apart}

    def apply(self, spec: ClusterSpec) -> None:
        """Run this document from now on; a witness has nothing to do for it."""
        self._document = spec
        if spec.node(self._node).role is Role.WITNESS:
            return
        self._begun.set()
        self.connections.forget()
        self.names.set_questions(questions(spec))
        self._expand(spec)
        self.pinger.set_targets(spec.ping_nodes)
        self.sorry.set_pages(
            {
                (endpoint.address, endpoint.port): service.sorry.page
                for service in spec.virtual_services
                if service.sorry is not None and service.sorry.page is not None
                for endpoint in service.endpoints
            }
        )
        self._reconcile()

    def hear(self) -> None:
        """The keeper has said how things are."""
        self._follow_holding()
        if self.orders.hear(self._keeper.view):
            self._reconcile()

    def leave_alone(self, on: bool) -> None:
        """While ``on``, as in maintenance: look, but touch nothing."""
        self.reconciler.leave_alone(on)
        self.connections.leave_alone(on)

    async def quiet(self) -> None:
        """Wait until the table is as the document wants it, but not for long."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE if self.begun else 0):
                await self.reconciler.caught_up()

    def problems(self) -> list[Problem]:
        """What is not as it should be."""
        found = [Problem(scope, message) for scope, message in self.reconciler.problems()]
        found += [Problem(scope, message) for scope, message in self.connections.problems()]
        found += [Problem(f"name {name}", message) for name, message in self.names.problems]
        away = (
            *(("checker", problem) for problem in self.checkers.problems),
            ("sorry page", self.sorry.problem),
            ("ping nodes", self.pinger.problem),
        )
        found += [Problem(scope, message) for scope, message in away if message]
        found += [Problem(scope, message) for scope, message in self.checkers.notices()]
        found += [
            Problem(f"sorry page at {net.endpoint(*place)}", message) for place, message in self.sorry.problems.items()
        ]
        return found

    def _expand(self, spec: ClusterSpec) -> None:
        """Bring the document together with the addresses that its names stand for."""
        former, self._expanded = self._expanded, with_paths(with_names(spec, self.names.answers))
        self.orders.apply(self._expanded)
        if former is None or reweighings(former, self._expanded) is None:
            self._assign()

    def _names_changed(self) -> None:
        if self._document is not None:
            self._expand(self._document)
            self._reconcile()

    def _assign(self) -> None:
        """Give the checker what this node is to check, as things are."""
        assert self._expanded is not None
        self._held = self._holding()
        wanted = tuple(all_targets(self._expanded, self._held))
        ready = passable(wanted, self.reconciler.led)
        barred = barred_targets(wanted, led=self.reconciler.led, barred=self.reconciler.barred)
        self._withheld = len(wanted) - len(ready) - len(barred)
        known = self.verdicts if barred else {}
        withheld = set(wanted).difference(ready, barred) if self._withheld else ()
        self._apart = dict.fromkeys(withheld, UNKNOWN)
        self._apart |= {target: _last_word(known.get(target, UNKNOWN)) for target in barred}
        self.checkers.set_targets(ready)

    def _follow_holding(self) -> None:
        """Some services are checked only by who holds their group."""
        if self._document is None or not self.begun or self._holding() == self._held:
            return
        if not all(service.checks_on_standby for service in self._document.virtual_services):
            self._assign()
            self._reconcile()

    def _holding(self) -> frozenset[str]:
        view = self._keeper.view
        return frozenset(lease.group for lease in view.leases if lease.mine) if view else frozenset()

    def _reconcile(self) -> None:
        spec = self.orders.spec
        if spec is not None and self.begun:
            complete = self.checkers.complete and not self._withheld
            guesses = self.checkers.guesses
            self._guessed = len(entries_of(spec, guesses)) if guesses else 0
            self.reconciler.update(spec, self.verdicts, complete=complete)
            self._tell_readiness()

    def _table_changed(self) -> None:
        if self._expanded is not None and has_paths(self._expanded):
            former = self._withheld, self._apart.keys()
            self._assign()
            if former != (self._withheld, self._apart.keys()):
                self._reconcile()
        self._tell_readiness()

    def _tell_readiness(self) -> None:
        """A director whose table is programmed, and who knows the connections, may be preferred; the keeper weighs
        that. What waits for a person does not count: it may be the same on every node, and one that lacks nothing is
        preferred all the same."""
        working = self.reconciler.settled and self.connections.ready
        stalled = self.reconciler.stalled + self._guessed
        told, former = (working, stalled), self._told
        if told == former:
            return
        if working if former is None else working != former[0]:
            log.event(logger, logging.INFO, "director.ready" if working else "director.busy")
        self._told = told
        self._keeper.tell({"services": working, "stalled": stalled})

    def _tell_reach(self) -> None:
        """Who reaches more of the ping nodes is preferred; the cluster core compares."""
        self._keeper.tell({"missing": self.pinger.missing})


def _last_word(verdict: Verdict) -> Verdict:
    """What holds of a target that can no longer be checked: the last verdict, or a guess where there never was one."""
    return verdict if verdict.health is not Health.UNKNOWN else guess("no checks can go through the service")


def _log_repairs(repairs: Sequence[Repair]) -> None:
    """Somebody else had changed our table: say it once for each service, with what was wrong."""
    for item in repairs:
        fields = {"service": item.service, "drift": item.drift.value, "entries": item.entries}
        log.event(logger, logging.WARNING, "ipvs.repaired", **fields)
