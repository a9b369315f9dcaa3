"""The keeper: the process that keeps the promises, and supervises the one that does everything else.

Cluster core, links, addresses and gate live here, alone, so that nothing can make a heartbeat late. It never parses
YAML: the director process sends it the cluster's part of the document, and the part that ran last is kept for
the next start, which can then adopt its leases before the document has been read.
"""

import asyncio
import contextlib
import fcntl
import json
import logging
import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from vedette.addresses import model as addressing
from vedette.addresses.addresses import Addresses
from vedette.api import control
from vedette.cluster import charter, config, events
from vedette.daemon import confirmation, orders, succession, urgency
from vedette.daemon.core import Core
from vedette.daemon.fencing import Fencing
from vedette.kit import clock, files, log, notify, plain, privileges
from vedette.kit.channel import Channel
from vedette.kit.child import Child
from vedette.kit.errors import PermanentError, UsageError, VedetteError
from vedette.kit.units import SECOND, seconds
from vedette.spec.resolved import ClusterSpec, Role
from vedette.state.placement import View
from vedette.watchdog.client import Watchdog
from vedette.watchdog.model import State, WatchdogStatus

logger = logging.getLogger("vedette.keeper")

RUNNING = "running.json"
"""The cluster's part of the document that runs, in the run directory: it dies with the boot, as leases do."""
STOPPING = 8 * SECOND
"""How long (ns) handing over may take at a stop; after that the leases simply end."""
REPORT = SECOND // 2
"""How often (ns) the director hears that the keeper is alive, changes aside."""

SETTLE = 5 * SECOND
"""After a carrier has returned (ns): the port of a switch, and the checks through it, need a while to be of use."""
REPLIED = SECOND // 10
"""Time (ns) for the answer to the one who asked for a restart, before this process makes way."""
LOOK = SECOND // 20
"""Between two looks (ns) at whether an operator's order has been carried out."""
PAUSE = SECOND // 10
"""From a change to its report (ns): the director's work on it must not get into the way of a group that moves."""


class Keeper:
    """``leave`` is called when a successor may start: what this process held is let go as it is."""

    def __init__(
        self, *, spec: Path, node: str, run_dir: Path, state_dir: Path, log_level: str, leave: Callable[[], None]
    ) -> None:
        self._leave = leave
        self._successor: subprocess.Popen[bytes] | None = None
        self._preparing = False
        self._node, self._run_dir, self._state_dir = node, run_dir, state_dir
        self._addresses = Addresses(run_dir=run_dir, report=self._address_reported)
        self._core: Core | None = None
        self._spec: ClusterSpec | None = None
        self._revision = 0
        self._services, self._stalled = False, 0
        self._connected_at = 0
        self._missing: int | None = None
        self._gate_trouble: str | None = None
        self._stop = asyncio.Event()
        self._report_soon = asyncio.Event()
        self._fencing = Fencing(
            run_dir=run_dir, state_dir=state_dir, result=self._fence_result, changed=self._report_soon.set
        )
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
            await (self._make_way() if self._successor is not None else self._hand_over())
            await self._addresses.stop()
            self._leave()
            for helper in helpers:
                helper.cancel()

    # the document

    async def _resume(self) -> None:
        """Start with what ran last in this boot, so that leases which still last are kept without a gap."""
        data = files.read(self._run_dir / RUNNING)
        if data is None:
            return
        try:
            kept = json.loads(data)
            spec = plain.load(ClusterSpec, kept["spec"])
        except (ValueError, KeyError, TypeError):  # of another release: wait for the document
            return
        if any(node.name == self._node for node in spec.nodes):
            await self._begin(spec, kept["revision"])

    async def _begin(self, spec: ClusterSpec, revision: int) -> None:
        self._spec, self._revision = spec, revision
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
        )
        await self._core.start()
        self._watchdog.configure(spec.watchdog)
        self._tell_readiness()
        self._tell_reach()
        self._remember()
        urgency.settle()
        log.event(logger, logging.INFO, "keeper.started", node=self._node, revision=revision, digest=spec.digest)
        notify.notify(notify.READY, notify.status(f"revision {revision}"))

    def _changed(self) -> None:
        """What the core sees may be different: whether this node is to be left alone among it."""
        self._addresses.leave_alone(self._left_alone())
        self._report_soon.set()

    def _left_alone(self) -> bool:
        assert self._spec is not None
        written = self._spec.node(self._node).maintenance
        return written or (self._core is not None and self._core.view().left_alone)

    def _configure(self, spec: ClusterSpec) -> None:
        node = spec.node(self._node)
        self._addresses.leave_alone(self._left_alone())
        self._addresses.configure(spec.groups, node, director=node.role is Role.DIRECTOR)
        self._fencing.configure(spec, me=self._node)

    def _remember(self) -> None:
        body = {"revision": self._revision, "spec": plain.dump(self._spec)}
        with contextlib.suppress(OSError):  # only a quicker start is lost
            files.replace(self._run_dir / RUNNING, json.dumps(body).encode())

    async def _take_spec(self, message: dict[str, Any]) -> str | None:
        """Run the cluster's part of a new document; returns why not, or None."""
        spec, revision = plain.load(ClusterSpec, message["spec"]), int(message["revision"])
        if self._core is None or self._spec is None:
            await self._begin(spec, revision)
            return None
        self._core.handle(events.Listed(True))
        running, wanted = config.from_spec(self._spec), config.from_spec(spec)
        differences = charter.refused(running, wanted)
        if differences:
            return f"{'; '.join(differences)}: {_FIXED}"
        self._spec, self._revision = spec, revision
        self._configure(spec)
        self._core.reconfigure(spec, revision=revision)
        self._watchdog.configure(spec.watchdog)
        self._tell_readiness()
        self._remember()
        return None

    # the director

    def _director_started(self, channel: Channel) -> None:
        self._report_soon.set()

    def _director_died(self, reason: str) -> None:
        self._services = False
        self._tell_readiness()

    def _from_director(self, message: dict[str, Any]) -> None:
        if "services" in message:
            self._services, self._stalled = bool(message["services"]), int(message["stalled"])
            self._tell_readiness()
            self._tell_reach()
        elif "missing" in message:
            self._missing = int(message["missing"])
            self._tell_reach()
        elif "listed" in message:
            if self._core is not None:
                self._core.handle(events.Listed(bool(message["listed"])))
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
            answer["error"] = str(error)
        self._director.send(answer)

    async def _command(self, command: dict[str, Any]) -> dict[str, Any]:
        """Carry out an operator's order and wait until it is done; raises :class:`UsageError` for a senseless one.

        The answer says what is ``done``, or what is still ``pending`` after :data:`vedette.api.control.CARRIED_OUT`.
        """
        if command["verb"] == "restart":
            return {
                "done": f"process {await self._restart()} takes over; leases, addresses and tables stay as they are"
            }
        if self._core is None:
            raise PermanentError("no document is applied yet")
        assert self._spec is not None
        core = self._core
        match command["verb"]:
            case "fence":
                return await self._ask_fencer(command, self._spec)
            case "confirm-off":
                return self._confirm_off(command, self._spec, core.view())
            case "force-config":
                author = confirmation.forced(command, self._spec, core.view())
                core.handle(events.ForceConfig(author))
                return {"done": f"voters and timings of the document run from now on, on the word of {author}"}
        order = orders.read(command, self._spec, core.view())
        if order.event is not None:
            core.handle(order.event)
        deadline = clock.boottime() + (control.CARRIED_OUT if command.get("wait", True) else 0)
        while (pending := order.pending(core.view())) and clock.boottime() < deadline:
            await asyncio.sleep(seconds(LOOK))
        return {"pending": pending} if pending else {"done": order.done}

    async def _ask_fencer(self, command: dict[str, Any], spec: ClusterSpec) -> dict[str, Any]:
        """Have the devices of a node tested, or asked to switch it on again."""
        node, what = str(command.get("node")), str(command.get("what"))
        able = [item.name for item in spec.nodes if item.fencing is not None]
        if node not in able:
            raise UsageError(f"the document has no fencing for {node} (it has for: {', '.join(able) or 'no node'})")
        answer = await self._fencing.ask(what, node)
        if "error" in answer:
            raise UsageError(answer["error"])
        return {"levels": answer["levels"]}

    def _confirm_off(self, command: dict[str, Any], spec: ClusterSpec, view: View) -> dict[str, Any]:
        requested = self._fencing.requested(str(command.get("node")))
        result = confirmation.read(command, spec, view, requested=requested)
        self._fencing.confirm(result, author=result.reason)
        return {"done": f"{result.node} counts as off, on the word of {result.reason.removeprefix('human: ')}"}

    def _fence_result(self, result: events.FenceResult) -> None:
        if self._core is not None:
            self._core.handle(result)

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
            self._director.send(self._outlook())
            if interval:
                notify.notify(notify.WATCHDOG)

    def _outlook(self) -> dict[str, Any]:
        core = self._core
        return {
            "view": plain.dump(core.view()) if core else None,
            "leftAlone": core is not None and self._left_alone(),
            "addresses": [_address(item) for item in self._addresses.status()],
            "problems": [{"scope": scope, "message": message} for scope, message in self._problems()],
            "refused": dict(core.refused()) if core else {},
            "links": core.link_status() if core else [],
            "fencing": self._fencing.status(),
            "watchdog": _watchdog(self._watchdog.status()),
            "processes": [
                {"name": "keeper", "pid": os.getpid(), "restarts": 0},
                *({"name": child.name, "pid": child.pid, "restarts": child.restarts} for child in self._children()),
                *_feeder(self._watchdog),
            ],
        }

    def _children(self) -> list[Child]:
        return [self._director, *([self._fencing.child] if self._fencing.needed else [])]

    def _problems(self) -> list[tuple[str, str]]:
        found = [(f"address {item.address}", item.problem) for item in self._addresses.status() if item.problem]
        if self._gate_trouble:
            found.append(("gate", self._gate_trouble))
        if self._core is not None and self._core.trouble:
            found.append(("daemon", self._core.trouble))
        watchdog = self._watchdog.status()
        if watchdog is not None and watchdog.problem:
            found.append(("watchdog", watchdog.problem))
        return found

    # the addresses

    def _address_reported(self, event: addressing.AddressEvent) -> None:
        match event:
            case addressing.Emptied(group):
                if self._core is not None:
                    self._core.handle(events.Emptied(group=group))
            case addressing.Repaired(address):
                log.event(logger, logging.WARNING, "address.repaired", address=address)
            case addressing.Conflict(address, mac):
                log.event(logger, logging.ERROR, "address.conflict", address=address, mac=mac)
            case addressing.GateFailed(reason):
                log.event(logger, logging.ERROR, "gate.failed", reason=reason)
                self._gate_trouble = reason
                self._tell_gate(working=False)
            case addressing.GateWorks():
                self._gate_trouble = None
                self._tell_gate(working=True)
            case addressing.CarrierChanged(group, up):
                log.event(logger, logging.WARNING, "carrier.changed", group=group, up=up)
                if up:
                    self._connected_at = clock.boottime() + SETTLE
                    asyncio.get_running_loop().call_later(seconds(SETTLE) + 0.01, self._tell_readiness)
                self._tell_readiness()
        self._report_soon.set()

    def _tell_gate(self, *, working: bool) -> None:
        if self._core is not None:
            self._core.handle(events.Gate(working=working))

    def _tell_readiness(self) -> None:
        """A node is preferred while its table is programmed; one whose cable is out hands over to one that is ready."""
        if self._core is None or self._spec is None:
            return
        carriers = all(self._addresses.carrier(group.name) for group in self._spec.groups if group.addresses)
        connected = carriers and clock.boottime() >= self._connected_at
        self._core.handle(events.Readiness(services=self._services, connected=connected))

    # the watchdog

    def _late(self) -> str:
        """Why this machine had better be reset, unless this passes: "" while the core keeps its promises.

        A group without a lease does no harm behind a gate that works; where it does not, only a reset takes it away.
        """
        if self._core is None:
            return "no cluster core runs"
        left = self._core.left_behind() if self._gate_trouble else []
        return self._core.late() or (f"the kernel does not let go of {', '.join(left)}" if left else "")

    def _watchdog_armed(self, timeout: int | None) -> None:
        if self._core is not None:
            self._core.handle(events.WatchdogArmed(timeout))

    def _tell_reach(self) -> None:
        """How much is missing here: ping nodes that do not answer, and services that wait for a person.

        Before the director has asked them, no ping node is known to answer.
        """
        if self._core is not None and self._spec is not None and self._spec.node(self._node).role is Role.DIRECTOR:
            missing = len(self._spec.ping_nodes) if self._missing is None else self._missing
            self._core.handle(events.Reach(missing=missing + self._stalled))

    # the end

    async def _restart(self) -> int:
        """Prepare a successor and make way for it in a moment; returns its process number.

        Raises :class:`UsageError` while one is being prepared, :class:`PermanentError` when it does not get ready.
        """
        if self._preparing:
            raise UsageError("a new process is getting ready already")
        self._preparing = True
        try:
            self._successor = await succession.prepare()
        finally:
            self._preparing = False
        log.event(logger, logging.INFO, "keeper.succeeded", node=self._node, pid=self._successor.pid)
        asyncio.get_running_loop().call_later(seconds(REPLIED), self._stop.set)
        return self._successor.pid

    def _asked_to_stop(self) -> None:
        """Leave for good: a successor that is still waiting is not wanted any more."""
        if self._successor is not None:
            self._successor.kill()
            self._successor = None
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
        assert self._successor is not None
        self._watchdog.make_way()
        notify.notify(f"MAINPID={self._successor.pid}")
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
        if self._core.stopped.is_set() or not (self._gate_trouble and self._core.left_behind()):
            await self._watchdog.stand_down()
        else:
            log.event(logger, logging.ERROR, "watchdog.bites", reason="the kernel does not let go of what was held")


def _watchdog(status: WatchdogStatus | None) -> dict[str, Any] | None:
    if status is None:
        return None
    return {
        "device": status.device,
        "identity": status.identity,
        "state": status.state.value,
        "armed": status.state is State.ARMED,
        "timeout": seconds(status.timeout),
        "nowayout": status.nowayout,
    }


def _feeder(watchdog: Watchdog) -> list[dict[str, Any]]:
    if watchdog.pid is None:
        return []
    return [{"name": "watchdog", "pid": watchdog.pid, "restarts": watchdog.restarts}]


def _address(item: addressing.AddressStatus) -> dict[str, Any]:
    return {
        "group": item.group,
        "address": str(item.address),
        "interface": item.interface,
        "onInterface": item.on_interface,
        "onLoopback": item.on_lo,
        "answering": item.answering,
        "problem": item.problem,
    }


_FIXED = (
    "this cannot be changed while the daemon runs, and nothing of this document is applied: give it to all nodes, stop "
    "all daemons, then start them"
)


def main(*, spec: Path, node: str, run_dir: Path, state_dir: Path, log_level: str) -> int:
    """Run the daemon; returns an exit code. Raises :class:`PermanentError` where it cannot run."""
    log.configure(log_level.upper())
    privileges.leave_no_core()  # keys and devices' passwords are in its memory
    for folder in (run_dir, state_dir):
        _private_folder(folder)
    with _only_one(run_dir) as leave:
        urgency.acquire()
        keeper = Keeper(spec=spec, node=node, run_dir=run_dir, state_dir=state_dir, log_level=log_level, leave=leave)
        asyncio.run(keeper.run())
    return 0


def _private_folder(folder: Path) -> None:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise PermanentError(f"cannot make {folder}: {error.strerror} (vedette run needs root)") from error


@contextlib.contextmanager
def _only_one(run_dir: Path) -> Iterator[Callable[[], None]]:
    """Hold the run directory; a second daemon beside the first would fight it. A successor waits for the first.

    Yields what lets go of it early.
    """
    with open(run_dir / "lock", "w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | (0 if succession.waiting() else fcntl.LOCK_NB))
        except BlockingIOError:
            raise PermanentError(f"another vedette daemon already runs with {run_dir}") from None
        except OSError as error:
            raise PermanentError(f"cannot lock {run_dir}: {error.strerror}") from error
        yield lambda: fcntl.flock(lock, fcntl.LOCK_UN)
