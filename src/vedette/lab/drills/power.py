"""A machine loses its power, and comes back."""

from dataclasses import replace

from vedette.lab.drills import expectations
from vedette.lab.drills.drill import Concern, Drill, revive
from vedette.lab.drills.expectations import Expectation
from vedette.lab.drills.fencing import levels_lost, switched_off_first
from vedette.lab.drills.ground import Ground, needs_idle_director, needs_other_director, needs_witness
from vedette.lab.drills.scene import PATIENCE, Scene
from vedette.lab.probes import Probe
from vedette.spec.resolved import Failback, SplitBrainPolicy


def _returns(ground: Ground) -> str | None:
    reason = needs_other_director(ground)
    if reason is not None or ground.group is None:
        return reason
    if ground.group.preferred_nodes and ground.group.failback is Failback.AUTOMATIC:
        return None
    return "the group stays where it is: there is no failback to drill"


def _two_to_spare(ground: Ground) -> str | None:
    """Two may go, and a majority is left, with one that may hold what they held."""
    reason = needs_other_director(ground)
    if reason is not None:
        return reason
    if ground.spec.policy is not SplitBrainPolicy.MAJORITY or len(ground.spec.voters) < 5:
        return "of fewer than five voters no two can be spared"
    return None if len(ground.candidates) > 2 else "there is no third router"


def _witness_lost(_: Ground) -> Expectation:
    return expectations.nothing_lost("nothing lost: a witness holds nothing")


def _standby_lost(ground: Ground) -> Expectation:
    """With `fence` the drill lasts until the standby is switched off: one that came back before would be shot."""
    expected = expectations.nothing_lost("nothing lost: a standby serves nobody")
    if ground.spec.policy is not SplitBrainPolicy.FENCE:
        return expected
    return replace(expected, settled=expectations.fenced(ground.spec, failing=levels_lost(ground)).settled)


def _cut_active(scene: Scene) -> None:
    scene.faults.power_off(scene.active)


def _cut_standby(scene: Scene) -> None:
    scene.faults.power_off(scene.standby)


def _second(scene: Scene) -> str:
    """Who loses its power with the active router: another that holds something, if there is one."""
    others = [holder for holder in scene.holders.values() if holder != scene.active]
    return others[0] if others else scene.standby


def _of_the_two(scene: Scene, probe: Probe) -> Concern:
    held = scene.holders.get(probe.group) in (scene.active, _second(scene))
    return Concern.CONCERNED if held else Concern.UNCONCERNED


def _cut_two(scene: Scene) -> None:
    for node in (scene.active, _second(scene)):
        scene.faults.power_off(node)


def _both_replaced(scene: Scene) -> bool:
    gone = (scene.active, _second(scene))
    held = [group for group in scene.reached if scene.holders.get(group.name) in gone]
    return all(scene.holder(group) not in (None, *gone) for group in held) and scene.flowing()


def _cut_witness(scene: Scene) -> None:
    scene.faults.power_off(scene.witness)


def _cut_and_wait(scene: Scene) -> None:
    scene.faults.power_off(scene.active)
    scene.wait(scene.taken_over, patience=expectations.takeover(scene.ground.spec, failing=1).settled + PATIENCE)


def _noticed(scene: Scene) -> bool:
    """Long enough for everybody to have given the silent node up."""
    fenced = scene.ground.spec.policy is not SplitBrainPolicy.FENCE or _seen_off(scene, scene.standby)
    return scene.passed(2 * scene.ground.spec.heartbeat.dead_after) and fenced and scene.flowing()


def _seen_off(scene: Scene, node: str) -> bool:
    """By a device that obeyed, and by the active router, too: one that came back before would be shot again."""
    obeyed = any(order.obeyed for order in scene.plugs.orders_off(node, since=scene.injected))
    if not obeyed or scene.faults.powered(node):
        return False
    status = scene.operator.status_now_and_then(scene.active)
    return status is not None and any(one["name"] == node and one["fencing"] == "off" for one in status["nodes"])


def _witness_noticed(scene: Scene) -> bool:
    return scene.passed(2 * scene.ground.spec.heartbeat.dead_after) and scene.flowing()


DRILLS = (
    Drill(
        name="power-cut-active",
        summary="the router that holds the address loses its power; another takes over",
        skip=needs_other_director,
        expect=lambda ground: expectations.takeover(ground.spec, failing=levels_lost(ground)),
        inject=_cut_active,
        over=Scene.taken_over,
        verify=switched_off_first,
        heal=revive,
    ),
    Drill(
        name="return-of-node",
        summary="the preferred router comes back and takes its group back",
        skip=_returns,
        expect=lambda ground: expectations.failback(ground.spec),
        prepare=_cut_and_wait,
        inject=revive,
        over=Scene.settled,
    ),
    Drill(
        name="power-cut-standby",
        summary="a router that holds nothing loses its power",
        skip=needs_idle_director,
        expect=_standby_lost,
        inject=_cut_standby,
        over=_noticed,
        heal=revive,
    ),
    Drill(
        name="power-cut-witness",
        summary="the witness loses its power",
        skip=needs_witness,
        expect=_witness_lost,
        inject=_cut_witness,
        over=_witness_noticed,
        heal=revive,
    ),
    Drill(
        name="power-cut-two",
        summary="two of five or more nodes lose their power at once; what they held is taken over",
        skip=_two_to_spare,
        expect=lambda ground: expectations.takeover(ground.spec),
        inject=_cut_two,
        over=_both_replaced,
        concern=_of_the_two,
        heal=revive,
    ),
)
