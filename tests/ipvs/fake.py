"""A kernel's table in memory, with the kernel's manners; the contract tests hold both to the same."""

import errno
from collections.abc import Callable, Iterable, Sequence

from vedette.ipvs.model import (
    DestinationId,
    DestinationKey,
    DestinationUsage,
    Observation,
    Service,
    ServiceKey,
    Table,
    Timeouts,
    Tuning,
    Usage,
)
from vedette.ipvs.plan import Action, apply
from vedette.ipvs.refusal import judge
from vedette.ipvs.screen.rules import Rules
from vedette.reconcile.outcome import Done, Outcome
from vedette.reconcile.plan import Create

SCHEDULERS = frozenset({"none", "rr", "wrr", "wlc", "sh", "mh"})


class FakeTable:
    """``refuse`` may return an errno for an action; ``broken`` is raised by everything that touches the kernel."""

    def __init__(self) -> None:
        self.table: dict[ServiceKey, Service] = {}
        self.sent: list[Action] = []
        self.looks = 0
        self.tuning = Tuning(Timeouts(900, 120, 300), {"sloppy_tcp": 0, "expire_nodest_conn": 0})
        self.refuse: Callable[[Action], int] = lambda _: 0
        self.broken: Exception | None = None
        self.busy: dict[DestinationKey, int] = {}
        """Connections by destination."""

    def close(self) -> None:
        """Nothing is open."""

    def observe(self) -> dict[ServiceKey, Service]:
        self._fail()
        self.looks += 1
        return dict(self.table)

    def inspect(self) -> Observation:
        self._fail()
        usage = {
            key: Usage(destinations=dict.fromkeys(service.destinations, DestinationUsage()))
            for key, service in self.table.items()
        }
        return Observation(dict(self.table), usage)

    def connections(self, services: Iterable[ServiceKey]) -> dict[ServiceKey, dict[DestinationKey, int]]:
        self._fail()
        return {
            key: {name: self.busy.get(name, 0) for name in self.table[key].destinations} if key in self.table else {}
            for key in services
        }

    def fingerprint(self) -> bytes:
        return repr(self.table).encode()

    def perform(self, actions: Sequence[Action]) -> list[Outcome]:
        self._fail()
        return [self._perform(action) for action in actions]

    def tune(self, tuning: Tuning) -> tuple[str, ...]:
        self._fail()
        wanted = {
            f"timeout {name}": value
            for name in ("tcp", "tcp_fin", "udp")
            if (value := getattr(tuning.timeouts, name)) not in (None, getattr(self.tuning.timeouts, name))
        }
        changed = [name for name, value in tuning.sysctls.items() if self.tuning.sysctls.get(name) != value]
        merged = {name: getattr(tuning.timeouts, name) or getattr(self.tuning.timeouts, name) for name in _TIMEOUTS}
        self.tuning = Tuning(Timeouts(**merged), {**self.tuning.sysctls, **tuning.sysctls})
        return (*wanted, *(f"net.ipv4.vs.{name}" for name in changed))

    def flush(self) -> None:
        self.table = {}

    def edit(self, actions: Sequence[Action]) -> None:
        """Change the table as other people do."""
        self.table = apply(self.table, actions)

    def _fail(self) -> None:
        if self.broken is not None:
            raise self.broken

    def _perform(self, action: Action) -> Outcome:
        self.sent.append(action)
        code = self.refuse(action) or _refusal(self.table, action)
        if code:
            return judge(action, code)
        self.table = apply(self.table, [action])
        return Done()


class FakeScreen:
    """Notes the rules, and what the table was when they came; ``broken`` is raised instead."""

    def __init__(self, table: FakeTable) -> None:
        self.rules: list[Rules] = []
        self.tables: list[set[ServiceKey]] = []
        self.broken: Exception | None = None
        self._table = table

    def close(self) -> None:
        """Nothing is open."""

    def keep(self, rules: Rules) -> tuple[str, ...]:
        if self.broken is not None:
            raise self.broken
        self.rules.append(rules)
        self.tables.append(set(self._table.table))
        return ()


_TIMEOUTS = ("tcp", "tcp_fin", "udp")


def _refusal(table: Table, action: Action) -> int:
    """The errno with which ip_vs_ctl.c answers; 0 = none."""
    create = isinstance(action, Create)
    match action.key:
        case DestinationId(service, destination):
            if service not in table:
                return errno.ESRCH
            there = destination in table[service].destinations
            return errno.EEXIST if create and there else 0 if create or there else errno.ENOENT
        case key:
            settings = getattr(action, "after", getattr(action, "item", None))
            there = key in table
            if create and there:
                return errno.EEXIST
            if not create and not there:
                return errno.ESRCH
            return 0 if getattr(settings, "scheduler", "none") in SCHEDULERS else errno.ENOENT
