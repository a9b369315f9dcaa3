"""The cluster's key is replaced by another while everything runs, as `docs/operate.md` says: add, move, remove."""

import secrets
from collections.abc import Callable
from functools import partial

from vedette.kit.units import SECOND
from vedette.lab.documents import FOLDER
from vedette.lab.drills import documents, expectations
from vedette.lab.drills.drill import Drill, everyone
from vedette.lab.drills.expectations import Expectation
from vedette.lab.drills.ground import Ground, needs_group
from vedette.lab.drills.operator import Plain
from vedette.lab.drills.scene import Scene

ADDED = "rehearsal.key"
STEP = 20 * SECOND
"""In which all nodes must have taken a step (ns)."""


def _linked(ground: Ground) -> str | None:
    if len(ground.spec.nodes) < 2:
        return "a single node has nobody to share a key with"
    return needs_group(ground)


def _put_key(scene: Scene) -> None:
    """The new key is on every node before any document names it."""
    content = secrets.token_hex(32).encode() + b"\n"
    for machine in scene.lab.machines.values():
        machine.replace_initial(FOLDER / ADDED, content, mode=0o600)


def _rotate(scene: Scene) -> None:
    before = _keys(scene)
    if before is None:
        scene.complain("the daemon does not say which keys it has: it cannot change them while it runs")
        return
    second, first, alone = documents.with_keys(scene.document, ADDED)
    _step(scene, second, "accepts the added key", lambda status: set(before) < set(status["keys"]))
    added = next(iter(set(_keys(scene) or ()) - set(before)), "")
    _step(scene, first, "signs with the added key", lambda status: status["signsWith"] == added)
    _step(scene, alone, "has forgotten the old key", lambda status: status["keys"] == [added] and not status["retired"])


def _rotate_back(scene: Scene) -> None:
    before = _keys(scene)
    if before is None:
        return
    second, first, _ = documents.with_keys(scene.document, ADDED)
    _step(scene, first, "accepts the old key", lambda status: len(status["keys"]) > 1)
    _step(scene, second, "signs with the old key", lambda status: status["signsWith"] == status["keys"][0])
    _step(scene, scene.document, "has forgotten the added key", lambda status: not status["retired"])


def _keys(scene: Scene) -> list[str] | None:
    status = (scene.operator.status(scene.active) or {}).get("authentication")
    return None if status is None else list(status["keys"])


def _step(scene: Scene, text: str, what: str, done: Callable[[Plain], bool]) -> None:
    """Edit the document everywhere, and wait until every node has done what it asks for, and is content."""
    if scene.complaints:
        return
    scene.operator.edit(text)
    for node in scene.lab.machines:
        if not scene.wait(partial(_is, scene, node, done), patience=STEP):
            scene.complain(f"{node} never {what}")
            return


def _is(scene: Scene, node: str, done: Callable[[Plain], bool]) -> bool:
    status = scene.operator.status(node)
    if status is None or status["spec"]["error"]:
        return False
    return all(other["state"] == "up" for other in status["nodes"]) and done(status["authentication"])


def _nothing_lost(_: Ground) -> Expectation:
    return expectations.nothing_lost("nothing lost; every node signs with the new key")


DRILLS = (
    Drill(
        name="key-rotation",
        summary="the cluster's key is replaced: another is added, moved to the front, and the old one removed",
        skip=_linked,
        expect=_nothing_lost,
        prepare=_put_key,
        inject=_rotate,
        over=Scene.flowing,
        heal=_rotate_back,
        concern=everyone,
        expect_healing=_nothing_lost,
    ),
)
