"""A whole rehearsal: build the lab, start the daemons, drill, judge, report.

The rehearsal promises to leave nothing behind: whatever ends it, the lab goes down (unless it is to be kept). And it
plays every drill: one that leaves the lab in ruins costs the others no more than another lab.
"""

import contextlib
import os
import shutil
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import FrameType
from typing import Protocol

from vedette.kit.errors import VedetteError
from vedette.lab import documents
from vedette.lab.drills.drill import Drill
from vedette.lab.lab import Lab
from vedette.lab.report import Report, Result, Verdict
from vedette.lab.stage import RECORDS, Progress, Stage


def rehearse(document: Path, *, drills: Sequence[Drill], progress: Progress, keep: bool, logs: Path) -> Report:
    """Rehearse one document; ``logs`` is where the machines' logs go when something failed.

    Raises :class:`vedette.kit.errors.UsageError` for a wrong document and :class:`PermanentError` where the lab
    cannot be built.
    """
    begun = time.monotonic_ns()
    documents.read(document)  # before anything is said of a lab
    house = House(document, progress=progress, logs=logs)
    with _terminated_as_interrupted():
        try:
            stage = house.build()
            results = play(drills, stage, rebuild=house.rebuild)
            assert house.stage is not None
            ground = house.stage.ground
            report = Report(
                cluster=ground.spec.name,
                document=str(document),
                policy=ground.spec.policy.value,
                results=results,
                resolution=min((probe.period for probe in ground.probes), default=0),
                duration=time.monotonic_ns() - begun,
                logs=None if all(result.verdict is not Verdict.FAILED for result in results) else str(logs),
            )
            if not report.held:
                house.keep_logs(logs)
        finally:
            house.close(keep=keep)
        return report


class Playing(Protocol):
    """What drills are played on (:class:`vedette.lab.stage.Stage`)."""

    usable: bool

    def start(self) -> Result | None: ...

    def play(self, drill: Drill) -> Result: ...


def play(drills: Sequence[Drill], stage: Playing, *, rebuild: Callable[[str], Playing]) -> tuple[Result, ...]:
    """Start everything, then play the drills; a start that fails is the only result.

    Where a drill has left the stage unusable the next one gets another, from ``rebuild`` (told which drill it was).
    Where there is none to be had, the rest has failed, each with the reason.
    """
    failure = stage.start()
    if failure is not None:
        return (failure,)
    results: list[Result] = []
    for number, drill in enumerate(drills):
        if not stage.usable:
            try:
                stage = rebuild(results[-1].drill)
                failure = stage.start()
                why = failure.reasons[0] if failure is not None else ""
            except VedetteError as error:
                why = str(error)
            if why:
                return (*results, *(_not_played(one, why) for one in drills[number:]))
        results.append(stage.play(drill))
    return tuple(results)


def _not_played(drill: Drill, why: str) -> Result:
    reasons = (f"not played: a former drill left the lab in ruins, and another could not be built: {why}",)
    return Result(drill.name, drill.summary, Verdict.FAILED, reasons=reasons)


class House:
    """The lab of a rehearsal with the stage on it; when it is in ruins, the next one."""

    def __init__(self, document: Path, *, progress: Progress, logs: Path) -> None:
        self._document, self._progress, self._logs = document, progress, logs
        self._lab: Lab | None = None
        self.stage: Stage | None = None

    def build(self) -> Stage:
        """Raises :class:`VedetteError` where the lab cannot be built; nothing is left then."""
        self._progress.step("building the lab")
        self._lab = lab = Lab.up(self._document, name=f"rehearsal-{os.getpid()}", progress=self._progress.detail)
        self.stage = Stage(lab, self._document.read_text(), self._progress)
        self._progress.done(f"lab of {len(lab.machines)} machines, {len(lab.servers)} real servers and a client is up")
        return self.stage

    def rebuild(self, culprit: str) -> Stage:
        """Another lab in place of the one that a drill has ruined; its logs are kept in a folder of that name."""
        self.keep_logs(self._logs / culprit)
        self.close(keep=False)
        return self.build()

    def keep_logs(self, target: Path) -> None:
        """Copy what the machines wrote, so that a failure can be looked into after the lab is gone."""
        if self._lab is not None:
            _keep_logs(self._lab, target)

    def close(self, *, keep: bool) -> None:
        if self.stage is not None:
            self.stage.stop()
        lab, self._lab = self._lab, None
        if lab is None:
            return
        if keep:
            lab.let_go()
            words = f"vedette lab status {lab.name}; vedette lab down {lab.name} ends it"
            self._progress.done(f"the lab stays up: {words}")
        else:
            self._progress.step("taking the lab down")
            lab.down()


def _keep_logs(lab: Lab, target: Path) -> None:
    target.mkdir(parents=True, exist_ok=True)
    found = {
        f"{name}-{log.name}": log
        for name, machine in lab.machines.items()
        for log in (lab.daemon_log(name), machine.directory / "console.log")
    }
    records = [*(lab.directory / RECORDS).glob("*.log"), *(lab.directory / RECORDS).glob("*.traceback")]
    found |= {log.name: log for log in (*records, lab.directory / "supervisor.log")}
    for name, log in found.items():
        with contextlib.suppress(OSError):  # what is left of a dead lab is swept away by whoever builds another
            if log.stat().st_size:
                shutil.copy(log, target / name)


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
