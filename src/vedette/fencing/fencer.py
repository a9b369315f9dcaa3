"""What the fencer process does: switches off what is wanted off, looks after the plugs, and keeps the history.

Level-triggered: it is told the complete wanted set again and again, and does what differs. It knows nothing of leases
and decides nothing about the cluster.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from random import SystemRandom

from vedette.fencing import inquiry, memory, messages, plugs
from vedette.fencing.answers import Answer
from vedette.fencing.history import History
from vedette.fencing.messages import Assignment, FenceReport, PlugReport, Report, Result, Wanted
from vedette.fencing.plugs import Plug
from vedette.fencing.procedure import Means, Phase, Procedure, Progress
from vedette.fencing.records import Ended, Entry, Moments, entry
from vedette.fencing.surveillance import Surveillance
from vedette.fencing.ways import Build, Ways
from vedette.kit import clock, log, plain
from vedette.kit.channel import Message
from vedette.kit.errors import TransientError
from vedette.kit.units import MILLISECOND, SECOND, seconds
from vedette.spec.resolved import Fencing, FencingDevice, FencingUse, Manual

logger = logging.getLogger("vedette.fencing")

PAUSE = 100 * MILLISECOND
"""From a change to its report (ns): changes come in bunches."""
CRASHED = 5 * SECOND
"""Before a procedure that broke by a mistake of ours is begun again (ns)."""


@dataclass
class Fence:
    """One node that is wanted off."""

    wanted: Wanted
    result: Result | None = None
    told: str = ""
    """The last failure that was reported."""
    procedure: Procedure | None = None
    task: "asyncio.Task[None] | None" = None


@dataclass(frozen=True)
class Setup:
    """The document's part that runs, and the ways to its devices."""

    assignment: Assignment
    means: Mapping[str, Means]

    def fencing(self, node: str) -> Fencing | None:
        return next((item.fencing for item in self.assignment.nodes if item.name == node), None)

    def device(self, wanted: str) -> FencingDevice:
        return next(device for device in self.assignment.devices if device.name == wanted)

    def plug(self, node: str, use: FencingUse) -> Plug:
        return Plug(node, use.device, use.plug, plugs.likeness(self.device(use.device)))

    def signature(self, node: str) -> object:
        """What a procedure against ``node`` depends on: it is begun again when this changes."""
        fencing = self.fencing(node)
        names = sorted({use.device for level in fencing.levels for use in level}) if fencing else ()
        return fencing, [self.device(item) for item in names]


class Fencer:
    """``send`` gives a message to the keeper, ``build`` makes a device's driver."""

    def __init__(
        self,
        tasks: asyncio.TaskGroup,
        *,
        send: Callable[[Message], object],
        build: Build,
        run_dir: Path,
        state_dir: Path,
        now: Callable[[], int] = clock.boottime,
    ) -> None:
        self._tasks, self._send, self._now = tasks, send, now
        self._ways = Ways(build, now=now)
        self._run_dir, self._history = run_dir, History(state_dir)
        self._setup: Setup | None = None
        self._surveillance: Surveillance | None = None
        self._watching: asyncio.Task[None] | None = None
        self._believed = memory.recall(run_dir)
        self._wanted: dict[str, Wanted] = {}
        self._alive: dict[str, int] = {}
        self._fences: dict[str, Fence] = {}
        self._fresh_until = 0
        self._fresh = asyncio.Event()
        self._assigning = asyncio.Lock()
        self._writing = asyncio.Lock()
        self._reporting: asyncio.TimerHandle | None = None
        self._history_trouble = ""
        self._unrecorded: list[Entry] = []

    def close(self) -> None:
        """Write what is not in the history yet: the end of this process may follow the end of a fence closely."""
        for noted in self._unrecorded:
            with contextlib.suppress(OSError):
                self._history.add(noted)

    def receive(self, message: Message) -> None:
        """Take a message of the keeper."""
        if "wanted" in message:
            wanted = [plain.load(Wanted, item) for item in message["wanted"]]
            self._take_wanted({item.node: item for item in wanted}, message["alive"])
        elif "assignment" in message:
            self._tasks.create_task(self._assign(plain.load(Assignment, message["assignment"])))
        elif "record" in message:
            self._tasks.create_task(self._record(message["record"], number=message["entry"]))
        elif "ask" in message:
            self._tasks.create_task(self._answer(message))

    # the document

    async def _assign(self, assignment: Assignment) -> None:
        """Take a document's part; what it does not change goes on as it is."""
        async with self._assigning:
            former = self._setup
            if former is not None and former.assignment == assignment:
                return
            await self._ways.prepare(assignment.devices)
            self._setup = setup = Setup(assignment, self._ways.means)
            if former is not None:
                for node, fence in self._fences.items():
                    if fence.result is None and former.signature(node) != setup.signature(node):
                        self._end(fence)
            self._watch(setup)
            self._pursue()

    def _watch(self, setup: Setup) -> None:
        assignment = setup.assignment
        if self._surveillance is not None:
            self._believed = dict(self._surveillance.readings)
        if self._watching is not None:
            self._watching.cancel()
        self._surveillance = Surveillance(
            plugs.plugs_of(assignment.nodes, assignment.devices),
            setup.means,
            dead_after=assignment.dead_after,
            readings=self._believed,
            changed=self._changed,
            now=self._now,
        )
        self._surveillance.living(self._alive)
        self._watching = self._tasks.create_task(self._surveillance.run())
        self._changed()

    # what is wanted

    def _take_wanted(self, wanted: dict[str, Wanted], alive: dict[str, int]) -> None:
        self._fresh_until = self._now() + messages.FRESH
        self._fresh.set()
        self._wanted = wanted
        if alive != self._alive:
            self._alive = alive
            if self._surveillance is not None:
                self._surveillance.living(alive)
        self._pursue()

    def _pursue(self) -> None:
        """Begin what is wanted and not begun, end what is not wanted any more, and say again what is done."""
        for node, fence in list(self._fences.items()):
            wanted = self._wanted.get(node)
            if wanted is None or wanted.incarnation != fence.wanted.incarnation:
                self._withdraw(self._fences.pop(node))
        for node, wanted in self._wanted.items():
            fence = self._fences.setdefault(node, Fence(wanted))
            if fence.result is not None:
                self._send({"result": plain.dump(fence.result)})
            elif fence.task is None and self._setup is not None:
                self._begin(fence, self._setup)

    def _begin(self, fence: Fence, setup: Setup) -> None:
        fencing, node = setup.fencing(fence.wanted.node), fence.wanted.node
        if fencing is None:
            self._failed(fence, "the document has no fencing for it: only a person can confirm that it is off")
            return
        wait = max(fence.wanted.wait, fencing.delay)
        wait += SystemRandom().randint(0, wait // 10)  # two that wait for each other must not wake in step
        fence.procedure = Procedure(
            fencing,
            setup.means,
            trusted=lambda use: self._trusted(setup.plug(node, use)),
            doubted=lambda use: self._doubted(setup.plug(node, use)),
            saw=lambda use, answer: self._saw(setup.plug(node, use), answer),
            allowed=self._allowed,
            failed=lambda reason: self._failed(fence, reason),
            progressed=self._changed,
            now=self._now,
        )
        fence.task = self._tasks.create_task(self._carry_out(fence, fence.procedure, fence.wanted.asked + wait))
        log.event(logger, logging.WARNING, "fence.begun", node=node, incarnation=fence.wanted.incarnation)

    async def _carry_out(self, fence: Fence, procedure: Procedure, start: int) -> None:
        try:
            proof = await procedure.run(wait=max(0, start - self._now()))
        except Exception as error:  # a mistake of ours must not end the fencing of a node for good
            log.event(logger, logging.ERROR, "fence.broken", node=fence.wanted.node, error=type(error).__name__)
            self._failed(fence, f"a mistake in the procedure: {type(error).__name__}")
            await asyncio.sleep(seconds(CRASHED))
            fence.task = None
            self._pursue()
            return
        wanted = fence.wanted
        fence.result = Result(wanted.node, wanted.incarnation, True, proof, procedure.evidence)
        self._send({"result": plain.dump(fence.result)})
        log.event(logger, logging.WARNING, "fence.done", node=wanted.node, proof=proof)
        self._note(fence, Ended.OFF, proof)

    def _failed(self, fence: Fence, reason: str) -> None:
        """A round came to nothing: told, logged and recorded when that, or its reason, is news."""
        wanted, evidence = fence.wanted, fence.procedure.evidence if fence.procedure else ()
        news, fence.told = fence.told != reason, reason
        if news:
            self._send({"result": plain.dump(Result(wanted.node, wanted.incarnation, False, reason, evidence))})
            log.event(logger, logging.ERROR, "fence.failed", node=wanted.node, reason=reason)
            self._note(fence, Ended.FAILED, reason)

    def _withdraw(self, fence: Fence) -> None:
        self._end(fence)
        if fence.result is None:
            log.event(logger, logging.WARNING, "fence.withdrawn", node=fence.wanted.node)
            self._note(fence, Ended.WITHDRAWN, "not wanted any more")

    def _end(self, fence: Fence) -> None:
        if fence.task is not None:
            fence.task.cancel()
            fence.task = None

    async def _allowed(self) -> None:
        """Return when the keeper has said a moment ago what it wants."""
        while self._now() >= self._fresh_until:
            self._fresh.clear()
            await self._fresh.wait()

    # the plugs

    def _trusted(self, plug: Plug) -> bool:
        assert self._surveillance is not None
        reading = self._surveillance.readings.get(plug)
        return reading is not None and reading.trusted

    def _doubted(self, plug: Plug) -> bool:
        assert self._surveillance is not None
        reading = self._surveillance.readings.get(plug)
        return reading is not None and reading.doubted

    def _saw(self, plug: Plug, answer: Answer) -> None:
        assert self._surveillance is not None
        self._surveillance.take(plug, answer)

    # the history

    def _note(self, fence: Fence, ended: Ended, reason: str) -> None:
        assert self._setup is not None or fence.procedure is None
        me = self._setup.assignment.me if self._setup else "?"
        noted = entry(
            node=fence.wanted.node,
            incarnation=fence.wanted.incarnation,
            asked_by=f"the cluster core of {me}",
            asked=fence.wanted.asked,
            ended=ended,
            reason=reason,
            evidence=fence.procedure.evidence if fence.procedure else (),
            moments=Moments(boottime=self._now(), wall=time.time_ns()),
        )
        self._keep(noted)

    def _keep(self, noted: Entry) -> None:
        self._unrecorded.append(noted)
        self._tasks.create_task(self._record(noted))
        self._changed()

    async def _record(self, noted: Entry, *, number: int | None = None) -> None:
        """Write to the history; a full disk costs the entry's place there, and nothing else."""
        async with self._writing:
            if noted in self._unrecorded:
                self._unrecorded.remove(noted)  # a write that has begun goes on to its end, whatever ends here
            try:
                await asyncio.to_thread(self._history.add, noted)
                self._history_trouble = ""
            except OSError as error:
                log.event(logger, logging.ERROR, "fencing.history_not_written", reason=error.strerror)
                self._history_trouble = f"cannot be written: {error.strerror}"
        if number is not None:
            self._send({"entry": number})
        self._changed()

    # questions

    async def _answer(self, message: Message) -> None:
        node, setup = message["node"], self._setup
        fencing = setup.fencing(node) if setup is not None else None
        answer: Message = {"answer": message["ask"]}
        if setup is None:
            answer |= {"error": "the fencer has only just started: it does not know its devices yet", "unable": True}
        elif fencing is None:
            answer["error"] = f"no device is known for {node}"
        elif message["what"] == "test":
            manual = {device.name for device in setup.assignment.devices if isinstance(device.driver, Manual)}

            def saw(use: FencingUse, said: Answer) -> None:
                self._saw(setup.plug(node, use), said)

            answer["levels"] = await inquiry.test(fencing, setup.means, manual=manual, saw=saw, now=self._now)
        elif node in self._wanted:
            answer["error"] = f"{node} is to be off: it is being fenced"
        elif message["what"] == "off":
            answer |= await self._try_out(message, setup, fencing)
        else:
            answer["levels"] = await inquiry.switch_on(fencing, setup.means)
        self._send(answer)

    async def _try_out(self, message: Message, setup: Setup, fencing: Fencing) -> Message:
        """Switch a node off because a person wants to see whether that works: recorded like every other time."""
        node, asked = message["node"], message["asked"]
        if not 1 <= message["level"] <= len(fencing.levels):
            return {"error": f"{node} has no level {message['level']}"}
        log.event(logger, logging.WARNING, "fence.tested", node=node, fencing_level=message["level"], by=message["by"])
        try:
            proof, problem, evidence = await inquiry.switch_off(
                fencing,
                setup.means,
                level=message["level"],
                asked=asked,
                trusted=lambda use: self._trusted(setup.plug(node, use)),
                doubted=lambda use: self._doubted(setup.plug(node, use)),
                saw=lambda use, answer: self._saw(setup.plug(node, use), answer),
                now=self._now,
            )
        except TransientError as error:
            return {"error": str(error), "unable": True}
        noted = entry(
            node=node,
            incarnation=message["incarnation"],
            asked_by=message["by"],
            asked=asked,
            ended=Ended.OFF if proof else Ended.FAILED,
            reason=proof or problem,
            evidence=evidence,
            moments=Moments(boottime=self._now(), wall=time.time_ns()),
        )
        self._keep(noted)
        said = [plain.dump(item) | {"seconds": round((item.at - asked) / SECOND, 3)} for item in evidence]
        return {"proof": proof, "problem": problem, "evidence": said}

    # the report

    def _changed(self) -> None:
        if self._reporting is None:
            self._reporting = asyncio.get_running_loop().call_later(seconds(PAUSE), self._report)

    def _report(self) -> None:
        self._reporting = None
        self._remember()
        self._send({"report": plain.dump(self.report())})

    def _remember(self) -> None:
        if self._surveillance is None:
            return
        believed = plugs.remembered(self._surveillance.readings)
        if {plug: reading.trusted for plug, reading in believed.items()} == {
            plug: reading.trusted for plug, reading in self._believed.items()
        }:
            return
        try:
            memory.remember(self._run_dir, believed)
            self._believed = dict(believed)
        except OSError as error:
            log.event(logger, logging.ERROR, "fencing.plugs_not_kept", reason=error.strerror)

    def report(self) -> Report:
        """What is seen and done, as of now."""
        readings = self._surveillance.readings if self._surveillance else {}
        seen = tuple(
            PlugReport(
                node=plug.node,
                device=plug.device,
                plug=plug.plug,
                power=reading.power,
                since=reading.since,
                read=reading.read,
                trusted=reading.trusted,
                problem=plugs.alarm(reading, alive=plug.node in self._alive),
            )
            for plug, reading in readings.items()
        )
        troubles = {f"fencing device {name}": trouble for name, trouble in self._ways.troubles.items()}
        if self._history_trouble:
            troubles["fencing history"] = self._history_trouble
        return Report(seen, tuple(_fence_report(fence) for fence in self._fences.values()), troubles)


def _fence_report(fence: Fence) -> FenceReport:
    progress = fence.procedure.progress if fence.procedure else Progress(Phase.PAUSING)
    return FenceReport(
        node=fence.wanted.node,
        incarnation=fence.wanted.incarnation,
        asked=fence.wanted.asked,
        phase=progress.phase.value,
        level=progress.level,
        rounds=progress.rounds,
        until=progress.until,
        failure=fence.told,
        proof=fence.result.reason if fence.result else "",
    )
