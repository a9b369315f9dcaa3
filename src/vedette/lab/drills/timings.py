"""What voters must agree on is changed in the document while everything runs, and nobody loses a lease."""

from functools import partial

from vedette.kit.units import SECOND, seconds
from vedette.lab.drills import documents, expectations
from vedette.lab.drills.drill import Drill, everyone
from vedette.lab.drills.expectations import Expectation
from vedette.lab.drills.ground import Ground, needs_group
from vedette.lab.drills.scene import Scene
from vedette.spec.resolved import Role, SplitBrainPolicy

AGREED = 20 * SECOND
"""In which all nodes must have the document and have agreed, beside what the voters wait between two steps (ns)."""


def _voters_agree(ground: Ground) -> str | None:
    return "there is nobody to agree with" if len(ground.spec.voters) < 2 else needs_group(ground)


def _two_and_a_witness(ground: Ground) -> str | None:
    directors = [node for node in ground.spec.nodes if node.role is Role.DIRECTOR]
    if not len(directors) == 2 < len(ground.spec.nodes):
        return "there are not two directors and a witness"
    return needs_group(ground)


def _double(scene: Scene) -> None:
    dead_after = 2 * scene.ground.spec.heartbeat.dead_after
    _change(scene, documents.with_dead_after(scene.document, dead_after), dead_after)


def _restore(scene: Scene) -> None:
    _change(scene, scene.document, scene.ground.spec.heartbeat.dead_after)


def _without_witnesses(scene: Scene) -> None:
    nodes = scene.ground.directors
    text = documents.with_nodes(scene.document, nodes, SplitBrainPolicy.TOLERATE)
    _change(scene, text, scene.ground.spec.heartbeat.dead_after, *nodes)


def _only_the_active(scene: Scene) -> None:
    text = documents.with_one(scene.document, scene.active)
    _change(scene, text, scene.ground.spec.heartbeat.dead_after, scene.active)


def _change(scene: Scene, text: str, dead_after: int, *nodes: str) -> None:
    """Edit the document everywhere, and wait until the nodes, or all, keep to it."""
    scene.operator.edit(text)
    patience = AGREED + 4 * scene.ground.spec.heartbeat.dead_after
    for node in nodes or tuple(scene.lab.machines):
        voters = len(nodes) if nodes else len(scene.ground.spec.voters)
        if not scene.wait(partial(_keeps_to, scene, node, dead_after, voters), patience=patience):
            scene.complain(f"{node} never keeps to the document")
            return


def _keeps_to(scene: Scene, node: str, dead_after: int, voters: int) -> bool:
    status = scene.operator.status(node)
    if status is None or status["spec"]["error"]:
        return False
    config = status["config"]
    agreed = (config["deadAfter"], len(config["voters"])) == (seconds(dead_after), voters)
    return agreed and not config["pending"]


def _nothing_lost(_: Ground) -> Expectation:
    return expectations.nothing_lost("nothing lost; every node keeps to the document")


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
    Drill(
        name="policy-changed",
        summary="witnesses leave the document, two nodes decide by `tolerate`, and witnesses come back",
        skip=_two_and_a_witness,
        expect=_nothing_lost,
        inject=_without_witnesses,
        over=Scene.flowing,
        heal=_restore,
        concern=everyone,
        expect_healing=_nothing_lost,
    ),
    Drill(
        name="one-is-left",
        summary="all nodes but the active one leave the document, it decides alone, and they come back",
        skip=_voters_agree,
        expect=_nothing_lost,
        inject=_only_the_active,
        over=Scene.flowing,
        heal=_restore,
        expect_healing=_nothing_lost,
    ),
)
