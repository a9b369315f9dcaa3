"""From any table to the desired one, in few messages and without a gap.

A plan is a list of actions, each one netlink message, in an order in which no packet meets an empty service: all that
gives capacity (new services and destinations, rising weights) stands before all that takes it (weights to 0,
deletions). It may be interrupted after any action; planning again from there leads to the same end.

A new service whose scheduler places connections by hash starts with the kernel's scheduler ``none`` and gets its own
when its destinations are in: a half-built hash table would place connections where the other director does not, and
the kernel would build it again at every destination added (facts-netlink.md section 3).
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace

from vedette.ipvs.model import Destination, DestinationId, DestinationKey, Service, ServiceKey, Settings, Table
from vedette.reconcile.plan import Action as AnyAction
from vedette.reconcile.plan import Create, Delete, Update, diff

Action = AnyAction[ServiceKey, Settings] | AnyAction[DestinationId, Destination]

IDLE = "none"
"""The scheduler that schedules nothing (Linux 4.2 and later)."""
HASHING = frozenset({"mh", "sh", "dh"})


def plan(
    desired: Table, observed: Table, *, owned: Callable[[ServiceKey], bool], deletions: bool = True
) -> list[Action]:
    """Without ``deletions`` nothing is removed yet. Services neither desired nor ``owned`` are other people's."""
    gains: list[Action] = []
    losses: list[Action] = []
    for key, wanted in desired.items():
        found = observed.get(key)
        if wanted == found:
            continue
        destinations = list(_destinations(key, wanted, found))
        gains += _settings_before(key, wanted, found)
        gains += [action for action in destinations if not _takes(action)]
        gains += _settings_after(key, wanted, found)
        losses += sorted((action for action in destinations if _takes(action)), key=_is_delete)
    losses += [Delete(key, found.settings) for key, found in observed.items() if key not in desired and owned(key)]
    return gains + [action for action in losses if deletions or not _is_delete(action)]


def split(actions: Sequence[Action]) -> tuple[Sequence[Action], Sequence[Action]]:
    """A plan in two: what gives capacity, and what takes it."""
    first = next((index for index, action in enumerate(actions) if _takes(action)), len(actions))
    return actions[:first], actions[first:]


def apply(table: Table, actions: Iterable[Action]) -> dict[ServiceKey, Service]:
    """The table after these actions; those on a destination whose service is not there change nothing."""
    services = dict(table)
    opened: dict[ServiceKey, dict[DestinationKey, Destination]] = {}
    for action in actions:
        match action.key:
            case DestinationId(service, destination):
                if service not in services:
                    continue
                if service not in opened:
                    opened[service] = dict(services[service].destinations)
                    services[service] = replace(services[service], destinations=opened[service])
                _apply_destination(opened[service], destination, action)
            case key:
                opened.pop(key, None)
                _apply_service(services, key, action)
    return services


def _apply_service(services: dict[ServiceKey, Service], key: ServiceKey, action: Action) -> None:
    match action:
        case Delete():
            services.pop(key, None)
        case Create(item=Settings() as settings) | Update(after=Settings() as settings):
            kept = services[key].destinations if key in services else {}
            services[key] = Service(settings, kept)


def _apply_destination(destinations: dict[DestinationKey, Destination], key: DestinationKey, action: Action) -> None:
    match action:
        case Delete():
            destinations.pop(key, None)
        case Create(item=Destination() as item) | Update(after=Destination() as item):
            destinations[key] = item


def _settings_before(key: ServiceKey, wanted: Service, found: Service | None) -> Iterator[Action]:
    if found is None:
        yield Create(key, _opening(wanted))


def _settings_after(key: ServiceKey, wanted: Service, found: Service | None) -> Iterator[Action]:
    before = _opening(wanted) if found is None else found.settings
    if before != wanted.settings:
        yield Update(key, before, wanted.settings)


def _opening(wanted: Service) -> Settings:
    """The settings with which a new service takes its first destinations."""
    if wanted.destinations and wanted.settings.scheduler in HASHING:
        return replace(wanted.settings, scheduler=IDLE)
    return wanted.settings


def _destinations(key: ServiceKey, wanted: Service, found: Service | None) -> Iterator[Action]:
    observed = found.destinations if found is not None else {}
    for action in diff(wanted.destinations, observed, owned=lambda _: True):
        identity = DestinationId(key, action.key)
        match action:
            case Create(item=item):
                yield Create(identity, item)
            case Update(before=before, after=after):
                yield Update(identity, before, after)
            case Delete(item=item):
                yield Delete(identity, item)


def _takes(action: Action) -> bool:
    """Whether it takes capacity away: a deletion, or a weight that becomes 0."""
    match action:
        case Delete():
            return True
        case Update(after=Destination(weight=0)):
            return True
        case _:
            return False


def _is_delete(action: Action) -> bool:
    return isinstance(action, Delete)
