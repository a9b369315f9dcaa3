"""Telling a repair from a change: did the document or a verdict move, or did somebody else's hand?"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

from vedette.ipvs.model import Destination, DestinationId, ServiceKey, Settings, Table
from vedette.ipvs.plan import Action
from vedette.reconcile.plan import Create, Delete, Update


class Drift(Enum):
    """What had happened to an entry that we had left in order."""

    MISSING = "missing"
    CHANGED = "changed"
    FOREIGN = "foreign"


@dataclass(frozen=True, slots=True)
class Repair:
    """``entries`` of one service (itself and its destinations) had drifted and are put right."""

    service: ServiceKey
    drift: Drift
    entries: int


def repairs(actions: Iterable[Action], left: Table) -> tuple[Repair, ...]:
    """Which of a plan's actions undo what others did to the table since we ``left`` it."""
    found: Counter[tuple[ServiceKey, Drift]] = Counter()
    opened: set[ServiceKey] = set()
    for action in actions:
        match action.key:
            case DestinationId(service):
                pass
            case service if service in opened:  # a hashed service gets its scheduler at last: the same repair
                continue
            case service:
                opened.add(service)
        drift = _drift(action, _item(left, action.key))
        if drift is not None:
            found[service, drift] += 1
    return tuple(Repair(service, drift, entries) for (service, drift), entries in found.items())


def _drift(action: Action, left: Settings | Destination | None) -> Drift | None:
    match action:
        case Create() if left is not None:
            return Drift.MISSING
        case Update(before=before) if left is not None and left != before:
            return Drift.CHANGED
        case Delete() if left is None:
            return Drift.FOREIGN
        case _:
            return None


def _item(table: Table, key: ServiceKey | DestinationId) -> Settings | Destination | None:
    match key:
        case DestinationId(service, destination):
            return table[service].destinations.get(destination) if service in table else None
        case _:
            return table[key].settings if key in table else None
