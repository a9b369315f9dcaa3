"""A lab with its observers, on which drills are played one after the other.

Every drill is undone before the next one begins, also one that ended in the middle. Where that does not bring the lab
back, the stage is not usable any more, and the rehearsal builds another.
"""

import contextlib
import time
import traceback
from collections.abc import Iterator
from functools import partial
from pathlib import Path
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
from vedette.lab.report import Result, Verdict, row
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
RECORDS = "rehearsal"
"""The folder of a lab that a rehearsal writes into."""
CALM_BEFORE = 300 * MILLISECOND
"""How long (ns) the client is watched before the fault and after everything was over."""


class Progress(Protocol):
    """Where a rehearsal tells how it goes."""

    def step(self, text: str) -> None: ...

    def detail(self, text: str) -> None: ...

    def done(self, text: str) -> None: ...


class Stage:
    """``usable``: whether another drill may begin. ``records`` is where the observers and broken drills write."""

    def __init__(self, lab: Lab, text: str, progress: Progress) -> None:
        self.lab, self._text, self._progress = lab, text, progress
        probes = plan(lab.spec, reachable=layout.reachable(lab.spec, lab.topology))
        self.ground = layout.ground(lab.spec, lab.topology, probes)
        self.records = lab.directory / RECORDS
        self.observers = Observers(probes, layout.machines(lab.topology), self.records)
        self.usable = True
        self._set: Scene | None = None
        """The scene of the drill that is played: only it knows what that has begun."""

    def start(self) -> Result | None:
        """Start the observers and the daemons and wait until everything is in its place; returns what failed."""
        spec = self.lab.spec
        patience = max(4 * SECOND, 3 * spec.heartbeat.dead_after)
        segments = layout.segments(spec, self.lab.topology)
        switch = next(iter(self.lab.networks.values())).namespace
        self.observers.start(self.lab.client, switch, segments, patience=patience)
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

    def stop(self) -> None:
        """End the observers; the lab stays as it is."""
        self.observers.stop()

    def play(self, drill: Drill) -> Result:
        """Play one drill. What goes wrong in it, whatever it is, is its result."""
        self._progress.step(f"{drill.name}: {drill.summary}")
        begun = time.monotonic_ns()
        self._set = None
        try:
            skipped = drill.skip(self.ground)
            if skipped is not None:
                result = Result(drill.name, drill.summary, Verdict.SKIPPED, reasons=(skipped,))
            else:
                result = self._drill(drill, begun)
        except Exception as error:  # a mistake of ours: the other drills are none the worse for it
            why = self._broken(drill, error)
            duration = time.monotonic_ns() - begun
            result = Result(drill.name, drill.summary, Verdict.FAILED, reasons=(why,), duration=duration)
        self._progress.done(" ".join(_line(result)))
        return result

    def _drill(self, drill: Drill, begun: int) -> Result:
        expected = drill.expect(self.ground)
        watches: list[Watch] = []
        problems: list[str] = []
        notes: list[str] = []
        try:
            holders = self._settled_holders()
            scene = self._set = self._scene(holders, partial(drill.accept, self.ground))
            notes = scene.notes
            problems += self._perform(drill, scene, expected, watches)
            problems += scene.complaints
        except VedetteError as error:  # outside of what a drill undoes by itself
            problems.append(str(error))
            self._bring_back(self._set or self._scene({}, any_answer))
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

    def _broken(self, drill: Drill, error: Exception) -> str:
        """Write down where an error of our own came from, and undo everything; returns what to say."""
        with contextlib.suppress(OSError):
            (self.records / f"{drill.name}.traceback").write_text("".join(traceback.format_exception(error)))
        self._bring_back(self._set or self._scene({}, any_answer))
        place = traceback.extract_tb(error.__traceback__)[-1]
        where = f"{Path(place.filename).name}, line {place.lineno}"
        return f"the drill itself broke: {type(error).__name__}: {error} ({where})"

    def _bring_back(self, scene: Scene) -> None:
        """Undo everything there is. Where peace does not come of it the next drill needs another lab."""
        self.usable = False
        with contextlib.suppress(Exception):
            scene.restore()
            scene.operator.edit(self._text)
            self.usable = scene.wait(scene.settled, patience=SETTLING)

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
        self._bring_back(scene)
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
