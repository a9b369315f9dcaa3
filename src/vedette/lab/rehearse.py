"""A whole rehearsal: build the lab, start the daemons, drill, judge, report.

The rehearsal promises to leave nothing behind: whatever ends it, the lab goes down (unless it is to be kept), and
every drill is undone before the next one begins, also one that ended in the middle.
"""

import contextlib
import os
import shutil
import signal
import time
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Protocol

from vedette.kit.errors import TransientError, VedetteError
from vedette.kit.units import MILLISECOND, SECOND
from vedette.lab import layout
from vedette.lab.drills import expectations, judge
from vedette.lab.drills.drill import Concern, Drill
from vedette.lab.drills.expectations import Expectation
from vedette.lab.drills.judge import Watch
from vedette.lab.drills.scene import PATIENCE, Scene
from vedette.lab.lab import Lab
from vedette.lab.observers import Observers
from vedette.lab.outage import Accept, any_answer, experience
from vedette.lab.probes import plan
from vedette.lab.report import Report, Result, Verdict, row
from vedette.lab.sightings import doubles
from vedette.spec.resolved import SplitBrainPolicy

FIRST_SETTLING = 90 * SECOND
"""From starting the daemons to everything in its place (ns), machines booting beside each other."""
LEARNING = 30 * SECOND
"""The longest that a router which has returned waits for the others' connections (docs/connections.md)."""
SETTLING = 40 * SECOND
"""From undoing a fault to everything in its place (ns)."""
RECORDED = 12 * SECOND
"""How long (ns) to wait for attempts that began in a drill to end."""
CALM_BEFORE = 300 * MILLISECOND
"""How long (ns) the client is watched before the fault and after everything was over."""


class Progress(Protocol):
    """Where a rehearsal tells how it goes."""

    def step(self, text: str) -> None: ...

    def detail(self, text: str) -> None: ...

    def done(self, text: str) -> None: ...


def rehearse(document: Path, *, drills: Sequence[Drill], progress: Progress, keep: bool, logs: Path) -> Report:
    """Rehearse one document; ``logs`` is where the machines' logs go when something failed.

    Raises :class:`vedette.kit.errors.UsageError` for a wrong document and :class:`PermanentError` where the lab
    cannot be built.
    """
    begun = time.monotonic_ns()
    with _terminated_as_interrupted():
        progress.step("building the lab")
        lab = Lab.up(document, name=f"rehearsal-{os.getpid()}", progress=progress.detail)
        try:
            stage = Stage(lab, document.read_text(), progress)
            progress.done(f"lab of {len(lab.machines)} machines, {len(lab.servers)} real servers and a client is up")
            results = stage.play(drills)
            report = Report(
                cluster=lab.spec.name,
                document=str(document),
                policy=lab.spec.policy.value,
                results=results,
                resolution=min((probe.period for probe in stage.ground.probes), default=0),
                duration=time.monotonic_ns() - begun,
                logs=None if all(result.verdict is not Verdict.FAILED for result in results) else str(logs),
            )
            if not report.held:
                _keep_logs(lab, logs)
        finally:
            if keep:
                lab.let_go()
                progress.done(f"the lab stays up: vedette lab status {lab.name}; vedette lab down {lab.name} ends it")
            else:
                progress.step("taking the lab down")
                lab.down()
        return report


class Stage:
    """A lab with its observers, on which drills are played one after the other."""

    def __init__(self, lab: Lab, text: str, progress: Progress) -> None:
        self.lab, self._text, self._progress = lab, text, progress
        probes = plan(lab.spec, reachable=layout.reachable(lab.spec, lab.topology))
        self.ground = layout.ground(lab.spec, lab.topology, probes)
        self.observers = Observers(probes, layout.machines(lab.topology), lab.directory / "rehearsal")

    def play(self, drills: Sequence[Drill]) -> tuple[Result, ...]:
        """Start everything, then play the drills; a start that fails is the only result."""
        spec = self.lab.spec
        patience = max(4 * SECOND, 3 * spec.heartbeat.dead_after)
        segments = layout.segments(spec, self.lab.topology)
        try:
            switch = next(iter(self.lab.networks.values())).namespace
            self.observers.start(self.lab.client, switch, segments, patience=patience)
            failure = self._start()
            if failure is not None:
                return (failure,)
            return tuple(self._result(drill) for drill in drills)
        finally:
            self.observers.stop()

    def _start(self) -> Result | None:
        """Start the daemons and wait until everything is in its place."""
        self._progress.step("starting the daemons")
        begun = time.monotonic_ns()
        scene = self._scene({}, any_answer)
        scene.faults.start_missing_daemons()
        settled = scene.wait(scene.settled, patience=FIRST_SETTLING)
        took = time.monotonic_ns() - begun
        if settled:
            self._progress.done(f"everything is up and served after {took / SECOND:.1f} s")
            return None
        self._progress.done("the cluster does not settle")
        return Result(
            drill="start",
            summary="all daemons are started, every group is held, the client is served",
            verdict=Verdict.FAILED,
            expected="everything up",
            reasons=(f"not within {took / SECOND:.0f} s: {_whereabouts(scene)}",),
            duration=took,
        )

    def _result(self, drill: Drill) -> Result:
        self._progress.step(f"{drill.name}: {drill.summary}")
        begun = time.monotonic_ns()
        skipped = drill.skip(self.ground)
        if skipped is not None:
            result = Result(drill.name, drill.summary, Verdict.SKIPPED, reasons=(skipped,))
        else:
            result = self._drill(drill, begun)
        self._progress.done(" ".join(_line(result)))
        return result

    def _drill(self, drill: Drill, begun: int) -> Result:
        expected = drill.expect(self.ground)
        watches: list[Watch] = []
        problems: list[str] = []
        notes: list[str] = []
        try:
            holders = self._settled_holders()
            scene = self._scene(holders, partial(drill.accept, self.ground))
            notes = scene.notes
            problems += self._perform(drill, scene, expected, watches)
            problems += scene.complaints
        except VedetteError as error:
            problems.append(str(error))
        for watch in watches:
            problems += judge.violations(watch, self.ground.probes)
        return Result(
            drill=drill.name,
            summary=drill.summary,
            verdict=Verdict.FAILED if problems else Verdict.HELD,
            expected=expected.reason,
            sums=judge.sums(watches, self.ground.probes) if watches else None,
            reasons=tuple(problems),
            notes=tuple(notes),
            duration=time.monotonic_ns() - begun,
            tolerated=not expected.doubles,
        )

    def _perform(self, drill: Drill, scene: Scene, expected: Expectation, watches: list[Watch]) -> list[str]:
        """Cause, wait, undo, wait; fills ``watches`` and returns what else went wrong."""
        problems: list[str] = []
        try:
            drill.prepare(scene)
            scene.exempt = {probe for probe in self.ground.probes if drill.concern(scene, probe) is Concern.EXEMPT}
            scene.pause(CALM_BEFORE)
            scene.injected = time.monotonic_ns()
            drill.inject(scene)
            if not scene.wait(lambda: drill.over(scene), patience=expected.settled + PATIENCE):
                problems.append(f"it did not get over the fault: {_whereabouts(scene)}")
            scene.pause(CALM_BEFORE)
            problems += drill.verify(scene)
        except VedetteError as error:
            problems.append(str(error))
        undone = time.monotonic_ns()
        problems += self._heal(drill, scene)
        ended = time.monotonic_ns()
        scene.wait(lambda: self.observers.complete_at(ended), patience=RECORDED)
        healing = drill.expect_healing(self.ground)
        struck = scene.struck or scene.injected
        watches.append(self._watch("fault", drill, scene, expected, scene.injected, undone, acted=struck))
        watches.append(self._watch("healing", drill, scene, healing, undone, ended, acted=undone))
        return problems + drill.verify_after(scene)

    def _heal(self, drill: Drill, scene: Scene) -> list[str]:
        """Undo the fault and wait for peace; where that does not come, undo everything there is."""
        with contextlib.suppress(VedetteError):
            drill.heal(scene)
            if self.ground.spec.policy is SplitBrainPolicy.FENCE:
                scene.restore()  # whatever the fault was, somebody may be switched off now
            if scene.wait(scene.settled, patience=SETTLING + self._before_failback()):
                scene.pause(CALM_BEFORE)
                return []
        where = _whereabouts(scene)
        with contextlib.suppress(VedetteError):
            scene.restore()
            scene.operator.edit(self._text)
            scene.wait(scene.settled, patience=SETTLING)
        return [f"it did not settle after the fault was undone: {where}"]

    def _before_failback(self) -> int:
        """What a router that has returned waits for by the document (ns): its delay, and the others' connections."""
        delay = max((group.failback_delay for group in self.lab.spec.groups), default=0)
        return delay + (LEARNING if self.lab.spec.connection_sync is not None else 0)

    def _watch(
        self, name: str, drill: Drill, scene: Scene, expected: Expectation, since: int, until: int, *, acted: int
    ) -> Watch:
        attempts = self.observers.traffic.since(since - SECOND)
        expectation_of = {
            Concern.CONCERNED: expected,
            Concern.UNCONCERNED: expectations.nothing_lost("not concerned"),
            Concern.EXEMPT: None,
        }
        seen = [
            experience(
                [attempt for attempt in attempts if attempt.probe == index],
                since=since,
                until=until,
                accept=partial(drill.accept, self.ground),
            )
            for index in range(len(self.ground.probes))
        ]
        heard = self.observers.wire.between(since - CALM_BEFORE, until)
        return Watch(
            name=name,
            acted=acted,
            expected=[expectation_of[drill.concern(scene, probe)] for probe in self.ground.probes],
            experiences=seen,
            doubles=doubles(heard, self.observers.machines),
            exclusive=expected.doubles,
        )

    def _settled_holders(self) -> dict[str, str]:
        """Wait for peace, and ask the machines' kernels who holds what; raises :class:`TransientError` without it."""
        scene = self._scene({}, any_answer)
        if not scene.wait(scene.settled, patience=SETTLING):
            self._progress.detail("repairing what the former drill left")
            scene.restore()
            if not scene.wait(scene.settled, patience=SETTLING):
                raise TransientError(f"it could not begin: {_whereabouts(scene)}")
        return scene.kernels.holders(scene.reached)

    def _scene(self, holders: dict[str, str], accept: Accept) -> Scene:
        return Scene(self.lab, self.observers, self.ground, holders, self._text, accept)


def _whereabouts(scene: Scene) -> str:
    """Where things stand, for the report of what did not happen in time."""
    scene.observers.refresh()
    words = [f"{group.name} is answered for by {scene.holder(group) or 'nobody'}" for group in scene.reached]
    if not scene.flowing():
        words.append("the client is not served")
    silent = [
        node
        for node in scene.ground.directors
        if scene.lab.machines[node].alive and scene.operator.status(node) is None
    ]
    if silent:
        words.append(f"no daemon answers on {', '.join(silent)}")
    return "; ".join(words)


def _line(result: Result) -> Iterator[str]:
    """One line of progress: ``power-cut-active held: longest gap 1032 ms, 103 lost (9.1 s)``."""
    yield f"{result.drill:18} {result.verdict.value}"
    if result.sums is not None:
        _, _, gap, lost, double, _ = row(result)
        yield f"· longest gap {gap}, {lost} lost, doubles {double} · {result.duration / SECOND:.1f} s"
    elif result.reasons:
        yield f"· {result.reasons[0]}"


def _keep_logs(lab: Lab, target: Path) -> None:
    """Copy what the machines wrote, so that a failure can be looked into after the lab is gone."""
    target.mkdir(parents=True, exist_ok=True)
    for name, machine in lab.machines.items():
        for log in (lab.daemon_log(name), machine.directory / "console.log"):
            if log.exists():
                shutil.copy(log, target / f"{name}-{log.name}")


@contextlib.contextmanager
def _terminated_as_interrupted() -> Iterator[None]:
    """Turn SIGTERM into what Ctrl-C raises: everything is cleaned up in the same way."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    former = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, former)
