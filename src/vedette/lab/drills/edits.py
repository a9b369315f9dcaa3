"""The document is edited while everything runs: well, and badly."""

import time

from vedette.kit.units import SECOND
from vedette.lab.drills import documents, expectations, tables
from vedette.lab.drills.drill import Drill, everyone
from vedette.lab.drills.expectations import Expectation
from vedette.lab.drills.ground import Ground, needs_group, needs_other_director, needs_service, usable
from vedette.lab.drills.scene import Scene

APART = 3 * SECOND
"""From one node's edit to that of the others (ns)."""


def _has_weights(ground: Ground) -> str | None:
    if not any(usable(service) for service in ground.services):
        return needs_service(ground) or "no virtual service has a usable real server"
    return None


def _remember(scene: Scene) -> None:
    for node in scene.ground.directors:
        scene.kernels.remember(node)


def _reweigh(scene: Scene) -> None:
    changed = documents.reweigh(scene.document)
    assert changed is not None
    scene.operator.edit(changed.text)


def _applied(scene: Scene) -> bool:
    """Every director runs the edited document, and says no problem about it."""
    return scene.operator.documents_agree() and scene.flowing()


def _one_destination_changed(scene: Scene) -> list[str]:
    """On every director the same one real server has the new weight, in each service that uses it, and no more."""
    changed = documents.reweigh(scene.document)
    assert changed is not None
    found = []
    for node in scene.ground.directors:
        before, after = scene.kernels.remembered[node], scene.kernels.look(node)
        for key in tables.changed_entries(before, after):
            is_server = len(key) == 3 and key[2].rpartition(":")[0].strip("[]") == str(changed.server)
            if not is_server or f"-w {changed.weight}" not in after.entries.get(key, ""):
                found.append(f"{node}: {' → '.join(key)} changed too")
        if not tables.changed_entries(before, after):
            found.append(f"{node}: nothing changed in the kernel's table")
        found += [f"{node}: {what}" for what in tables.reset_counters(before, after)]
    return found


def _break_both_ways(scene: Scene) -> None:
    """First a document that cannot be read, then one that can and makes no sense; each must show in the status."""
    for text in (documents.broken_syntax(scene.document), documents.broken_sense(scene.document)):
        scene.operator.edit(text)
        if not scene.wait(scene.operator.documents_refused, patience=expectations.EDIT_APPLIED):
            scene.complain("a broken document does not show in the status")


def _nothing_changed(scene: Scene) -> list[str]:
    found = []
    for node in scene.ground.directors:
        found += [
            f"{node}: {what}" for what in tables.changes(scene.kernels.remembered[node], scene.kernels.look(node))
        ]
    return found


def _restore(scene: Scene) -> None:
    scene.operator.edit(scene.document)


def _harmless(_: Ground) -> Expectation:
    return expectations.nothing_lost("one destination changes on every director")


def _refused(_: Ground) -> Expectation:
    return expectations.nothing_lost("nothing changes, status shows it")


def _restored(_: Ground) -> Expectation:
    return expectations.nothing_lost("the document is as before")


def _rename(scene: Scene) -> None:
    """One node after the other gets the document, the holder last; as long as it lacks it, nothing may change."""
    text = documents.with_renamed_groups(scene.document)
    others = [name for name in scene.lab.machines if name != scene.active]
    for node in others:
        scene.operator.edit(text, node)
        scene.pause(SECOND)
    scene.pause(SECOND)
    if not scene.flowing():
        scene.complain("something was lost before the holder had the document")
    scene.struck = time.monotonic_ns()
    scene.operator.edit(text, scene.active)


def _rename_back(scene: Scene) -> None:
    """The holder first: another takes its group by the document that it has."""
    scene.operator.edit(scene.document, scene.active)
    scene.pause(APART)
    scene.operator.edit(scene.document)


def _regrouped(_: Ground) -> Expectation:
    return expectations.regrouped("never two answer, nobody for 2s at most, once all have the document")


def _regrouped_again(_: Ground) -> Expectation:
    return expectations.regrouped("never two answer, nobody for 2s at most", within=APART + SECOND)


def _recovered(scene: Scene) -> bool:
    return scene.passed(expectations.MOVED_TO_ANOTHER_GROUP) and scene.operator.documents_agree() and scene.flowing()


DRILLS = (
    Drill(
        name="good-edit",
        summary="the weight of one real server is edited in the document",
        skip=_has_weights,
        prepare=_remember,
        expect=_harmless,
        inject=_reweigh,
        over=_applied,
        verify=_one_destination_changed,
        heal=_restore,
        concern=everyone,
        expect_healing=_restored,
    ),
    Drill(
        name="bad-edit",
        summary="the document is overwritten with one that cannot be read, then with one that makes no sense",
        skip=needs_group,
        prepare=_remember,
        expect=_refused,
        inject=_break_both_ways,
        over=Scene.flowing,
        verify=_nothing_changed,
        heal=_restore,
        concern=everyone,
        expect_healing=_restored,
    ),
    Drill(
        name="groups-renamed",
        summary="every group gets another name in the document, which reaches the nodes one by one",
        skip=needs_other_director,
        expect=_regrouped,
        inject=_rename,
        over=_recovered,
        heal=_rename_back,
        concern=everyone,
        expect_healing=_regrouped_again,
    ),
)
