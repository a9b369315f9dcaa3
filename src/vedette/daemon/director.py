"""The director process: document, real servers, IPVS table, sorry pages, status socket.

It is a child of the keeper and holds no promise: when it dies, addresses and table stay as they are, and the next
one adopts them. The keeper hears of a new document first, because it may refuse it.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from vedette.api import control, fencing
from vedette.api.status import Clocks, Problem, SpecStatus, status
from vedette.daemon import documents
from vedette.daemon.connections import Connections
from vedette.daemon.documents import Archive, Reader, Version
from vedette.daemon.server_orders import ServerOrders
from vedette.daemon.sync import Running, Sync, next_revision
from vedette.edits import masking
from vedette.fencing import history
from vedette.health.lanes import Checkers
from vedette.health.pinger import Pinger
from vedette.ipvs.reconciler import Reconciler
from vedette.ipvs.repair import Repair
from vedette.ipvs.screen.screen import Screen
from vedette.kit import clock, log, net, plain, privileges
from vedette.kit.child import Parent, serve
from vedette.kit.errors import UsageError
from vedette.kit.units import MILLISECOND, SECOND, seconds
from vedette.sorry.client import SorryClient
from vedette.sources import file
from vedette.sources.names import Names
from vedette.spec.resolved import ClusterSpec, Role
from vedette.state.edits import reweighings
from vedette.state.names import questions, with_names
from vedette.state.paths import has_paths, with_paths
from vedette.state.placement import Liveness, View
from vedette.state.targets import all_targets, passable

logger = logging.getLogger("vedette.director")

SILENCE = 3 * SECOND
"""After so long (ns) without a word from the keeper, what it said last is not shown as if it were true."""
LOOK = 100 * MILLISECOND
"""Between two looks (ns) at whether an order is carried out."""
REPLY = 5.0
"""Seconds that the keeper may take to answer."""
PATIENCE = 2.0
"""Seconds that the table may take before the document is written down nevertheless."""


_PUT_BACK = (
    "holds an older document than revision {}; it was put back while the daemon was not running, and is not sent to "
    "the others (to return to it, save it with any change)"
)


class Director:
    """Composes the parts of this process; ``run`` lasts as long as the keeper lives."""

    def __init__(self, *, parent: Parent, path: Path, node: str, run_dir: Path, state_dir: Path) -> None:
        self._parent, self._path, self._node = parent, path, node
        self._run_dir, self._state_dir = run_dir, state_dir
        self._archive = Archive(state_dir)
        self._reader = Reader(path)
        self._version: Version | None = None
        self._unkept = asyncio.Event()
        self._text: bytes | None = None
        self._companions: tuple[Path, ...] = ()
        self._deciding = asyncio.Lock()
        self._sync = Sync(node=node, running=self._running, view=lambda: self._view, take=self._take)
        self._applied = 0
        self._errors: tuple[str, ...] = ()
        self._view: View | None = None
        self._held: frozenset[str] = frozenset()
        self._keeper: dict[str, Any] = {}
        self._heard = 0
        self._replies: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._requests = 0
        self._working: bool | None = None
        self._directing = asyncio.Event()
        self._expanded: ClusterSpec | None = None
        self._withheld = 0
        """Targets that wait for their path in the kernel's table."""
        self._orders = ServerOrders()
        self._names = Names(state_dir / "names.json", self._names_changed)
        self._checkers = Checkers(self._verdicts_changed)
        self._sorry = SorryClient(changed=lambda: None)
        self._pinger = Pinger(changed=self._tell_reach)
        self._reconciler = Reconciler(
            run_dir=run_dir, screen=Screen(), report=self._table_changed, repaired=_log_repairs
        )
        self._connections = Connections(
            node=node,
            run_dir=run_dir,
            running=lambda: self._version.spec if self._version is not None else None,
            view=lambda: self._view,
            programmed=lambda: self._reconciler.settled,
            changed=self._tell_readiness,
        )

    async def run(self) -> None:
        await self._parent.open(self._from_keeper)
        server = await control.serve(self._run_dir, self._answer)
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._follow_document())
                tasks.create_task(self._direct())
                tasks.create_task(self._sync.run())
                tasks.create_task(self._keep_versions())
        finally:
            server.close()
            if self._unkept.is_set() and self._version is not None:
                self._keep(self._version)

    async def _direct(self) -> None:
        """What only a director does; a witness never gets here."""
        await self._directing.wait()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._checkers.run())
            tasks.create_task(self._sorry.run())
            tasks.create_task(self._pinger.run())
            tasks.create_task(self._names.run())
            tasks.create_task(self._reconciler.run())
            tasks.create_task(self._connections.run())

    # the document

    async def _follow_document(self) -> None:
        async for content in file.versions(self._path, lambda: self._companions):
            reading = await asyncio.to_thread(self._reader.read, content)
            self._companions, outcome = reading.companions, reading.outcome
            async with self._deciding:
                if isinstance(outcome, ClusterSpec):
                    await self._propose(outcome, content)
                else:
                    await self._reject(outcome)

    async def _propose(self, spec: ClusterSpec, content: bytes | OSError) -> None:
        """Offer a valid document to the keeper and apply it when it agrees."""
        names = [node.name for node in spec.nodes]
        if self._node not in names:
            await self._leave(names)
            return
        former = self._version or await asyncio.to_thread(self._archive.read)
        same = former is not None and former.spec.digest == spec.digest
        if self._version is None and former is not None and self._put_back(former, spec):
            await self._reject((f"{self._path}: {_PUT_BACK.format(former.revision)}",))
            return
        version = Version(former.revision if same and former else self._edit_of(former, spec), spec)
        if self._version is not None and _is_same_cluster(self._version.spec, spec):
            self._accept(version, content)  # nothing in it that the keeper could refuse: it hears of it afterwards
        if refusal := await self._offer(version):
            await self._reject((f"{self._path}: {refusal}",))
            return
        self._accept(version, content)

    def _accept(self, version: Version, content: bytes | OSError) -> None:
        self._errors = ()
        self._text = content if isinstance(content, bytes) else None
        if self._version is None or self._version.spec != version.spec:
            self._apply(version)
            self._unkept.set()

    def _put_back(self, former: Version, spec: ClusterSpec) -> bool:
        """Whether a start finds a document of old in the file, and not an edit: the others must not get that."""
        return former.spec.spec_sync and self._archive.superseded(spec.digest)

    def _edit_of(self, former: Version | None, spec: ClusterSpec) -> int:
        """The number of an edit made here; where documents travel it is above all that anybody heard runs."""
        number = former.revision if former else 0
        return next_revision(number, self._view) if spec.spec_sync else number + 1

    def _running(self) -> Running | None:
        version = self._version
        return Running(version.spec, version.revision, self._text) if version is not None else None

    async def _take(self, text: bytes, revision: int, digest: str, source: str) -> str | None:
        """Try a document that came from another node: valid here, agreed to, written down, and only then run.

        Unless it is in the file, the next start would take the file for an edit. What was there stays beside it.
        Returns why it was not taken, or None.
        """
        async with self._deciding:
            if self._version is None or revision <= self._version.revision:
                return "it is not newer than what runs here"
            outcome = (await asyncio.to_thread(self._reader.read, text)).outcome
            if not isinstance(outcome, ClusterSpec):
                return outcome[0]
            if outcome.name != self._version.spec.name or not outcome.digest.startswith(digest):
                return "it is not the document that was asked for"
            if refusal := await self._offer(Version(revision=revision, spec=outcome)):
                return refusal
            if trouble := await asyncio.to_thread(documents.replace, self._path, text):
                await self._offer(self._version)
                return trouble
            log.event(logger, logging.WARNING, "document.received", node=source, revision=revision, digest=digest)
            self._errors, self._text = (), text
            self._apply(Version(revision=revision, spec=outcome))
            self._unkept.set()
        return None

    async def _leave(self, names: Sequence[str]) -> None:
        """The document does not have this node (any more): hold nothing, and do not begin with an older document."""
        self._parent.send({"listed": False})
        await self._reject(
            (
                f"{self._path}: this node, {self._node}, is not among its nodes ({', '.join(names)}): it hands "
                "over what it holds, and takes nothing (see vedette run --node if its name is another)",
            ),
            go_on=False,
        )

    async def _offer(self, version: Version) -> str | None:
        """Ask the keeper to run the cluster's part; returns why it refuses, or None."""
        cluster_part = plain.dump(replace(version.spec, virtual_services=()))
        reply = await self._ask_keeper({"spec": cluster_part, "revision": version.revision})
        if "leftAlone" in reply:
            self._leave_alone(reply["leftAlone"])
        return reply.get("error")

    async def _reject(self, problems: tuple[str, ...], *, go_on: bool = True) -> None:
        """Show what is wrong; what runs goes on. At start, ``go_on`` with the last good version of an earlier run."""
        if problems != self._errors:
            log.event(
                logger, logging.ERROR, "document.refused", file=self._path, problems=len(problems), first=problems[0]
            )
        self._errors = problems
        if self._version is not None or not go_on:
            return
        kept = await asyncio.to_thread(self._archive.read)
        if kept is not None and not await self._offer(kept):
            log.event(logger, logging.WARNING, "document.last_good", revision=kept.revision, digest=kept.spec.digest)
            self._apply(kept)

    def _apply(self, version: Version) -> None:
        spec = version.spec
        log.event(logger, logging.INFO, "document.applied", revision=version.revision, digest=spec.digest)
        self._version, self._applied = version, clock.boottime()
        if spec.node(self._node).role is Role.WITNESS:
            return
        self._directing.set()
        self._connections.forget()
        self._names.set_questions(questions(spec))
        self._expand(spec)
        self._pinger.set_targets(spec.ping_nodes)
        self._sorry.set_pages(
            {
                (endpoint.address, endpoint.port): service.sorry.page
                for service in spec.virtual_services
                if service.sorry is not None and service.sorry.page is not None
                for endpoint in service.endpoints
            }
        )
        self._reconcile()

    def _expand(self, spec: ClusterSpec) -> None:
        """Bring the document together with the addresses that its names stand for."""
        former, self._expanded = self._expanded, with_paths(with_names(spec, self._names.answers))
        self._orders.apply(self._expanded)
        if former is None or reweighings(former, self._expanded) is None:
            self._assign()

    def _names_changed(self) -> None:
        if self._version is not None:
            self._expand(self._version.spec)
            self._reconcile()

    async def _keep_versions(self) -> None:
        """Write the last good version down, behind the kernel's table: that comes first, and takes the processor."""
        while True:
            await self._unkept.wait()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(PATIENCE if self._directing.is_set() else 0):
                    await self._reconciler.caught_up()
            self._unkept.clear()
            assert self._version is not None
            await asyncio.to_thread(self._keep, self._version)

    def _keep(self, version: Version) -> None:
        """A full disk costs no service, only this safety."""
        try:
            self._archive.write(version)
        except OSError as error:
            log.event(logger, logging.ERROR, "document.not_kept", reason=error.strerror)

    # real servers and table

    def _assign(self) -> None:
        """Give the checker what this node is to check, as things are."""
        assert self._expanded is not None
        self._held = self._holding()
        wanted = tuple(all_targets(self._expanded, self._held))
        ready = passable(wanted, self._reconciler.led)
        self._withheld = len(wanted) - len(ready)
        self._checkers.set_targets(ready)

    def _follow_holding(self) -> None:
        """Some services are checked only by who holds their group."""
        if self._version is None or not self._directing.is_set() or self._holding() == self._held:
            return
        if not all(service.checks_on_standby for service in self._version.spec.virtual_services):
            self._assign()
            self._reconcile()

    def _holding(self) -> frozenset[str]:
        return frozenset(lease.group for lease in self._view.leases if lease.mine) if self._view else frozenset()

    def _verdicts_changed(self) -> None:
        self._reconcile()

    def _table_changed(self) -> None:
        if self._expanded is not None and has_paths(self._expanded):
            self._assign()
        self._tell_readiness()

    def _reconcile(self) -> None:
        spec = self._orders.spec
        if spec is not None and self._directing.is_set():
            complete = self._checkers.complete and not self._withheld
            self._reconciler.update(spec, self._checkers.verdicts, complete=complete)
            self._tell_readiness()

    def _tell_readiness(self) -> None:
        """A director whose table is programmed, and who knows the connections, may be preferred; the keeper weighs
        that."""
        working = self._reconciler.settled and self._connections.ready
        if working != self._working:
            self._working = working
            self._parent.send({"services": working})

    def _tell_reach(self) -> None:
        """Who reaches more of the ping nodes is preferred; the cluster core compares."""
        self._parent.send({"missing": self._pinger.missing})

    def _leave_alone(self, on: bool) -> None:
        self._reconciler.leave_alone(on)
        self._connections.leave_alone(on)

    # the keeper

    def _from_keeper(self, message: dict[str, Any]) -> None:
        if "view" in message:
            self._heard = clock.boottime()
            self._keeper = message
            self._view = plain.load(View, message["view"]) if message["view"] else None
            self._follow_holding()
            if self._orders.hear(self._view):
                self._reconcile()
            self._leave_alone(message["leftAlone"])
        elif "reply" in message:
            waiting = self._replies.pop(message["reply"], None)
            if waiting is not None and not waiting.done():
                waiting.set_result(message)

    async def _ask_keeper(self, request: dict[str, Any], *, limit: float = REPLY) -> dict[str, Any]:
        self._requests += 1
        number = self._requests
        self._replies[number] = asyncio.get_running_loop().create_future()
        self._parent.send(request | {"request": number})
        try:
            return await asyncio.wait_for(self._replies[number], limit)
        except TimeoutError:
            return {"error": "the daemon's core does not answer"}
        finally:
            self._replies.pop(number, None)

    # the status socket

    async def _answer(self, request: control.Request) -> control.Reply:
        match request.get("verb"):
            case "status":
                return self._status()
            case "running":
                return self._running_document(request)
            case "move" | "node" | "group" | "restart" | "confirm-off" | "force-config":
                return await self._command(request)
            case "server":
                return await self._server(request)
            case "fence":
                return await self._fence(request)
            case other:
                raise UsageError(f"this daemon does not know the verb {other!r}: is it of another release?")

    def _running_document(self, request: control.Request) -> control.Reply:
        """The document that runs, its secrets masked with the asker's nonce, and how things are."""
        if self._version is None:
            raise UsageError("no document is applied yet")
        spec = masking.masked(self._version.spec, bytes.fromhex(str(request.get("nonce", ""))))
        return {"spec": plain.dump(spec), "revision": self._version.revision, "status": self._status()}

    async def _command(self, request: control.Request) -> control.Reply:
        reply = await self._ask_keeper({"command": request}, limit=REPLY + seconds(control.CARRIED_OUT))
        if "error" in reply:
            raise UsageError(reply["error"])
        return {name: reply[name] for name in ("done", "pending") if name in reply}

    async def _server(self, request: control.Request) -> control.Reply:
        """Drain a real server, or enable it again; a drain is done when the kernel's table does not have it."""
        if self._version is None or not self._directing.is_set():
            raise UsageError("this node directs nothing: ask a node that is a director, with a document")
        wait, began = bool(request.get("wait", True)), clock.boottime()
        asked = self._orders.read(request)
        reply = await self._command(request | {"server": asked.name})
        if "done" not in reply:
            return reply
        while (pending := asked.pending(self._orders, self._reconciler)) and wait:
            if clock.boottime() - began > control.CARRIED_OUT:
                break
            await asyncio.sleep(seconds(LOOK))
        return {"pending": pending} if pending else {"done": asked.done(self._checkers.verdicts) or reply["done"]}

    async def _fence(self, request: control.Request) -> control.Reply:
        match request.get("what"):
            case "status":
                return self._away() or self._fencing()
            case "history":
                return {"entries": await self._history(request.get("node"))}
            case "test" | "on":
                reply = await self._ask_keeper({"command": request}, limit=control.DEVICES)
                if "error" in reply:
                    raise UsageError(reply["error"])
                return {"levels": reply["levels"], "living": self._lives(request.get("node"))}
            case other:
                raise UsageError(f"fence {other} is not known here: is the daemon of another release?")

    def _lives(self, name: object) -> bool:
        living = (Liveness.UP, Liveness.LATE)
        return self._view is not None and any(n.name == name and n.liveness in living for n in self._view.nodes)

    async def _history(self, node: str | None) -> list[dict[str, Any]]:
        try:
            entries = await asyncio.to_thread(history.read, self._state_dir)
        except OSError as error:
            raise UsageError(f"the history cannot be read: {error.strerror}") from error
        return [entry for entry in entries if node in (None, entry.get("node"))]

    def _fencing(self) -> dict[str, Any]:
        """Plugs and fences; without a document there are none."""
        if self._version is None:
            return {"node": self._node, "time": None, "problems": [], "nodes": []}
        clocks = Clocks(boottime=clock.boottime(), wall=time.time_ns())
        return fencing.fencing(self._version.spec, self._keeper.get("fencing"), self._view, clocks)

    def _away(self) -> control.Reply | None:
        """The answer where what the keeper said last may not be true any more."""
        silent = clock.boottime() - self._heard
        if self._heard and silent > SILENCE:
            return {"away": f"the daemon's core has been silent for {silent // SECOND} s: is its process stopped?"}
        return None

    def _status(self) -> control.Reply:
        away = self._away()
        if away is not None:
            return away
        version, fences = self._version, self._fencing()
        clocks = Clocks(boottime=clock.boottime(), wall=time.time_ns())
        return status(
            spec=(self._orders.spec or version.spec) if version else None,
            spec_status=SpecStatus(
                file=str(self._path),
                revision=version.revision if version else 0,
                digest=version.spec.digest if version else "",
                applied=self._applied,
                errors=self._errors,
            ),
            view=self._orders.named(self._view),
            addresses=self._keeper.get("addresses", ()),
            verdicts=self._checkers.verdicts,
            services=self._reconciler.status(),
            processes=self._processes(),
            problems=[*self._problems(), *(Problem(**item) for item in fences["problems"])],
            refused=self._keeper.get("refused", {}),
            links=self._keeper.get("links", ()),
            watchdog=self._keeper.get("watchdog"),
            ping_nodes=self._pinger.targets,
            node=self._node,
            clocks=clocks,
            connections=self._connections.status(clocks.show),
            fencing={node["name"]: fencing.summary(node) for node in fences["nodes"]},
        )

    def _processes(self) -> Sequence[dict[str, Any]]:
        helpers = (*self._checkers.children, self._sorry.child) if self._directing.is_set() else ()
        return [
            *self._keeper.get("processes", ()),
            *({"name": c.name, "pid": c.pid, "restarts": c.restarts} for c in helpers),
        ]

    def _problems(self) -> list[Problem]:
        found = [Problem(item["scope"], item["message"]) for item in self._keeper.get("problems", ())]
        found += [Problem(scope, message) for scope, message in self._reconciler.problems()]
        found += [Problem(scope, message) for scope, message in self._connections.problems()]
        found += [Problem("document", message) for message in self._sync.problems]
        found += [Problem(f"name {name}", message) for name, message in self._names.problems]
        away = (
            *(("checker", problem) for problem in self._checkers.problems),
            ("sorry page", self._sorry.problem),
            ("ping nodes", self._pinger.problem),
        )
        found += [Problem(scope, message) for scope, message in away if message]
        found += [Problem(scope, message) for scope, message in self._checkers.notices()]
        found += [
            Problem(f"sorry page at {net.endpoint(*place)}", message) for place, message in self._sorry.problems.items()
        ]
        return found


def _is_same_cluster(one: ClusterSpec, other: ClusterSpec) -> bool:
    """Whether they differ at most in what the keeper does not see."""
    return replace(one, virtual_services=(), digest="") == replace(other, virtual_services=(), digest="")


def _log_repairs(repairs: Sequence[Repair]) -> None:
    """Somebody else had changed our table: say it once for each service, with what was wrong."""
    for item in repairs:
        fields = {"service": item.service, "drift": item.drift.value, "entries": item.entries}
        log.event(logger, logging.WARNING, "ipvs.repaired", **fields)


async def _main(parent: Parent) -> None:
    privileges.leave_no_core()
    path, node, run_dir, state_dir, level = parent.arguments
    log.configure(level.upper())
    director = Director(parent=parent, path=Path(path), node=node, run_dir=Path(run_dir), state_dir=Path(state_dir))
    with contextlib.suppress(asyncio.CancelledError):
        await director.run()


if __name__ == "__main__":
    serve(_main)
