"""Virtual services and real servers: what becomes of the kernel's table, and of the connections in it.

The table's part is not guessed from the document: it is what the reconciler itself would do (:mod:`vedette.ipvs.plan`)
from the table of the old document to that of the new one, with every real server up.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from vedette.edits import fields
from vedette.edits.change import Change, Live, Severity, listed
from vedette.edits.pairs import pairs
from vedette.ipvs.desired import desired, destination_key, service_key
from vedette.ipvs.leaving import leaving, written
from vedette.ipvs.model import (
    Destination,
    DestinationId,
    DestinationKey,
    Method,
    Service,
    ServiceKey,
    Settings,
    Table,
    Tunnel,
)
from vedette.ipvs.plan import HASHING, Action, plan
from vedette.kit.net import endpoint
from vedette.kit.units import show
from vedette.reconcile.plan import Create, Delete, Update
from vedette.spec.resolved import ClusterSpec, Endpoint, RealServer, VirtualService
from vedette.state.health import Health, Verdict
from vedette.state.targets import all_targets

_UP = Verdict(health=Health.UP, since=0, reason="taken for up")
_UNWEIGHTED = frozenset({"rr", "lc", "dh", "lblc", "lblcr"})
"""Schedulers that look at a weight only to see whether it is 0, or do not share by it."""
_WHO, _WHERE, _COUNT = "<who>", "<where>", "<count>"
"""What stands for real servers, entries of the table and open connections, until it is known which share a line."""
_NEEDS = "Their machines need `vedette real-server` first"
_NEW_ONLY = "new connections only: those that are open stay with their server"


def table_of(spec: ClusterSpec, previous: Table | None = None) -> dict[ServiceKey, Service]:
    """The kernel's table for a document, with all real servers up."""
    return desired(spec, dict.fromkeys(all_targets(spec), _UP), previous or {})


def actions(old: ClusterSpec, new: ClusterSpec) -> list[Action]:
    """What the reconciler would do at once."""
    before = table_of(old)
    return plan(table_of(new, before), before, owned=lambda _: True)


@dataclass(slots=True)
class _Side:
    """One document's services and servers by what the kernel knows them by."""

    spec: ClusterSpec
    services: dict[ServiceKey, VirtualService] = field(default_factory=dict)
    servers: dict[DestinationId, RealServer] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for virtual in self.spec.virtual_services:
            for entry in virtual.entries:
                key = service_key(entry)
                self.services[key] = virtual
                for server in virtual.real_servers:
                    self.servers[DestinationId(key, destination_key(entry, server))] = server


@dataclass(slots=True)
class _Group:
    """Lines that are alike: the same change of several entries is told once."""

    keys: list[ServiceKey] = field(default_factory=list)
    destinations: dict[DestinationKey, None] = field(default_factory=dict)
    open: int | None = None


_Line = tuple[Severity, str, str, str]
"""Severity, virtual service, action with a place for who it is, consequence."""


def changes(old: ClusterSpec, new: ClusterSpec, live: Live) -> list[Change]:
    """All that happens to virtual services and their real servers."""
    return [*Tables(old, new, live).changes(), *_behaviour(old, new)]


class Tables:
    """The differences between the two tables, in words."""

    def __init__(self, old: ClusterSpec, new: ClusterSpec, live: Live) -> None:
        self._old, self._new, self._live = _Side(old), _Side(new), live
        self._before = table_of(old)
        self._after = table_of(new, self._before)
        self._draining = leaving(written(old), new, self._before)
        self._lines: dict[_Line, _Group] = {}

    def changes(self) -> list[Change]:
        steps = plan(self._after, self._before, owned=lambda _: True)
        fresh = {step.key for step in steps if isinstance(step, Create) and not isinstance(step.key, DestinationId)}
        for step in steps:
            match step.key:
                case DestinationId() as identity:
                    if identity.service not in fresh:
                        self._destination(step, identity)
                case key:
                    self._service(step, key)
        return [self._tell(line, group) for line, group in self._lines.items()]

    def _tell(self, line: _Line, group: _Group) -> Change:
        severity, name, action, consequence = line
        where = listed(str(key) for key in dict.fromkeys(group.keys))
        text = action.replace(_WHO, _servers(group.destinations)).replace(_WHERE, where)
        count = "open connections" if group.open is None else f"{group.open} open connection{'s' * (group.open != 1)}"
        return Change(severity, f"virtual service {name}", text, consequence.replace(_COUNT, count))

    def _add(
        self, severity: Severity, name: str, action: str, consequence: str, identity: DestinationId | ServiceKey
    ) -> None:
        group = self._lines.setdefault((severity, name, action, consequence), _Group())
        if isinstance(identity, DestinationId):
            group.keys.append(identity.service)
            group.destinations[identity.destination] = None
            self._count(group, identity)
        else:
            group.keys.append(identity)
            for destination in self._before[identity].destinations if identity in self._before else ():
                self._count(group, DestinationId(identity, destination))

    def _count(self, group: _Group, identity: DestinationId) -> None:
        count = self._open(identity)
        group.open = count if group.open is None else group.open + (count or 0)

    # Services

    def _service(self, step: Action, key: ServiceKey) -> None:
        match step:
            case Create():
                if key in self._after:
                    self._appears(key)
            case Delete():
                self._vanishes(key)
            case Update(before=Settings() as before, after=Settings() as after):
                if key in self._before:
                    self._settings(key, before, after)

    def _appears(self, key: ServiceKey) -> None:
        virtual = self._new.services[key]
        count = len(self._after[key].destinations)
        servers = f"{count} real server{'s' * (count != 1)}"
        consequence = f"clients are served as soon as one of {servers} has passed its checks"
        if not virtual.checks:
            consequence = f"clients are served at once: it has {servers} and no checks"
        if count == 0:
            consequence = "clients are refused: it has no real server"
        self._add(Severity.STEER, virtual.name, f"appears: {_WHERE}", consequence, key)

    def _vanishes(self, key: ServiceKey) -> None:
        virtual = self._old.services[key]
        still = any(
            item.address == getattr(key, "address", None) for g in self._new.spec.groups for item in g.addresses
        )
        new = "new ones are refused" if still else "nobody answers new ones"
        consequence = f"its open connections end, {new}"
        if key in self._draining:
            limit = show(drain_of(virtual))
            consequence = f"new ones are refused; its {_COUNT} may finish for {limit}, then they end"
        self._add(Severity.CUT, virtual.name, f"vanishes: {_WHERE}", consequence, key)

    def _settings(self, key: ServiceKey, before: Settings, after: Settings) -> None:
        name = self._new.services[key].name
        for item, old, new in fields.different(before, after):
            match item:
                case "scheduler":
                    text = f"scheduler {new} instead of {old}"
                    hashed = " (a hash places clients: most of them come to another server than before)"
                    consequence = _NEW_ONLY + (hashed if new in HASHING or old in HASHING else "")
                case "persistence":
                    text, consequence = _persistence(old, new)
                case _:
                    text, consequence = f"{_called(item)} becomes {fields.shown(item, new)}", _NEW_ONLY
            self._add(Severity.STEER, name, f"{text} ({_WHERE})", consequence, key)

    # Destinations

    def _destination(self, step: Action, identity: DestinationId) -> None:
        before, after = self._old.servers.get(identity), self._new.servers.get(identity)
        if before is None and after is None:
            self._sorry(step, identity)
        elif after is None:
            self._goes(identity)
        elif before is None or isinstance(step, Create):
            self._comes(identity, after)
        elif isinstance(step, Delete):
            self._rests(identity, after)
        else:
            self._altered(step, identity, after)

    def _goes(self, identity: DestinationId) -> None:
        virtual = self._new.services.get(identity.service) or self._old.services[identity.service]
        drain = drain_of(virtual)
        if drain:
            consequence = f"no new connections; {_COUNT} may finish for {show(drain)}, then they end"
            self._add(Severity.DRAIN, virtual.name, f"real server {_WHO} goes", consequence, identity)
        else:
            self._add(Severity.CUT, virtual.name, f"real server {_WHO} goes", f"{_COUNT} end at once", identity)
        self._last(identity)

    def _comes(self, identity: DestinationId, server: RealServer) -> None:
        virtual = self._new.services[identity.service]
        share = self._share(identity)
        when = "as soon as it has passed its checks" if virtual.checks else "at once: it has no checks"
        action = f"real server {_WHO} comes, weight {server.weight}"
        self._add(Severity.STEER, virtual.name, action, f"gets {share} {when}", identity)

    def _rests(self, identity: DestinationId, server: RealServer) -> None:
        """Maintenance ends like a removal; a weight of 0 lasts."""
        virtual = self._new.services[identity.service]
        maintained = server.maintenance or virtual.maintenance
        drain = drain_of(virtual) if maintained else 0
        limit = f" for {show(drain)}, then they end" if drain else ""
        again = "; clients with persistence still come" if virtual.persistence_timeout else ""
        consequence = f"no new connections; {_COUNT} may finish{limit}{again}"
        why = "maintenance" if maintained else f"weight {server.weight}"
        self._add(Severity.DRAIN, virtual.name, f"real server {_WHO}: {why}", consequence, identity)
        self._last(identity)

    def _altered(self, step: Action, identity: DestinationId, server: RealServer) -> None:
        assert isinstance(step, Update)
        before, after = step.before, step.after
        assert isinstance(before, Destination)
        assert isinstance(after, Destination)
        name = self._new.services[identity.service].name
        if after.weight != before.weight:
            self._weight(identity, server, before.weight, after.weight)
        for item, old, new in fields.different(before, after, besides={"weight"}):
            if item == "method":
                text = f"forwarding of {_WHO} becomes {_word(new)} (was {_word(old)})"
                consequence = _NEW_ONLY if new is Method.MASQUERADE else f"{_NEW_ONLY}. {_NEEDS}"
                self._add(Severity.STEER, name, text, consequence, identity)
            else:
                text = f"{_called(item)} of {_WHO} becomes {_shown(item, new)} (was {_shown(item, old)})"
                consequence = f"{_NEW_ONLY}. {_NEEDS}" if item == "tunnel" else _NEW_ONLY
                self._add(Severity.STEER, name, text, consequence, identity)

    def _weight(self, identity: DestinationId, server: RealServer, old: int, new: int) -> None:
        virtual = self._new.services[identity.service]
        if new == 0:
            self._rests(identity, server)
        elif old == 0:
            action = f"real server {_WHO} is back, weight {new}"
            self._add(Severity.STEER, virtual.name, action, f"gets {self._share(identity)}", identity)
        else:
            scheduler = virtual.scheduler
            consequence = f"gets {self._share(identity)}; open ones stay"
            if scheduler in _UNWEIGHTED:
                consequence = f"none: the scheduler {scheduler} does not share by weight"
            action = f"weight of {_WHO} becomes {new} (was {old})"
            self._add(Severity.STEER, virtual.name, action, consequence, identity)

    def _sorry(self, step: Action, identity: DestinationId) -> None:
        virtual = self._new.services[identity.service]
        match step:
            case Create():
                text = "every new client comes to the sorry server: no real server is left that takes any"
                self._add(Severity.CUT, virtual.name, f"sorry server {_WHO} stands in", text, identity)
            case Delete():
                text = "new clients come to real servers again"
                self._add(Severity.STEER, virtual.name, f"sorry server {_WHO} steps back", text, identity)
            case _:
                self._add(Severity.STEER, virtual.name, f"sorry server {_WHO} changes", _NEW_ONLY, identity)

    def _last(self, identity: DestinationId) -> None:
        """Say it when nobody is left to take new connections."""
        key = identity.service
        had = any(item.weight for item in self._before[key].destinations.values())
        if had and not any(item.weight for item in self._after[key].destinations.values()):
            virtual = self._new.services[key]
            text = "new clients are refused: it has no sorry server"
            self._add(
                Severity.CUT, virtual.name, f"no real server is left that takes new connections ({_WHERE})", text, key
            )

    def _share(self, identity: DestinationId) -> str:
        """How much of the new connections a real server gets."""
        scheduler = self._new.services[identity.service].scheduler
        destinations = self._after[identity.service].destinations
        mine = destinations[identity.destination].weight if identity.destination in destinations else 0
        weights = [item.weight for item in destinations.values() if item.weight]
        if scheduler in _UNWEIGHTED:
            mine, weights = 1, [1] * len(weights)
        if not mine or not weights:
            return "no new connections"
        return f"about {round(100 * mine / sum(weights))} % of new connections"

    def _open(self, identity: DestinationId) -> int | None:
        """How many connections are open, where it is known."""
        virtual = self._old.services.get(identity.service)
        if virtual is None:
            return None
        place = virtual.name, str(identity.destination.address), identity.destination.port
        seen = any(name == virtual.name for name, _, _ in self._live.connections)
        return self._live.connections.get(place, 0 if seen else None)


def _servers(destinations: Iterable[DestinationKey]) -> str:
    """Real servers in words; the ports only once where all have the same."""
    ports: dict[str, list[str]] = {}
    for item in destinations:
        ports.setdefault(str(item.address), []).append(str(item.port))
    kinds = {tuple(found) for found in ports.values()}
    if len(kinds) > 1:
        return listed(destinations)
    many = [f"port{'s' * (len(found) > 1)} {listed(found)}" for found in kinds]
    return f"{listed(ports)} ({many[0]})" if many else ""


def drain_of(virtual: VirtualService) -> int:
    """How long (ns) a server that a person takes out may finish what it has; 0: not at all."""
    return virtual.life.drain


def _called(item: str) -> str:
    """The document's word for a field of the table."""
    words = {"upper": "maxConnections", "lower": "minConnections", "granularity": "clientPrefixLength"}
    return words.get(item, fields.camel(item))


def _persistence(old: object, new: object) -> tuple[str, str]:
    if not old:
        return f"persistence of {new} s", "from their next connection on, clients stay with their server"
    if not new:
        return "no persistence any more", "the next connection of a client may come to another server"
    return f"persistence of {new} s (was {old} s)", "clients that are remembered keep the old time until it is renewed"


def _shown(item: str, value: object) -> str:
    if not isinstance(value, Tunnel):
        return fields.shown(item, value)
    port = f" port {value.port}" if value.port else ""
    checksum = f", checksum {fields.shown('', value.checksum)}" if value.checksum else ""
    return f"{fields.shown('', value.encapsulation)}{port}{checksum}"


def _word(method: object) -> str:
    """The document's word for a way of forwarding."""
    return fields.camel(method.name.lower()) if isinstance(method, Method) else str(method)


# What the table does not show

_TOLD_BY_TABLE = frozenset({
    "endpoints", "real_servers", "scheduler", "scheduler_flags", "forwarding", "persistence_timeout", "maintenance",
    "checks", "mark", "tunnel", "client_prefix_length", "persistence_engine", "one_packet",
})  # fmt: skip


def _behaviour(old: ClusterSpec, new: ClusterSpec) -> Iterator[Change]:
    """What services do from now on when something happens; nothing happens by the edit itself."""
    for former, virtual in pairs(old, new):
        subject = f"virtual service {virtual.name}"
        if former.name != virtual.name:
            text = "the kernel's table does not know names"
            yield Change(Severity.QUIET, subject, f"is called {virtual.name} (was {former.name})", text)
        yield from _marked(subject, former, virtual)
        for text in fields.told(former, virtual, besides=_TOLD_BY_TABLE | {"name"}):
            severity = Severity.STEER if text.startswith(("names ", "checksRequired ")) else Severity.QUIET
            yield Change(severity, subject, text, _MEANINGS.get(text.partition(" ")[0].partition(".")[0], _LATER))


def _marked(subject: str, old: VirtualService, new: VirtualService) -> Iterator[Change]:
    """Endpoints behind a firewall mark: the table has only the mark, and the packets that get it change."""
    if old.mark is None or new.mark is None:
        return
    gone = [item for item in old.endpoints if item not in new.endpoints]
    come = [item for item in new.endpoints if item not in old.endpoints]
    if gone:
        text = "open connections there go on until they end by themselves, new ones are refused"
        yield Change(Severity.CUT, subject, f"vanishes: {listed(map(_place, gone))}", text)
    if come:
        text = "clients there are served by the same real servers"
        yield Change(Severity.STEER, subject, f"appears: {listed(map(_place, come))}", text)


def _place(item: Endpoint) -> str:
    last = "" if item.last_port is None else f"-{item.last_port}"
    return f"{item.protocol.value} {endpoint(item.address, item.port)}{last}"


_LATER = "in force from now on; nothing happens at once"
_MEANINGS: Mapping[str, str] = {
    "checksRequired": "decided anew at once from what the checks have found: real servers may come and go (0: all)",
    "checksOnStandby": "who holds the group checks as before; the others begin, or leave off",
    "onFailure": "the next failed check does this; servers that are down now follow at once",
    "sorry": "shown from now on whenever no real server is up",
    "group": "its addresses decide who serves it",
    "names": "looked up at once: real servers come and go with the answers",
    "life": "for the next real server that comes or goes; a quorum decides at once whether the sorry server stands in",
}
