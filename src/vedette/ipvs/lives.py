"""The lives of all endpoints: one step for the whole table, and what a restart of the daemon must not forget.

The file lies in the run directory, which a boot clears together with the kernel's table.
"""

import json
import logging
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from vedette.ipvs.damping import Penalty
from vedette.ipvs.desired import desired_service, leaving_service, service_key
from vedette.ipvs.leaving import Owned
from vedette.ipvs.life import ANY, Life
from vedette.ipvs.model import AddressKey, DestinationId, DestinationKey, MarkKey, Service, ServiceKey, Table
from vedette.ipvs.phases import Condition, Phase, QuorumState, phase
from vedette.ipvs.records import Drain, Memory, Note, Result, Turn
from vedette.kit import files, plain
from vedette.kit.log import event
from vedette.kit.units import SECOND, show
from vedette.spec.resolved import ClusterSpec, VirtualService
from vedette.spec.resolved import Life as Rules
from vedette.state.health import Verdicts

Connections = Mapping[ServiceKey, Mapping[DestinationKey, int]]

_log = logging.getLogger("vedette.ipvs")
_GOOD = frozenset({Turn.DRAINED, Turn.RELEASED, Turn.QUORUM_GAINED})


@dataclass(frozen=True, slots=True)
class _Kept:
    """One destination's record in the file: whichever of the three there is."""

    address: DestinationKey
    drain: Drain | None = None
    ramp: int | None = None
    penalty: Penalty | None = None


@dataclass(frozen=True, slots=True)
class _Row:
    """One endpoint in the file."""

    service: AddressKey | MarkKey
    lost: bool | None = None
    servers: tuple[_Kept, ...] = ()


@dataclass(slots=True)
class Outcome:
    """The wanted table, and the instant (ns) at which time alone changes it, if ever."""

    table: dict[ServiceKey, Service] = field(default_factory=dict)
    due: int | None = None


class Lives:
    """Every endpoint's life, by service."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lives = {row.service: Life(_memory(row)) for row in _read(path)}
        self._sorry: dict[ServiceKey, bool] = {}
        self._leaving: dict[ServiceKey, Owned] = {}
        self._changed = False

    def step(
        self,
        spec: ClusterSpec,
        verdicts: Verdicts,
        left: Table,
        *,
        now: int,
        connections: Connections,
        leaving: Mapping[ServiceKey, Owned] | None = None,
        waiting: bool = True,
    ) -> Outcome:
        """Look at everything again. ``left``: the table as it was found or left; ``connections``: those counted.

        ``leaving``: services of ``left`` that the document does not have, and whose servers drain. ``waiting``: there
        are servers whose first verdict may still come.
        """
        outcome = Outcome()
        for virtual in spec.virtual_services:
            for entry in virtual.entries:
                key = service_key(entry)
                life = self._life(key)
                before = left[key].destinations if key in left else {}
                counted = connections.get(key)
                outcome.table[key], result = desired_service(
                    virtual, entry, verdicts, before, life, now=now, connections=counted, waiting=waiting
                )
                self._sorry[key] = result.sorry
                _take(outcome, virtual.name, key, result)
        self._leaving = dict(leaving or {})
        for key, owned in self._leaving.items():
            service, result = leaving_service(
                left[key], self._life(key), Rules(drain=owned.drain), now=now, connections=connections.get(key)
            )
            if service is not None:
                outcome.table[key] = service
            _take(outcome, owned.name, key, result)
        for gone in [key for key in self._lives if key not in outcome.table and key not in self._leaving]:
            del self._lives[gone]
            self._sorry.pop(gone, None)
            self._changed = True
        return outcome

    def _life(self, key: ServiceKey) -> Life:
        life = self._lives.get(key)
        if life is None:
            life = self._lives[key] = Life()
        return life

    @property
    def draining(self) -> list[ServiceKey]:
        """Services of which it matters how many connections their destinations have."""
        return [key for key, life in self._lives.items() if life.drains]

    def keep(self) -> None:
        """Store what has changed. Raises ``OSError``."""
        changed = [life for life in self._lives.values() if life.changed]
        if not changed and not self._changed:
            return
        rows = [_row(key, life) for key, life in self._lives.items() if not life.idle]
        files.replace(self._path, json.dumps([plain.dump(row) for row in rows]).encode())
        for life in changed:
            life.changed = False
        self._changed = False

    # What status shows

    def phases(self, virtual: VirtualService, key: ServiceKey) -> dict[DestinationKey, Phase]:
        """What is under way with the servers of an endpoint."""
        life = self._lives.get(key)
        return {} if life is None else {name: phase(life, name, virtual.life) for name in life.concerned()}

    def leaving(self) -> Iterator[tuple[Owned, dict[DestinationKey, Phase]]]:
        """What is under way with the servers of services that have left the document."""
        for key, owned in self._leaving.items():
            life = self._lives[key]
            yield owned, {name: phase(life, name, Rules(drain=owned.drain)) for name in life.drains}

    def quorum(self, virtual: VirtualService, key: ServiceKey) -> QuorumState:
        """How an endpoint stands with its quorum."""
        life = self._lives.get(key) or Life()
        wanted = virtual.life.quorum or ANY
        condition = {None: Condition.UNDECIDED, True: Condition.LOST, False: Condition.HELD}[life.lost]
        return QuorumState(condition, life.capacity, wanted.weight, wanted.hysteresis, self._sorry.get(key, False))

    def waits_for(self, destinations: Iterable[DestinationId], spec: ClusterSpec, now: int) -> str:
        """What drains of these destinations wait for, in words."""
        limits = {service_key(entry): item.life for item in spec.virtual_services for entry in item.entries}
        found = [
            (drain.left, drain.since + limits[item.service].drain)
            for item in destinations
            if item.service in limits and (drain := self._lives[item.service].drains.get(item.destination)) is not None
        ]
        if not found:
            return "it is in the table, and does not drain yet"
        left = sum(count or 0 for count, _ in found)
        rest = max(0, max(until for _, until in found) - now)
        return f"{left} connections are left; they may last {show(rest // SECOND * SECOND)} more"

    def problems(self, spec: ClusterSpec) -> list[tuple[str, str]]:
        """Every quorum that the document asks for and that is lost."""
        found = []
        for virtual in spec.virtual_services:
            if virtual.life.quorum is None:
                continue
            for entry in virtual.entries:
                state = self.quorum(virtual, service_key(entry))
                if state.condition is Condition.LOST:
                    found.append((f"virtual service {virtual.name}", f"{service_key(entry)}: {state.explain()}"))
        return found


def _take(outcome: Outcome, name: str, key: ServiceKey, result: Result) -> None:
    """Note what one endpoint's step says besides weights."""
    if result.due is not None:
        outcome.due = result.due if outcome.due is None else min(outcome.due, result.due)
    if result.notes:
        _tell(name, key, result.notes)


def _tell(name: str, key: ServiceKey, notes: list[Note]) -> None:
    for note in notes:
        level = logging.INFO if note.turn in _GOOD else logging.WARNING
        fields = {"service": name, "endpoint": key} | ({"server": note.key} if note.key is not None else {})
        event(_log, level, f"{'server' if note.key else 'service'}.{note.turn.value}", **fields, reason=note.detail)


def _row(key: ServiceKey, life: Life) -> _Row:
    names = dict.fromkeys((*life.drains, *life.ramps, *life.penalties))
    kept = tuple(_Kept(name, life.drains.get(name), life.ramps.get(name), life.penalties.get(name)) for name in names)
    return _Row(key, life.lost, kept)


def _memory(row: _Row) -> Memory:
    return Memory(
        {kept.address: kept.drain for kept in row.servers if kept.drain is not None},
        {kept.address: kept.ramp for kept in row.servers if kept.ramp is not None},
        {kept.address: kept.penalty for kept in row.servers if kept.penalty is not None},
        row.lost,
    )


def _read(path: Path) -> tuple[_Row, ...]:
    """What cannot be read is forgotten: drains begin anew, and slow starts are over."""
    data = files.read(path)
    if data is None:
        return ()
    try:
        return plain.load(tuple[_Row, ...], json.loads(data))
    except ValueError as error:
        event(_log, logging.WARNING, "ipvs.lives-unreadable", file=path, reason=error)
        return ()
