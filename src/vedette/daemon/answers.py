"""What the status socket answers: how things are, what runs, and orders, which mostly go on to the keeper."""

import asyncio
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from vedette.api import control, fencing
from vedette.api.status import Clocks, Problem, SpecStatus, status
from vedette.daemon.balancing import Balancing
from vedette.daemon.keeper_link import REPLY, KeeperLink
from vedette.daemon.sync import Sync
from vedette.daemon.versions import Versions
from vedette.edits import masking
from vedette.fencing import history, patience
from vedette.kit import clock, plain
from vedette.kit.errors import TransientError, UsageError
from vedette.kit.units import MILLISECOND, seconds
from vedette.state.placement import Liveness

LOOK = 100 * MILLISECOND
"""Between two looks (ns) at whether an order is carried out."""


class Answers:
    """Looks at the parts of a director, and changes none of them."""

    def __init__(
        self,
        *,
        path: Path,
        node: str,
        state_dir: Path,
        keeper: KeeperLink,
        versions: Versions,
        sync: Sync,
        balancing: Balancing,
    ) -> None:
        self._path, self._node, self._state_dir = path, node, state_dir
        self._keeper, self._versions, self._sync, self._balancing = keeper, versions, sync, balancing

    async def answer(self, request: control.Request) -> control.Reply:
        """Answer one request; raises ``UsageError`` where it makes no sense here."""
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
        version = self._versions.current
        if version is None:
            raise UsageError("no document is applied yet")
        spec = masking.masked(version.spec, bytes.fromhex(str(request.get("nonce", ""))))
        return {"spec": plain.dump(spec), "revision": version.revision, "status": self._status()}

    async def _command(self, request: control.Request) -> control.Reply:
        reply = await self._keeper.carry_out(request, limit=REPLY + seconds(control.CARRIED_OUT))
        return {name: reply[name] for name in ("done", "pending") if name in reply}

    async def _server(self, request: control.Request) -> control.Reply:
        """Drain a real server, or enable it again; a drain is done when the kernel's table does not have it."""
        balancing = self._balancing
        if not balancing.begun:
            raise UsageError("this node directs nothing: ask a node that is a director, with a document")
        wait, began = bool(request.get("wait", True)), clock.boottime()
        asked = balancing.orders.read(request)
        reply = await self._command(request | {"server": asked.name})
        if "done" not in reply:
            return reply
        while (pending := asked.pending(balancing.orders, balancing.reconciler)) and wait:
            if clock.boottime() - began > control.CARRIED_OUT:
                break
            await asyncio.sleep(seconds(LOOK))
        return {"pending": pending} if pending else {"done": asked.done(balancing.verdicts) or reply["done"]}

    async def _fence(self, request: control.Request) -> control.Reply:
        match request.get("what"):
            case "status":
                return self._away() or self._fencing()
            case "history":
                return {"entries": await self._history(request.get("node"))}
            case "test" | "on":
                reply = await self._keeper.carry_out(request, limit=self._longest(request))
                return {"levels": reply["levels"], "living": self._lives(request.get("node"))}
            case "off":
                reply = await self._keeper.carry_out(request, limit=self._longest(request))
                return {name: reply[name] for name in ("proof", "problem", "evidence")}
            case other:
                raise UsageError(f"fence {other} is not known here: is the daemon of another release?")

    def _longest(self, request: control.Request) -> float:
        """Seconds until the keeper counts as silent: it answers before, whatever the devices do."""
        spec = self._versions.spec
        nodes, devices = (spec.nodes, spec.fencing_devices) if spec is not None else ((), ())
        return seconds(patience.longest(str(request.get("node")), nodes, devices)) + control.PATIENCE

    def _lives(self, name: object) -> bool:
        living, view = (Liveness.UP, Liveness.LATE), self._keeper.view
        return view is not None and any(n.name == name and n.liveness in living for n in view.nodes)

    async def _history(self, node: str | None) -> list[dict[str, Any]]:
        try:
            entries = await asyncio.to_thread(history.read, self._state_dir)
        except OSError as error:
            raise TransientError(f"the history cannot be read: {error.strerror}") from error
        found = [entry for entry in entries if node in (None, entry.get("node"))]
        names = [item.name for item in self._versions.spec.nodes] if self._versions.spec is not None else []
        if node is not None and not found and node not in names:
            known = dict.fromkeys([*names, *(str(entry.get("node")) for entry in entries)])
            raise UsageError(f"no node {node} is or was known here (there is: {', '.join(known) or 'none'})")
        return found

    def _fencing(self) -> dict[str, Any]:
        """Plugs and fences; without a document there are none."""
        spec = self._versions.spec
        if spec is None:
            return {"node": self._node, "time": None, "problems": [], "nodes": []}
        clocks = Clocks(boottime=clock.boottime(), wall=time.time_ns())
        return fencing.fencing(spec, self._keeper.said.get("fencing"), self._keeper.view, clocks)

    def _away(self) -> control.Reply | None:
        """The answer where what the keeper said last may not be true any more."""
        return {"away": self._keeper.away} if self._keeper.away else None

    def _status(self) -> control.Reply:
        away = self._away()
        if away is not None:
            return away
        version, balancing, said, fences = self._versions.current, self._balancing, self._keeper.said, self._fencing()
        clocks = Clocks(boottime=clock.boottime(), wall=time.time_ns())
        return status(
            spec=(balancing.orders.spec or version.spec) if version else None,
            spec_status=SpecStatus(
                file=str(self._path),
                revision=version.revision if version else 0,
                digest=version.spec.digest if version else "",
                applied=self._versions.applied,
                errors=self._versions.errors,
            ),
            view=balancing.orders.named(self._keeper.view),
            addresses=said.get("addresses", ()),
            verdicts=balancing.verdicts,
            services=balancing.reconciler.status(),
            leaving=balancing.reconciler.leaving(),
            processes=self._processes(),
            problems=[*self._problems(), *(Problem(**item) for item in fences["problems"])],
            refused=said.get("refused", {}),
            links=said.get("links", ()),
            watchdog=said.get("watchdog"),
            ping_nodes=balancing.pinger.targets,
            node=self._node,
            clocks=clocks,
            connections=balancing.connections.status(clocks.show),
            fencing={node["name"]: fencing.summary(node) for node in fences["nodes"]},
        )

    def _processes(self) -> Sequence[dict[str, Any]]:
        return [
            *self._keeper.said.get("processes", ()),
            *({"name": c.name, "pid": c.pid, "restarts": c.restarts} for c in self._balancing.children),
        ]

    def _problems(self) -> list[Problem]:
        found = [Problem(item["scope"], item["message"]) for item in self._keeper.said.get("problems", ())]
        found += [Problem("document", message) for message in self._sync.problems]
        return found + self._balancing.problems()
