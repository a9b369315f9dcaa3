"""The keeper's side of fencing: what the core wants goes to the fencer process, results come back.

Nothing here waits for a device, a disk or the fencer: messages are queued, and said again until they have had their
effect.
"""

import asyncio
import itertools
import logging
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from vedette.cluster.events import FenceRequest, FenceResult
from vedette.fencing import patience, records
from vedette.fencing.messages import Assignment, Report, Result, Wanted
from vedette.fencing.records import Ended, Moments
from vedette.kit import clock, log, plain
from vedette.kit.channel import Channel, Message
from vedette.kit.child import Child
from vedette.kit.errors import TransientError
from vedette.kit.units import SECOND, seconds
from vedette.spec.resolved import ClusterSpec, SplitBrainPolicy
from vedette.state.placement import Liveness, View

logger = logging.getLogger("vedette.fencing")

MOST_ENTRIES = 32
"""Entries for the history that wait for the fencer."""
HUNG = 20 * SECOND
"""A fencer that does not answer for so long (ns) is replaced; loading a library may take most of that once."""


class Fencing:
    """Keeps a fencer running where the document has something to fence.

    ``result`` is given every result, also a repeated one; ``changed`` is called when :meth:`status` is another.
    """

    def __init__(
        self,
        *,
        run_dir: Path,
        state_dir: Path,
        result: Callable[[FenceResult], None],
        changed: Callable[[], None],
        module: str = "vedette.fencing.process",
    ) -> None:
        self._result, self._changed = result, changed
        self._assignment: Assignment | None = None
        self._needed = asyncio.Event()
        self._wanted: dict[str, Wanted] = {}
        self._alive: dict[str, int] = {}
        self._report = Report()
        self._off: dict[str, Result] = {}
        self._numbers = itertools.count(1)
        self._entries: dict[int, Message] = {}
        self._answers: dict[int, asyncio.Future[Message]] = {}
        self._problem = ""
        self.child = Child(
            module=module,
            name="fencer",
            arguments=(str(run_dir), str(state_dir)),
            receive=self._receive,
            started=self._started,
            died=self._died,
            hung_after=HUNG,
        )

    async def run(self) -> None:
        """Keep the fencer running until cancelled, from when the document first has something to fence."""
        await self._needed.wait()
        await self.child.run()

    @property
    def needed(self) -> bool:
        """Whether the document has something to fence, or had since the start."""
        return self._needed.is_set()

    # towards the fencer

    def configure(self, spec: ClusterSpec, *, me: str) -> None:
        """Take the document's fencing part."""
        nodes = tuple(node for node in spec.nodes if node.fencing is not None)
        self._assignment = Assignment(me, spec.heartbeat.dead_after, nodes, spec.fencing_devices)
        if nodes or spec.policy is SplitBrainPolicy.FENCE:
            self._needed.set()
        if self.needed:
            self.child.send({"assignment": plain.dump(self._assignment)})

    def want(self, requests: Iterable[FenceRequest]) -> None:
        """Take the complete set of nodes that the core wants off."""
        wanted = {}
        for request in requests:
            known = self._wanted.get(request.node)
            first = known is None or known.incarnation != request.incarnation
            wanted[request.node] = (
                Wanted(request.node, request.incarnation, asked=clock.boottime(), wait=request.wait)
                if first or known is None
                else known
            )
        if wanted != self._wanted:
            self._wanted = wanted
            self.tell()
            self._changed()

    def look(self, view: View) -> None:
        """Learn who lives: plugs are judged by that, and a node that lives is not off."""
        living = [node for node in view.nodes if node.liveness in (Liveness.UP, Liveness.LATE)]
        # One that is late and catches up has lived all the time.
        self._alive = {node.name: self._alive.get(node.name, node.since) for node in living}
        said = {
            node.name: Result(node.name, node.incarnation, confirmed=True, reason=node.off)
            for node in view.nodes
            if node.off
        }
        self._off = {node: result for node, result in (said | self._off).items() if node not in self._alive}

    def tell(self) -> None:
        """Say again what is wanted: the fencer orders nothing on what was said too long ago."""
        if self.needed:
            wanted = [plain.dump(item) for item in self._wanted.values()]
            self.child.send({"wanted": wanted, "alive": self._alive})

    async def ask(self, what: str, node: str, **more: Any) -> Message:
        """Put an operator's question; raises :class:`TransientError` when it is not answered."""
        number = next(self._numbers)
        answer: asyncio.Future[Message] = asyncio.get_running_loop().create_future()
        self._answers[number] = answer
        try:
            if not self.child.send({"ask": number, "what": what, "node": node, **more}):
                raise TransientError(f"the fencer is not running: {self._problem or 'it is being started'}")
            async with asyncio.timeout(seconds(self._longest(node))):
                return await answer
        except TimeoutError:
            raise TransientError("the fencer does not answer") from None
        finally:
            del self._answers[number]

    def _longest(self, node: str) -> int:
        known = self._assignment
        return patience.longest(node, known.nodes, known.devices) if known is not None else patience.SLACK

    # a person's word

    def confirm(self, result: FenceResult, *, author: str, asked: int | None = None) -> None:
        """Take down a person's word that a node is off, which the core has taken; ``asked``: see :meth:`asked`."""
        moments = Moments(boottime=clock.boottime(), wall=time.time_ns())
        noted = records.entry(
            node=result.node,
            incarnation=result.incarnation,
            asked_by=author,
            asked=moments.boottime if asked is None else asked,
            ended=Ended.CONFIRMED,
            reason=result.reason,
            evidence=(),
            moments=moments,
        )
        log.event(logger, logging.WARNING, "fence.confirmed", node=result.node, reason=result.reason)
        number = next(self._numbers)
        self._entries[number] = {"entry": number, "record": noted}
        for oldest in list(self._entries)[:-MOST_ENTRIES]:
            del self._entries[oldest]
        self.child.send(self._entries[number])
        self._off[result.node] = Result(result.node, result.incarnation, confirmed=True, reason=result.reason)
        self._changed()

    def asked(self, node: str) -> int | None:
        """Since when (BOOTTIME ns) the core wants ``node`` off, or None."""
        wanted = self._wanted.get(node)
        return wanted.asked if wanted else None

    def requested(self, node: str) -> int | None:
        """The incarnation up to which the core wants ``node`` off, or None."""
        wanted = self._wanted.get(node)
        return wanted.incarnation if wanted else None

    # what is shown

    def status(self) -> dict[str, Any] | None:
        """What is known, as plain values; None where there is nothing to fence."""
        if not self.needed:
            return None
        return {
            "report": plain.dump(self._report),
            "wanted": [plain.dump(item) for item in self._wanted.values()],
            "off": {node: result.reason for node, result in self._off.items()},
            "problem": self._problem,
        }

    # from the fencer

    def _started(self, channel: Channel) -> None:
        self._problem = ""
        if self._assignment is not None:
            channel.send({"assignment": plain.dump(self._assignment)})
        self.tell()
        for entry in self._entries.values():
            channel.send(entry)
        self._changed()

    def _died(self, reason: str) -> None:
        self._problem = f"the fencer is being restarted: {reason}"
        for waiting in self._answers.values():
            if not waiting.done():
                waiting.set_exception(TransientError(f"the fencer ended: {reason}"))
        self._changed()

    def _receive(self, message: Message) -> None:
        if "result" in message:
            self._take(plain.load(Result, message["result"]))
        elif "report" in message:
            self._report = plain.load(Report, message["report"])
            self._changed()
        elif "answer" in message:
            waiting = self._answers.get(message["answer"])
            if waiting is not None and not waiting.done():
                waiting.set_result(message)
        elif "entry" in message:
            self._entries.pop(message["entry"], None)

    def _take(self, result: Result) -> None:
        """Hand a result to the core, unless it answers what nobody asks any more."""
        wanted = self._wanted.get(result.node)
        if wanted is None or wanted.incarnation != result.incarnation:
            return
        if result.confirmed:
            self._off[result.node] = result
        self._result(FenceResult(result.node, result.incarnation, result.confirmed, result.reason))
        self._changed()
