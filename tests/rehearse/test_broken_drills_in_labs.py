"""Drills that break, in a real lab: one that leaves it as it was, and one that destroys it."""

import os
import signal
from pathlib import Path

import pytest

from vedette.lab import rehearse
from vedette.lab.drills import catalogue, expectations
from vedette.lab.drills.drill import Drill
from vedette.lab.drills.ground import needs_group
from vedette.lab.drills.scene import Scene
from vedette.lab.report import Verdict

DOCUMENT = Path(__file__).parents[2] / "examples" / "two-routers" / "cluster.yaml"

pytestmark = pytest.mark.lab


class Silent:
    def step(self, text: str) -> None:
        pass

    def detail(self, text: str) -> None:
        pass

    def done(self, text: str) -> None:
        pass


def cut_and_break(scene: Scene) -> None:
    """The cable that it has cut must be whole for the next drill."""
    scene.faults.cut(scene.active, min(scene.ground.client_networks))
    raise KeyError("no such thing")


def destroy(scene: Scene) -> None:
    os.kill(scene.lab.pid, signal.SIGKILL)


def drill(name: str, inject: object) -> Drill:
    assert callable(inject)
    return Drill(
        name=name,
        summary=name,
        skip=needs_group,
        expect=lambda _: expectations.nothing_lost("nothing"),
        inject=inject,
        over=Scene.flowing,
    )


@pytest.mark.timeout(500)
def test_the_others_are_played_and_what_broke_is_in_the_report_and_the_logs(tmp_path: Path) -> None:
    (edit,) = catalogue.choose(["bad-edit"])
    drills = [drill("destroys", destroy), edit, drill("breaks", cut_and_break), edit]
    report = rehearse.rehearse(DOCUMENT, drills=drills, progress=Silent(), keep=False, logs=tmp_path)
    destroys, between, breaks, after = report.results
    assert "the lab does not answer" in destroys.reasons[0]
    assert "the drill itself broke: KeyError: 'no such thing' (test_broken_drills_in_labs.py" in breaks.reasons[0]
    assert [destroys.verdict, breaks.verdict] == [Verdict.FAILED, Verdict.FAILED]
    assert between.verdict is after.verdict is Verdict.HELD, (between.reasons, after.reasons)
    assert {"breaks.traceback", "router1-daemon.log"} <= {path.name for path in tmp_path.iterdir()}
    assert "KeyError" in (tmp_path / "breaks.traceback").read_text()
