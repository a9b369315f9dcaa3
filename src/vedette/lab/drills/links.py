"""Cables are pulled: heartbeat links, each and all, and the clients' side of the active router."""

from vedette.kit.units import MILLISECOND
from vedette.lab.drills import expectations
from vedette.lab.drills.drill import Drill, mend
from vedette.lab.drills.expectations import Expectation
from vedette.lab.drills.ground import Ground, needs_other_director
from vedette.lab.drills.scene import Scene
from vedette.spec.resolved import SplitBrainPolicy


def _several_links(ground: Ground) -> str | None:
    if len(set(ground.link_networks.values())) < 2:
        return "there is one heartbeat link only: see link-cut-all"
    if not ground.idle_links:
        return "every heartbeat link carries other traffic too: see the other drills of cables"
    return needs_other_director(ground)


def _separate_links(ground: Ground) -> str | None:
    if set(ground.link_networks.values()) & ground.client_networks:
        return "a heartbeat link runs over the clients' network: see client-link-cut"
    return needs_other_director(ground)


def _separate_and_unfenced(ground: Ground) -> str | None:
    if ground.spec.policy is SplitBrainPolicy.FENCE:
        return "one of the two is switched off: see total-partition"
    return _separate_links(ground)


def _inner_side(ground: Ground) -> str | None:
    if not ground.inner_networks:
        return "the group has no address on an inner network whose cable could be watched"
    return needs_other_director(ground)


def _cut_each(scene: Scene) -> None:
    """One link after the other, each for twice deadAfter; the others carry the heartbeats meanwhile."""
    for network in scene.ground.idle_links:
        scene.faults.cut(scene.active, network)
        scene.pause(2 * scene.ground.spec.heartbeat.dead_after)
        scene.faults.mend(scene.active, network)
        scene.pause(300 * MILLISECOND)


def _cut_all(scene: Scene) -> None:
    for network in sorted(set(scene.ground.link_networks.values())):
        scene.faults.cut(scene.active, network)


def _cut_client(scene: Scene) -> None:
    for network in sorted(scene.ground.client_networks):
        scene.faults.cut(scene.active, network)


def _cut_inner(scene: Scene) -> None:
    for network in sorted(scene.ground.inner_networks):
        scene.faults.cut(scene.active, network)


def _partition_over(scene: Scene) -> bool:
    """Somebody else answers; where both may hold, both do by now."""
    if scene.ground.spec.policy is SplitBrainPolicy.TOLERATE:
        return scene.passed(2 * scene.ground.spec.heartbeat.dead_after) and scene.flowing()
    return scene.passed(2 * scene.ground.spec.heartbeat.dead_after) and scene.taken_over()


def _spare_link(_: Ground) -> Expectation:
    return expectations.nothing_lost("nothing lost: another link carries the heartbeats")


DRILLS = (
    Drill(
        name="link-cut-each",
        summary="each cable of the active router that carries heartbeats only is cut and healed, one after the other",
        skip=_several_links,
        expect=_spare_link,
        inject=_cut_each,
        over=Scene.flowing,
        heal=mend,
    ),
    Drill(
        name="link-cut-all",
        summary="all heartbeat links of the active router are cut; clients still reach it",
        skip=_separate_and_unfenced,
        expect=lambda ground: expectations.takeover(ground.spec, partition=True),
        inject=_cut_all,
        over=_partition_over,
        heal=mend,
    ),
    Drill(
        name="client-link-cut",
        summary="the clients' cable of the active router is cut",
        skip=needs_other_director,
        expect=lambda ground: expectations.given_up(ground.spec, partition=True),
        inject=_cut_client,
        over=Scene.taken_over,
        heal=mend,
    ),
    Drill(
        name="server-link-cut",
        summary="the active router's cable to the real servers' network, where they have their gateway, is cut",
        skip=_inner_side,
        expect=lambda ground: expectations.given_up(ground.spec, partition=True),
        inject=_cut_inner,
        over=Scene.taken_over,
        heal=mend,
    ),
)
