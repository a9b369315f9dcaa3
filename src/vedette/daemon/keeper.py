"""The keeper: the process that keeps the promises, and supervises the one that does everything else.

Cluster core, links, addresses and gate live here, alone, so that nothing can make a heartbeat late. It never parses
YAML: the director process sends it the cluster's part of the document, and the part that ran last is kept for
the next start, which can then adopt its leases before the document has been read.
"""

import asyncio
import contextlib
import logging
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

from vedette.addresses import model as addressing
from vedette.addresses.addresses import Addresses
from vedette.cluster import charter, config, events
from vedette.daemon import commands, folders, outlook, running, urgency
from vedette.daemon.core import Core
from vedette.daemon.fencing import Fencing
from vedette.daemon.fitness import Fitness
from vedette.daemon.succession import Succession
from vedette.kit import log, notify, plain, privileges
from vedette.kit.channel import Channel
from vedette.kit.child import Child
from vedette.kit.errors import PermanentError, TransientError, VedetteError
from vedette.kit.units import SECOND, seconds
from vedette.spec.resolved import ClusterSpec, Role
from vedette.watchdog.client import Watchdog

logger = logging.getLogger("vedette.keeper")

STOPPING = 8 * SECOND
"""How long (ns) handing over may take at a stop; after that the leases simply end."""
REPORT = SECOND // 2
"""How often (ns) the director hears that the keeper is alive, changes aside."""
REPLIED = SECOND // 10
"""Time (ns) for the answer to the one who asked for a restart, before this process makes way."""
FAILED = 3
"""Exit code (docs/exit-codes.md) after a failure of the core that no code expects."""
PAUSE = SECOND // 10
"""From a change to its report (ns): the director's work on it must not get into the way of a group that moves."""


class Keeper:
    """``leave`` is called when a successor may start: what this process held is let go as it is."""

    def __init__(
        self, *, spec: Path, node: str, run_dir: Path, state_dir: Path, log_level: str, leave: Callable[[], None]
    ) -> None:
        self._leave = leave
        self._succession = Succession()
        self._node, self._run_dir, self._state_dir = node, run_dir, state_dir
        self._addresses = Addresses(run_dir=run_dir, report=self._address_reported)
        self._core: Core | None = None
        self._spec: ClusterSpec | None = None
        self._fitness = Fitness(node, fit=self._addresses.fit, tell=self._tell)
        self._stop = asyncio.Event()
        self._report_soon = asyncio.Event()
        self._fencing = Fencing(run_dir=run_dir, state_dir=state_dir, result=self._tell, changed=self._report_soon.set)
        self._watchdog = Watchdog(
            run_dir=run_dir,
            holds=lambda: self._core is not None and self._core.holds(),
            late=self._late,
            armed=self._watchdog_armed,
            changed=self._report_soon.set,
        )
        self._director = Child(
            module="vedette.daemon.director",
            name="director",
            arguments=(str(spec), node, str(run_dir), str(state_dir), log_level),
            receive=self._from_director,
            started=self._director_started,
            died=self._director_died,
        )

    async def run(self) -> None:
        """Keep the node's promises until SIGTERM or SIGINT, then hand over and leave; SIGUSR2 restarts in place."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._asked_to_stop)
        loop.add_signal_handler(signal.SIGUSR2, self._restart_by_signal)
        loop.add_signal_handler(signal.SIGHUP, lambda: None)  # the director looks at the document by itself
        await self._addresses.start()
        await self._resume()
        async with asyncio.TaskGroup() as tasks:
            helpers = [tasks.create_task(it) for it in (self._director.run(), self._fencing.run(), self._report())]
            await self._stop.wait()
            await (self._make_way() if self._succession.successor is not None else self._hand_over())
            await self._addresses.stop()
            self._leave()
            for helper in helpers:
                helper.cancel()

    # the document

    async def _resume(self) -> None:
        """Start with what ran last in this boot, so that leases which still last are kept without a gap."""
        kept = running.recall(self._run_dir)
        if kept is not None and any(node.name == self._node for node in kept[0].nodes):
            await self._begin(*kept)

    async def _begin(self, spec: ClusterSpec, revision: int) -> None:
        self._spec = spec
        self._configure(spec)
        self._core = Core(
            spec=spec,
            revision=revision,
            node=self._node,
            run_dir=self._run_dir,
            state_dir=self._state_dir,
            addresses=self._addresses,
            changed=self._changed,
            fence=self._fencing.want,
            holding=self._watchdog.hold,
            failed=self._end_at_once,
        )
        await self._core.start()
        self._tell(events.Ethernet(self._addresses.macs))
        self._watchdog.configure(spec.watchdog)
        self._fitness.say()
        running.remember(self._run_dir, spec, revision)
        urgency.settle()
        log.event(logger, logging.INFO, "keeper.started", node=self._node, revision=revision, digest=spec.digest)
        notify.notify(notify.READY, notify.status(f"revision {revision}"))

    def _changed(self) -> None:
        """What the core sees may be different: whether this node is to be left alone among it."""
        self._addresses.leave_alone(self._left_alone())
        self._attend()
        self._report_soon.set()

    def _attend(self) -> None:
        """Let the addresses know who holds which, so that a node's answers are not taken for a stranger's."""
        if self._core is not None:
            self._addresses.attend(outlook.of_the_cluster(self._core.view()))

    def _left_alone(self) -> bool:
        assert self._spec is not None
        written = self._spec.node(self._node).maintenance
        return written or (self._core is not None and self._core.view().left_alone)

    def _configure(self, spec: ClusterSpec) -> None:
        node = spec.node(self._node)
        self._addresses.leave_alone(self._left_alone())
        self._addresses.configure(spec.groups, node, director=node.role is Role.DIRECTOR)
        self._fencing.configure(spec, me=self._node)
        self._fitness.configure(spec)

    async def _take_spec(self, message: dict[str, Any]) -> str | None:
        """Run the cluster's part of a new document; returns why not, or None."""
        spec, revision = plain.load(ClusterSpec, message["spec"]), int(message["revision"])
        if self._core is None or self._spec is None:
            await self._begin(spec, revision)
            return None
        self._core.handle(events.Listed(True))
        differences = charter.refused(config.from_spec(self._spec), config.from_spec(spec))
        if differences:
            return f"{'; '.join(differences)}: {_FIXED}"
        self._spec = spec
        self._configure(spec)
        self._core.reconfigure(spec, revision=revision)
        self._attend()
        self._watchdog.configure(spec.watchdog)
        self._fitness.say_readiness()
        running.remember(self._run_dir, spec, revision)
        return None

    # the director

    def _director_started(self, channel: Channel) -> None:
        self._report_soon.set()

    def _director_died(self, reason: str) -> None:
        self._fitness.services(False)

    def _from_director(self, message: dict[str, Any]) -> None:
        if "services" in message:
            self._fitness.services(bool(message["services"]), stalled=int(message["stalled"]))
        elif "missing" in message:
            self._fitness.ping_nodes(int(message["missing"]))
        elif "listed" in message:
            self._tell(events.Listed(bool(message["listed"])))
        elif "request" in message:
            self._tasks_reply(message)

    def _tasks_reply(self, message: dict[str, Any]) -> None:
        task = asyncio.ensure_future(self._reply(message))
        task.add_done_callback(lambda done: done.cancelled() or done.result())

    async def _reply(self, message: dict[str, Any]) -> None:
        answer: dict[str, Any] = {"reply": message["request"]}
        try:
            if "spec" in message:
                refusal = await self._take_spec(message)
                answer |= {"error": refusal} if refusal else {"leftAlone": self._left_alone()}
            else:
                answer |= await self._command(message["command"])
        except VedetteError as error:
            answer |= {"error": str(error), "unable": isinstance(error, TransientError)}
        except Exception as error:
            logger.exception("request.failed")
            answer |= {"error": f"this request made the daemon fail ({type(error).__name__}): its log has where"}
        self._director.send(answer)

    async def _command(self, command: dict[str, Any]) -> dict[str, Any]:
        if command["verb"] == "restart":
            return {
                "done": f"process {await self._restart()} takes over; leases, addresses and tables stay as they are"
            }
        if self._core is None or self._spec is None:
            raise PermanentError("no document is applied yet")
        return await commands.carry_out(command, core=self._core, spec=self._spec, fencing=self._fencing)

    async def _report(self) -> None:
        """Tell the director what is, at each change and at a steady pace: silence means that the keeper is stuck."""
        interval = notify.watchdog_interval()
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(seconds(REPORT)):
                    await self._report_soon.wait()
            await asyncio.sleep(seconds(PAUSE))
            self._report_soon.clear()
            if self._core is not None:
                self._fencing.look(self._core.view())
                self._fencing.tell()
                self._addresses.leave_alone(self._left_alone())  # an order may have ended with its time
                self._attend()  # others take and let go without a word here
            self._director.send(
                outlook.report(
                    core=self._core,
                    addresses=self._addresses,
                    fencing=self._fencing,
                    watchdog=self._watchdog,
                    director=self._director,
                    left_alone=self._core is not None and self._left_alone(),
                    gate_trouble=self._fitness.gate_trouble,
                )
            )
            if interval:
                notify.notify(notify.WATCHDOG)

    def _tell(self, event: events.Event) -> None:
        """Hand an event to the core, where there is one already."""
        if self._core is not None:
            self._core.handle(event)

    # the addresses

    def _address_reported(self, event: addressing.AddressEvent) -> None:
        match event:
            case addressing.Emptied(group):
                self._tell(events.Emptied(group=group))
            case addressing.Ethernet(macs):
                self._tell(events.Ethernet(macs))
            case addressing.Repaired(address):
                log.event(logger, logging.WARNING, "address.repaired", address=address)
            case addressing.Conflict(address, mac):
                log.event(logger, logging.ERROR, "address.conflict", address=address, mac=mac)
            case addressing.Occupied(address, mac):
                log.event(logger, logging.ERROR, "address.occupied", address=address, mac=mac)
            case addressing.Vacant(address):
                log.event(logger, logging.WARNING, "address.vacant", address=address)
            case addressing.GateFailed(reason):
                log.event(logger, logging.ERROR, "gate.failed", reason=reason)
                self._fitness.gate(reason)
            case addressing.GateWorks():
                self._fitness.gate(None)
            case addressing.CarrierChanged(group, up):
                log.event(logger, logging.WARNING, "carrier.changed", group=group, up=up)
                self._fitness.carrier_changed(up=up)
            case addressing.AbilityChanged(group, reason):
                level, name = (logging.ERROR, "group.unable") if reason else (logging.INFO, "group.able")
                log.event(logger, level, name, group=group, reason=reason)
                self._fitness.say_readiness()
        self._report_soon.set()

    # the watchdog

    def _late(self) -> str:
        """Why this machine had better be reset, unless this passes: "" while the core keeps its promises.

        A group without a lease does no harm behind a gate that works; where it does not, only a reset takes it away.
        """
        if self._core is None:
            return "no cluster core runs"
        left = self._core.left_behind() if self._fitness.gate_trouble else []
        return self._core.late() or (f"the kernel does not let go of {', '.join(left)}" if left else "")

    def _watchdog_armed(self, timeout: int | None) -> None:
        self._tell(events.WatchdogArmed(timeout))

    # the end

    def _end_at_once(self, error: Exception) -> None:
        """A core that has failed must not go on, and a clean end would take longer than its leases last.

        This is what a daemon that is killed leaves: the kernel ends the leases on time, unless the next one, which
        systemd starts at once, adopts them from the files before that. Helpers end with their parent.
        """
        self._succession.dismiss()
        logger.critical("core.failed", exc_info=error)
        logging.shutdown()
        os._exit(FAILED)

    async def _restart(self) -> int:
        """Prepare a successor and make way for it in a moment; returns its process number.

        Raises :class:`UsageError` while one is being prepared, :class:`PermanentError` when it does not get ready.
        """
        pid = await self._succession.prepare()
        log.event(logger, logging.INFO, "keeper.succeeded", node=self._node, pid=pid)
        asyncio.get_running_loop().call_later(seconds(REPLIED), self._leave_to_successor)
        return pid

    def _leave_to_successor(self) -> None:
        """Make way, unless it has died since it was ready: this process goes on then."""
        if self._succession.lives():
            self._stop.set()
        else:
            log.event(logger, logging.ERROR, "keeper.not_succeeded", reason="the new process has ended")

    def _asked_to_stop(self) -> None:
        """Leave for good: a successor that is still waiting is not wanted any more."""
        self._succession.dismiss()
        self._stop.set()

    def _restart_by_signal(self) -> None:
        async def restart() -> None:
            try:
                await self._restart()
            except VedetteError as error:
                log.event(logger, logging.ERROR, "keeper.not_succeeded", reason=str(error))

        self._restarting = asyncio.ensure_future(restart())

    async def _make_way(self) -> None:
        """Leave everything to the successor: it adopts what the kernel holds before the leases end."""
        assert self._succession.successor is not None
        self._watchdog.make_way()
        notify.notify(f"MAINPID={self._succession.successor.pid}")
        if self._core is not None:
            self._core.handle(events.Stop(in_place=True))
            await self._core.close()

    async def _hand_over(self) -> None:
        notify.notify(notify.STOPPING)
        if self._core is None:
            return
        log.event(logger, logging.INFO, "keeper.stopping", node=self._node)
        self._core.handle(events.Stop())
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds(STOPPING)):
                await self._core.stopped.wait()
        await self._disarm()
        await self._core.close()
        log.event(logger, logging.INFO, "keeper.stopped", node=self._node)

    async def _disarm(self) -> None:
        """Stop the watchdog after a stop that went as it should. Otherwise the machine must not go on as it is."""
        assert self._core is not None
        if self._core.stopped.is_set() or not (self._fitness.gate_trouble and self._core.left_behind()):
            await self._watchdog.stand_down()
        else:
            log.event(logger, logging.ERROR, "watchdog.bites", reason="the kernel does not let go of what was held")


_FIXED = (
    "this cannot be changed while the daemon runs, and nothing of this document is applied: give it to all nodes, stop "
    "all daemons, then start them"
)


def main(*, spec: Path, node: str, run_dir: Path, state_dir: Path, log_level: str) -> int:
    """Run the daemon; returns an exit code. Raises :class:`PermanentError` where it cannot run."""
    log.configure(log_level.upper(), aside=True)
    privileges.leave_no_core()  # keys and devices' passwords are in its memory
    for folder in (run_dir, state_dir):
        folders.private(folder)
    with folders.only_one(run_dir) as leave:
        urgency.acquire()
        keeper = Keeper(spec=spec, node=node, run_dir=run_dir, state_dir=state_dir, log_level=log_level, leave=leave)
        asyncio.run(keeper.run())
    return 0
