"""Established connections survive a move (``ipvs.connectionSync``): this node's part of it.

Level-triggered: every look compares the kernel's sync daemons with the document, and what has been learnt with who
holds something. A director that comes up has an empty table; it asks every holder to send what it has, and counts as
ready when that is here, or after :data:`PATIENCE` without. One that holds something sends what is young by itself.
"""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vedette.ipvs.connections import exchange
from vedette.ipvs.connections.dump import LONGEST_LOOK, Dumps, Elsewhere
from vedette.ipvs.connections.model import Daemon, Role, wanted
from vedette.ipvs.connections.plea import Sent
from vedette.ipvs.connections.reconciler import SyncDaemons
from vedette.kit import clock, log
from vedette.kit.errors import VedetteError
from vedette.kit.net import IPAddress, parse
from vedette.kit.units import MILLISECOND, SECOND, seconds, show
from vedette.spec.resolved import ClusterSpec, ConnectionSync, Key
from vedette.spec.resolved import Role as NodeRole
from vedette.state.placement import Liveness, NodeView, View

logger = logging.getLogger("vedette.connections")

TICK = 200 * MILLISECOND
"""Between two looks (ns)."""
DAEMONS = SECOND
"""Between two looks (ns) at the kernel's sync daemons."""
PATIENCE = 30 * SECOND
"""How long (ns) a director waits for the others' connections before it counts as ready without them."""
LONGEST = 120 * SECOND
"""How long (ns) one holder may take to send everything: 60,000 datagrams."""
AGAIN, LATER = SECOND, 10 * SECOND
"""Before a holder that did not answer is asked again (ns): while it is waited for, and afterwards."""
ARRIVAL = SECOND
"""How long (ns) what was sent may take into the kernel's table."""
ENOUGH = 0.95
"""The part of what was sent that must have arrived: some connections end meanwhile."""
APART = SECOND
"""Between two dumps of everything (ns): whoever asks in between is answered by the next."""


EVERYBODY = "everybody"


@dataclass(frozen=True, slots=True)
class Lesson:
    """What a holder sent, how many connections are here since, and when (boottime, ns)."""

    sent: Sent
    here: int
    at: int


@dataclass(frozen=True, slots=True)
class Given:
    """The last dump of this node: for whom, what, and when (boottime, ns)."""

    to: str
    sent: Sent
    at: int


class Connections:
    """``running`` gives the document that this node runs; ``programmed`` tells whether the table of services is as it
    should be: connections are bound to what is in it. ``changed`` is called when :attr:`ready` is another."""

    def __init__(
        self,
        *,
        node: str,
        run_dir: Path,
        running: Callable[[], ClusterSpec | None],
        view: Callable[[], View | None],
        programmed: Callable[[], bool],
        changed: Callable[[], None],
        daemons: SyncDaemons | None = None,
        dumps: Dumps | None = None,
        now: Callable[[], int] = clock.boottime,
    ) -> None:
        self._node, self._running, self._view = node, running, view
        self._programmed, self._changed, self._now = programmed, changed, now
        self._daemons = daemons or SyncDaemons(run_dir)
        self._dumps = dumps or Dumps()
        self._server = exchange.Server(self._who, self._give_to)
        self._deaf: dict[IPAddress, str] = {}
        self._ready = self._left_alone = False
        self._begun = 0
        self._lessons: dict[str, Lesson] = {}
        self._asking: dict[str, asyncio.Task[None]] = {}
        self._ask_at: dict[str, int] = {}
        self._given: Given | None = None
        self._giving = asyncio.Lock()
        self._looked = 0
        self._young_due = 0

    @property
    def ready(self) -> bool:
        """Whether this node knows the others' connections, or need not, or has waited long enough for them."""
        return self._ready

    def leave_alone(self, on: bool) -> None:
        """While ``on``, as in maintenance: touch nothing of the kernel's."""
        self._left_alone = on

    def forget(self) -> None:
        """Look at everything again, now: the document is another."""
        self._looked = 0

    async def run(self) -> None:
        """Look until cancelled. The kernel's daemons go on."""
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._keep())
                tasks.create_task(self._tell_young())
        finally:
            self.close()

    def close(self) -> None:
        for task in self._asking.values():
            task.cancel()
        self._server.close()
        self._daemons.close()
        self._dumps.close()

    async def _keep(self) -> None:
        while True:
            await self.look()
            await asyncio.sleep(seconds(TICK))

    async def look(self) -> None:
        """One pass over everything but young connections."""
        spec = self._running()
        if spec is None:
            return
        now = self._now()
        if now - self._looked >= DAEMONS:
            self._looked = now
            self._daemons.look(wanted(spec.connection_sync, spec.node(self._node)), touch=not self._left_alone)
            await self._listen(spec)
        if self._daemons.returned:
            self._daemons.returned = False
            self._tell_all()
        if spec.connection_sync is not None:
            self._learn(spec, spec.connection_sync)
        self._decide(spec)

    # what is asked of this node

    async def _listen(self, spec: ClusterSpec) -> None:
        sync = spec.connection_sync
        addresses = spec.addresses_of(self._node) if sync is not None else ()
        self._deaf = await self._server.listen(addresses, sync.port if sync is not None else 0)

    def _who(self) -> tuple[str, tuple[Key, ...]] | None:
        spec = self._running()
        return (spec.name, spec.keys) if spec is not None and spec.connection_sync is not None else None

    def _tell_all(self) -> None:
        """Our wire was cut, so the others may have missed what is here; they cannot know, and do not ask."""
        view = self._view()
        if view is not None and _holds(view) and EVERYBODY not in self._asking:
            self._asking[EVERYBODY] = asyncio.create_task(self._give_all())

    async def _give_all(self) -> None:
        try:
            await self._give(EVERYBODY)
        finally:
            self._asking.pop(EVERYBODY, None)

    async def _give_to(self, address: str) -> Sent:
        return await self._give(self._name_of(address))

    async def _give(self, to: str) -> Sent:
        """Send all connections. Whoever asks while that is under way gets a dump of their own behind it."""
        async with self._giving:
            if self._given is not None:
                await asyncio.sleep(seconds(max(0, self._given.at + APART - self._now())))
            sent = Sent(0, 0, 0)
            if (daemon := self._master()) is not None:
                try:
                    sent = await self._dumps.everything(daemon, self._elsewhere())
                except (OSError, VedetteError) as error:
                    log.event(logger, logging.ERROR, "connections.not_sent", to=to, reason=str(error))
            self._given = Given(to, sent, self._now())
        fields = {"connections": sent.connections, "datagrams": sent.datagrams, "milliseconds": sent.took}
        log.event(logger, logging.INFO, "connections.sent", to=to, **fields)
        return sent

    def _name_of(self, address: str) -> str:
        spec = self._running()
        nodes = spec.nodes if spec is not None else ()
        return next(
            (it.name for it in nodes if spec is not None and parse(address) in spec.addresses_of(it.name)), address
        )

    def _master(self) -> Daemon | None:
        return next((daemon for daemon in self._daemons.running if daemon.role is Role.MASTER), None)

    def _elsewhere(self) -> Elsewhere:
        """What other nodes hold: their word about it is newer than what is here."""
        spec, view = self._running(), self._view()
        if spec is None or view is None:
            return Elsewhere()
        theirs = {lease.group for lease in view.leases if not lease.mine and lease.holder is not None}
        services = [service for service in spec.virtual_services if service.group in theirs]
        return Elsewhere(
            addresses=frozenset(
                address.address.packed for group in spec.groups if group.name in theirs for address in group.addresses
            ),
            marks=frozenset(service.mark.number for service in services if service.mark is not None),
        )

    # what this node asks

    def _learn(self, spec: ClusterSpec, sync: ConnectionSync) -> None:
        """Ask every holder that has not answered since our backup daemon was started."""
        view = self._view()
        listening = any(daemon.role is Role.BACKUP for daemon in self._daemons.running)
        if self._daemons.learnt or view is None or not listening or not self._programmed():
            return
        now = self._now()
        if not self._begun:
            self._begun, self._lessons = now, {}
        if not _settled(view, spec, self._node) and now - self._begun < spec.heartbeat.dead_after:
            return
        missing = [node.name for node in _holders(view, spec, self._node) if node.name not in self._lessons]
        for name in missing:
            if name not in self._asking and now >= self._ask_at.get(name, 0):
                self._asking[name] = asyncio.create_task(self._ask(spec, sync, name))
        if not missing:
            self._daemons.learn()
            self._begun = 0

    async def _ask(self, spec: ClusterSpec, sync: ConnectionSync, name: str) -> None:
        """Ask one holder, and look what has come of it. It may take longer than this node waits before it is ready."""
        try:
            lesson = await self._lesson(spec, sync, name)
        finally:
            waiting = self._now() - self._begun < PATIENCE
            self._ask_at[name] = self._now() + (AGAIN if waiting else LATER)
            self._asking.pop(name, None)
        if lesson is None:
            log.event(logger, logging.WARNING, "connections.no_answer", node=name)
            return
        enough = lesson.here >= lesson.sent.connections * ENOUGH
        if enough or not waiting:
            self._lessons[name] = lesson
        fields = {"node": name, "sent": lesson.sent.connections, "here": lesson.here, "milliseconds": lesson.sent.took}
        log.event(logger, logging.INFO if enough else logging.WARNING, "connections.learnt", **fields)

    async def _lesson(self, spec: ClusterSpec, sync: ConnectionSync, name: str) -> Lesson | None:
        view = self._view()
        signs = view.keys.signs if view is not None else ""
        key = next((key for key in spec.keys if key.id == signs), spec.keys[0])
        for address in spec.addresses_of(name):
            sent = await exchange.ask(address, sync.port, cluster=spec.name, key=key, patience=seconds(LONGEST))
            if sent is not None:
                return Lesson(sent, await self._arrived(sent.connections), self._now())
        return None

    async def _arrived(self, number: int) -> int:
        """How many connections are here, once there are so many or after :data:`ARRIVAL`."""
        deadline = self._now() + ARRIVAL
        while True:
            try:
                here = await self._dumps.count()
            except (OSError, VedetteError):
                return 0
            if here >= number or self._now() > deadline:
                return here
            await asyncio.sleep(0.05)

    def _decide(self, spec: ClusterSpec) -> None:
        waited = self._begun and self._now() - self._begun >= PATIENCE
        view = self._view()
        needless = spec.connection_sync is None or (view is not None and _holds(view))
        lame = bool(self._daemons.problem)  # said in the status; the addresses are worth more than connections
        ready = needless or self._daemons.learnt or lame or bool(waited)
        if ready and not self._ready and waited and not self._daemons.learnt:
            log.event(logger, logging.ERROR, "connections.not_learnt", waited=show(PATIENCE))
        if ready != self._ready:
            self._ready = ready
            self._changed()

    # what is young

    async def _tell_young(self) -> None:
        """All the time: what others hold is passed over, and who takes a group knows at once what is new in it."""
        while True:
            wait = TICK
            daemon, view = self._master(), self._view()
            if daemon is not None and view is not None and _company(view, self._node):
                try:
                    wait = await self._dumps.young(daemon, self._elsewhere())
                except (OSError, VedetteError) as error:
                    log.event(logger, logging.DEBUG, "connections.young_not_sent", reason=str(error))
                    wait = SECOND
                if wait > LONGEST_LOOK:
                    self._dumps.forget_young()
                    wait = 10 * wait
            else:
                self._dumps.forget_young()
            await asyncio.sleep(seconds(wait))

    # status

    def problems(self) -> list[tuple[str, str]]:
        """What keeps connections from being known here or elsewhere: (scope, what is wrong and what to do)."""
        scope, found = "connection sync", list[str]()
        spec = self._running()
        if self._daemons.problem:
            found.append(self._daemons.problem)
        if spec is None or spec.connection_sync is None:
            return [(scope, message) for message in found]
        port = spec.connection_sync.port
        found += [
            f"cannot be asked for connections at {address}, TCP {port}: {why}" for address, why in self._deaf.items()
        ]
        if self._begun and self._now() - self._begun >= PATIENCE:
            found.append(
                "the others' connections have not been learnt, this node goes on without: is TCP and UDP port "
                f"{port} open between the directors, and does multicast pass?"
            )
        found += [
            f"{name} sent {lesson.sent.connections} connections, and {lesson.here} arrived: does multicast pass?"
            for name, lesson in sorted(self._lessons.items())
            if lesson.here < lesson.sent.connections * ENOUGH
        ]
        return [(scope, message) for message in found]

    def status(self, show_instant: Callable[[int], str | None]) -> dict[str, Any] | None:
        """What ``vedette status`` shows, None without ``connectionSync``."""
        spec = self._running()
        if spec is None or spec.connection_sync is None or spec.node(self._node).role is not NodeRole.DIRECTOR:
            return None
        given = self._given
        return {
            "daemons": [
                {
                    "role": daemon.role.name.lower(),
                    "interface": daemon.interface,
                    "group": str(daemon.group),
                    "port": daemon.port,
                    "id": daemon.id,
                }
                for daemon in self._daemons.running
            ],
            "learnt": self._daemons.learnt,
            "learntFrom": [
                {"node": name, "here": lesson.here, "at": show_instant(lesson.at)} | _sent(lesson.sent)
                for name, lesson in sorted(self._lessons.items())
            ],
            "lastDump": None if given is None else {"to": given.to, "at": show_instant(given.at)} | _sent(given.sent),
            "youngSent": self._dumps.sent_young,
        }


def _sent(sent: Sent) -> dict[str, int]:
    return {"connections": sent.connections, "datagrams": sent.datagrams, "milliseconds": sent.took}


def _directors(view: View, spec: ClusterSpec, me: str) -> list[NodeView]:
    names = {node.name for node in spec.nodes if node.role is NodeRole.DIRECTOR and node.name != me}
    return [node for node in view.nodes if node.name in names]


def _holders(view: View, spec: ClusterSpec, me: str) -> list[NodeView]:
    """Who lives and holds something: who has connections that are not here."""
    return [node for node in _directors(view, spec, me) if node.holds and node.liveness in (Liveness.UP, Liveness.LATE)]


def _settled(view: View, spec: ClusterSpec, me: str) -> bool:
    """Whether it is known of every other director if it lives."""
    return all(node.liveness is not Liveness.UNKNOWN for node in _directors(view, spec, me))


def _holds(view: View) -> bool:
    return any(lease.mine for lease in view.leases)


def _company(view: View, me: str) -> bool:
    """Whether somebody is there to hear."""
    return any(node.name != me and node.liveness in (Liveness.UP, Liveness.LATE) for node in view.nodes)
