"""deadAfter is changed in the document while everything runs: the voters agree on it, and nobody loses a lease."""

from functools import partial

from vedette.kit.units import SECOND, seconds
from vedette.lab.drills import documents, expectations
from vedette.lab.drills.drill import Drill, everyone
from vedette.lab.drills.expectations import Expectation
from vedette.lab.drills.ground import Ground, needs_group
from vedette.lab.drills.scene import Scene
from vedette.spec.resolved import SplitBrainPolicy

AGREED = 20 * SECOND
"""In which all nodes must have the document and have agreed, beside what the voters wait between two steps (ns)."""


def _voters_agree(ground: Ground) -> str | None:
    if ground.spec.policy is not SplitBrainPolicy.MAJORITY or len(ground.spec.voters) < 3:
        return "only three or more voters agree on timings while they run"
    return needs_group(ground)


def _double(scene: Scene) -> None:
    dead_after = 2 * scene.ground.spec.heartbeat.dead_after
    _change(scene, documents.with_dead_after(scene.document, dead_after), dead_after)


def _restore(scene: Scene) -> None:
    _change(scene, scene.document, scene.ground.spec.heartbeat.dead_after)


def _change(scene: Scene, text: str, dead_after: int) -> None:
    """Edit the document everywhere, and wait until every node keeps to it."""
    scene.operator.edit(text)
    patience = AGREED + 4 * scene.ground.spec.heartbeat.dead_after
    for node in scene.lab.machines:
        if not scene.wait(partial(_keeps_to, scene, node, dead_after), patience=patience):
            scene.complain(f"{node} never keeps to the document's deadAfter")
            return


def _keeps_to(scene: Scene, node: str, dead_after: int) -> bool:
    status = scene.operator.status(node)
    if status is None or status["spec"]["error"]:
        return False
    config = status["config"]
    return config["deadAfter"] == seconds(dead_after) and not config["pending"]


def _nothing_lost(_: Ground) -> Expectation:
    return expectations.nothing_lost("nothing lost; every node keeps to the new deadAfter")


DRILLS = (
    Drill(
        name="timings-changed",
        summary="deadAfter is doubled in the document, and halved again",
        skip=_voters_agree,
        expect=_nothing_lost,
        inject=_double,
        over=Scene.flowing,
        heal=_restore,
        concern=everyone,
        expect_healing=_nothing_lost,
    ),
)
