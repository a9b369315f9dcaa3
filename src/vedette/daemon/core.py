"""The shell around the cluster core: performs each ``Ready`` in the order that cluster.md rule 2 demands.

Persist, release, observe the release, send, hold. The core decides; nothing here does. One event is handled to its
end before the next one starts, also where performing one event causes another.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from random import SystemRandom

from vedette.addresses.addresses import Addresses
from vedette.cluster import charter, config, events
from vedette.cluster.machine import Machine
from vedette.cluster.transport import Links
from vedette.daemon.durable import DurableState
from vedette.kit import clock, files, log
from vedette.kit.net import IPAddress
from vedette.kit.units import SECOND, about, seconds
from vedette.spec.resolved import ClusterSpec, Link
from vedette.state.placement import View

logger = logging.getLogger("vedette.core")

LAME_DUCK = SECOND
"""How long (ns) packets of neighbours that have not heard yet are passed on after a planned release."""


class Core:
    """One cluster core with its links, files and addresses. ``changed`` is called when the view may be another.

    ``fence`` is told whom the core wants off, the complete set each time; ``holding`` is called just before the kernel
    is told to hold something. ``failed`` is called when the core, or performing what it said, has raised: it is worth
    no more from then on than one that was killed, and does nothing any more.
    """

    def __init__(
        self,
        *,
        spec: ClusterSpec,
        revision: int,
        node: str,
        run_dir: Path,
        state_dir: Path,
        addresses: Addresses,
        changed: Callable[[], None],
        fence: Callable[[tuple[events.FenceRequest, ...]], None],
        holding: Callable[[], None] = lambda: None,
        failed: Callable[[Exception], None] = lambda _: None,
    ) -> None:
        self._fence, self._failed = fence, failed
        self._fencing: tuple[events.FenceRequest, ...] = ()
        self._volatile = run_dir / "core.state"
        self._durable = DurableState(state_dir / "core.state")
        self._addresses, self._changed, self._holding = addresses, changed, holding
        self._punctual = spec.heartbeat.warn_after
        self._due = self._late = 0
        self._pending: deque[events.Event] = deque()
        self._busy = self._closed = False
        self._news: list[events.CoreEvent] = []
        self._timer: asyncio.TimerHandle | None = None
        self._begun = False
        self._parting: frozenset[str] = frozenset()
        self._owed: bytes | None = None
        self._deadlines: dict[str, int] = {}
        self.stopped = asyncio.Event()
        self.trouble: str | None = None
        self._node = node
        self._written, self._interfaces = spec.heartbeat.links, spec.node(node).interfaces
        self._used: tuple[Link, ...] = self._written
        self.links = Links(self._used, me=node, interfaces=self._interfaces, receive=self._received)
        self._machine = Machine(
            config=config.from_spec(spec, revision=revision),
            me=node,
            keys=spec.keys,
            boot_id=clock.boot_id(),
            durable=files.read(state_dir / "core.state"),
            volatile=files.read(self._volatile),
            held=addresses.held(),
            now=clock.boottime(),
            random=SystemRandom(),
            calendar=clock.calendar(),
        )

    async def start(self) -> None:
        await self.links.open()
        self._perform(self._machine.start(clock.boottime()))
        self._begun = True
        self._tell()

    async def close(self) -> None:
        """End for good. What is heard from now on counts no more."""
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
        self.links.close()
        await self._durable.finish()

    def handle(self, event: events.Event) -> None:
        """Feed one event to the core and do what it says; events that come meanwhile wait their turn."""
        if self._closed:
            return  # the files belong to the next daemon now: a word of this one would undo what that one promised
        self._pending.append(event)
        if not self._busy:
            self._drain()

    def _drain(self, ready: events.Ready | None = None) -> None:
        """Do what the core has said, then what it says to the events that are left."""
        self._busy = True
        self._late = clock.boottime() - self._due
        try:
            if ready is not None:
                self._perform(ready)
            while self._pending:
                self._perform(self._machine.handle(self._pending.popleft(), clock.boottime()))
        except Exception as error:
            self._fail(error)
        finally:
            self._busy = False
            self._tell()

    def _fail(self, error: Exception) -> None:
        """Go no further with a state that is not known any more: files and kernel are as before the last event."""
        self._closed = True
        self._pending.clear()
        if self._timer is not None:
            self._timer.cancel()
        self._failed(error)

    def reconfigure(self, spec: ClusterSpec, *, revision: int) -> None:
        """Run another document; other voters, another policy and timings when the voters have agreed on them."""
        self._punctual = spec.heartbeat.warn_after
        self.handle(events.SpecRunning(revision=revision, digest=spec.digest))  # first: who proposes compares it
        self.handle(
            events.Reconfigure(
                groups=config.groups_of(spec),
                nodes=config.nodes_of(spec),
                timings=config.timings_of(spec),
                voters=spec.voters,
                rule=charter.Rule(spec.policy, spec.assume_watchdog),
            )
        )
        self._written, self._interfaces = spec.heartbeat.links, spec.node(self._node).interfaces
        self._use_links()
        self.handle(events.Rekey(keys=spec.keys))

    def _use_links(self) -> None:
        """Use the document's links; who is not in it any more is told things where it was until it has parted.

        One that comes to be alone may have no links in its document, and has to agree with the others first.
        """
        parting = self._machine.parting
        former = {link.name: link.addresses for link in self._used}
        links = self._written or (self._used if parting else ())
        self._used = tuple(
            replace(link, addresses={**link.addresses, **_of(parting, former.get(link.name, {}))}) for link in links
        )
        self._parting = parting
        self.links.change(self._used, interfaces=self._interfaces)

    def refused(self) -> Mapping[str, int]:
        """Datagrams that did not count, by reason."""
        return self._machine.refused

    def link_status(self) -> list[dict[str, object]]:
        """What each link has carried, and why one does not work."""
        refused = self._machine.refused_on
        return [
            {
                "name": link.name,
                "kind": link.kind,
                "open": link.open,
                "opened": link.opened,
                "problem": link.problem,
                "sent": link.sent,
                "received": link.received,
                "refused": refused.get(link.name, 0),
                "sendErrors": link.send_errors,
                "receiveErrors": link.receive_errors,
            }
            for link in self.links.statistics()
        ]

    def view(self) -> View:
        return self._machine.view(clock.boottime())

    def late(self) -> str:
        """Why this core is not on time, "" while it is: it woke up when it wanted to, and can write its state.

        Later than warnAfter is late: the others say so, too.
        """
        lateness = max(self._late, clock.boottime() - self._due) if self._due else 0
        if lateness > self._punctual:
            return f"the core woke up {about(lateness)} late"
        return self.trouble or ""

    def holds(self) -> bool:
        """Whether anything is held here: by a lease, or still by the kernel."""
        view = self.view()
        return any(lease.mine for lease in view.leases) or any(
            node.holds for node in view.nodes if node.name == view.me
        )

    def left_behind(self) -> list[str]:
        """The groups that the kernel has, as far as it was seen, and no lease allows."""
        view = self.view()
        mine = {lease.group for lease in view.leases if lease.mine}
        return sorted({group for node in view.nodes if node.name == view.me for group in node.holds} - mine)

    def _tell(self) -> None:
        """Log what has happened: after it was done, since others wait for what is done and nobody for a line."""
        if self._parting != self._machine.parting:
            self._use_links()
        news, self._news = self._news, []
        for event in news:
            _log(event)

    def _received(self, link: str, data: bytes) -> None:
        """Feed a datagram to the core. Those that came together and change nothing share one look at the clock."""
        if self._closed:
            return
        if self._busy or self._pending:
            self.handle(events.Datagram(link=link, data=data))
            return
        try:
            ready = self._machine.handle(events.Datagram(link=link, data=data), self.links.read_at)
        except Exception as error:
            self._fail(error)
            return
        if not ready.unchanged:
            self._drain(ready)
            self.links.read_at = clock.boottime()

    def _perform(self, ready: events.Ready) -> None:
        if ready.unchanged:
            return  # what the last one said still stands, its wake-up too
        remembered = self._persist(ready)
        for group in ready.release:
            self._deadlines.pop(group, None)
            self._addresses.release(group, lame_duck=LAME_DUCK)
        self._addresses.flush()
        if remembered:
            self._shorten(ready.hold)
            for outgoing in ready.send:
                self.links.send(outgoing.data, to=outgoing.to)
            if ready.hold:
                self._holding()
            for group, deadline in ready.hold.items():
                self._addresses.hold(group, deadline)
            self._deadlines = dict(ready.hold)
            self._addresses.flush()
        self._ask_to_fence(ready.fence, remembered=remembered)
        self._news += ready.events
        if ready.events or ready.release:
            self._changed()
        if ready.stopped:
            self.stopped.set()
        self._wake_at(ready.wake_at if remembered else clock.boottime() + SECOND // 10)

    def _shorten(self, hold: Mapping[str, int]) -> None:
        """What had no end and gets one: the kernel must know it before the voters do who may count on it."""
        for group, deadline in hold.items():
            if deadline < self._deadlines.get(group, 0):
                self._addresses.hold(group, deadline)

    def _ask_to_fence(self, wanted: tuple[events.FenceRequest, ...], *, remembered: bool) -> None:
        """Have shot who is wanted off. While nothing can be remembered nobody new is, but who is spared is spared."""
        self._fencing = wanted if remembered else tuple(item for item in wanted if item in self._fencing)
        self._fence(self._fencing)

    def _persist(self, ready: events.Ready) -> bool:
        """Write the state first. What cannot be remembered is not said and not held; what is let go is let go.

        Leases that run are not extended meanwhile, and the kernel ends them on time. The disk is waited for at a start,
        when a new incarnation must not be forgotten, and when voters decide who votes. What else changes is operators'
        wishes, which are advice: a hand-over that one of them asks for must not wait for three disks.
        """
        self._owed = ready.volatile if ready.volatile is not None else self._owed
        try:
            if ready.durable is not None:
                self._durable.take(ready.durable, now=ready.binding or not self._begun)
            self._durable.settle()
            if self._owed is not None:
                files.replace(self._volatile, self._owed)
                self._owed = None
        except OSError as error:
            if self.trouble is None:
                log.event(logger, logging.ERROR, "state.not_written", file=error.filename, reason=error.strerror)
            self.trouble = f"its state cannot be written ({error.strerror}): nothing can be taken or kept"
            return False
        self.trouble = None
        return True

    def _wake_at(self, instant: int) -> None:
        """Have the core look again at ``instant``; the timer is only a prompt, every deadline is compared inside."""
        if self._timer is not None:
            self._timer.cancel()
        self._due = instant
        delay = max(0, instant - clock.boottime())
        self._timer = asyncio.get_running_loop().call_later(seconds(delay), self.handle, events.Tick())


def _of(names: frozenset[str], addresses: Mapping[str, IPAddress]) -> dict[str, IPAddress]:
    return {name: address for name, address in addresses.items() if name in names}


_WARNINGS = frozenset(
    {
        events.What.STATE_LOST,
        events.What.NODE_LATE,
        events.What.NODE_DEAD,
        events.What.QUORUM_LOST,
        events.What.DATAGRAM_REFUSED,
        events.What.CONFIG_DIFFERS,
        events.What.CONFIG_CHANGED,
    }
)


def _log(event: events.CoreEvent) -> None:
    fields = {"node": event.node, "group": event.group, "reason": event.reason.value, "detail": event.detail}
    level = logging.WARNING if event.what in _WARNINGS else logging.INFO
    log.event(logger, level, event.what.value, **{name: value for name, value in fields.items() if value})
