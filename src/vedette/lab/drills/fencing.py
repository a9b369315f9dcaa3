"""Policy `fence`: who falls silent is switched off before anybody takes over, and where that fails nobody does."""

from vedette.kit.units import SECOND, show
from vedette.lab.drills import expectations
from vedette.lab.drills.drill import Drill, everyone, mend
from vedette.lab.drills.expectations import Expectation
from vedette.lab.drills.ground import Ground, needs_fencing
from vedette.lab.drills.judge import milliseconds
from vedette.lab.drills.scene import PATIENCE, Scene
from vedette.spec.resolved import SplitBrainPolicy

BLOCKED = 5 * SECOND
"""How long (ns) nobody may take over, beyond the time in which he would have, when no device can be reached."""
TRIED = 300
"""Seconds for all levels of a node, with a boot after each."""
CONFIRMED = 2 * SECOND
"""From a person's word to a client's answer (ns)."""


def levels_lost(ground: Ground) -> int:
    """How many levels of a node are lost with its power: those whose devices are all built into it."""
    outlets = {name for name in ground.devices if _feeds(ground, name)}
    counts = []
    for node in ground.spec.nodes:
        levels = node.fencing.levels if node.fencing is not None else ()
        fed = [any(use.device in outlets for use in level) for level in levels]
        counts.append(fed.index(True) if True in fed else 0)
    return max(counts, default=0)


def _feeds(ground: Ground, name: str) -> bool:
    """A device with plugs feeds nodes."""
    return any(
        use.plug is not None and use.device == name
        for node in ground.spec.nodes
        if node.fencing is not None
        for level in node.fencing.levels
        for use in level
    )


def switched_off_first(scene: Scene) -> list[str]:
    """With `fence`: the silent node has no power, and nobody answered before a device had cut it."""
    if scene.ground.spec.policy is not SplitBrainPolicy.FENCE:
        return []
    silent = scene.active
    cut = [order for order in scene.plugs.orders_off(silent, since=scene.injected) if order.obeyed]
    if scene.lab.machines[silent].alive or not cut:
        return [f"{silent} was not switched off"]
    scene.note(f"{cut[0].device} cut {silent} off {milliseconds(cut[0].at - scene.injected)} ms after the fault")
    answered = scene.first_answer(scene.group, but=silent)
    if answered is None:
        return [f"nobody answered for {scene.group.name}"]
    if answered < cut[0].at:
        early = milliseconds(cut[0].at - answered)
        return [f"somebody answered for {scene.group.name} {early} ms before {silent} was switched off"]
    return _in_the_devices_time(scene, silent, taken=answered)


def _in_the_devices_time(scene: Scene, off: str, *, taken: int) -> list[str]:
    """All was ``taken`` within deadAfter, the delay, what the devices took this time, and a second."""
    took = scene.operator.fence_took(off)
    if took is None:
        return [f"no history says how long it took to switch {off} off"]
    scene.note(f"its devices took {milliseconds(took)} ms from the order until {off} was seen off")
    spec = scene.ground.spec
    bound = spec.heartbeat.dead_after + expectations.fencing_wait(spec) + took + SECOND
    needed = taken - (scene.struck or scene.injected)
    if needed <= bound:
        return []
    words = f"{milliseconds(needed)} ms after the fault ({milliseconds(bound)} ms allowed)"
    return [f"taken over {words}: deadAfter, delay, {milliseconds(took)} ms of the devices, and 1 s"]


# A device fails


def _two_levels(ground: Ground) -> str | None:
    if (reason := needs_fencing(ground)) is not None:
        return reason
    for node in ground.spec.nodes:
        levels = node.fencing.levels if node.fencing is not None else ()
        able = [level for level in levels if all(use.device in ground.devices for use in level)]
        if len(able) < 2 or {use.device for use in able[0]} & {use.device for use in able[1]}:
            return f"{node.name} has one level of fencing only"
    return None


def _pretend(scene: Scene) -> None:
    """The first level says yes and does nothing."""
    for device in scene.plugs.level(scene.active, 0):
        device.pretend()


def _freeze(scene: Scene) -> None:
    scene.faults.freeze(scene.active)


def _vanish_all(scene: Scene) -> None:
    for device in scene.lab.devices.values():
        device.vanish()


def _blocked_until(ground: Ground) -> int:
    """The instant after the fault (ns) until which nobody may have taken over."""
    return expectations.fenced(ground.spec).gap + BLOCKED


def _cut_and_confirm(scene: Scene) -> None:
    """The router loses its power and nobody can see it; after a while somebody who has looked says so."""
    scene.lab.machines[scene.active].power_off()
    scene.pause(_blocked_until(scene.ground))
    if (answered := scene.first_answer(scene.group, but=scene.active)) is not None:
        early = milliseconds(answered - scene.injected)
        scene.complain(f"somebody took over {early} ms after the fault, and nobody had seen that {scene.active} is off")
    scene.operator.vedette(scene.standby, "confirm-off", scene.active, "--seen-off", scene.active)


def _confirmed(ground: Ground) -> Expectation:
    blocked = _blocked_until(ground)
    return Expectation(
        reason=f"nobody for {show(blocked)}; {show(CONFIRMED)} after confirm-off all",
        gap=blocked + CONFIRMED,
        settled=blocked + CONFIRMED,
    )


# Nobody hears anybody


def _part(scene: Scene) -> None:
    """Neither hears the other any more on any link, and both can do all the rest of their work."""
    scene.faults.hush()


def _survivors(scene: Scene) -> list[str]:
    return [name for name in scene.ground.directors if scene.lab.machines[name].alive]


def _one_survives(scene: Scene) -> bool:
    """One is left, and serves; long enough that the other would have fallen, too."""
    long_enough = scene.passed(expectations.fenced(scene.ground.spec).gap)
    return long_enough and len(_survivors(scene)) == 1 and scene.flowing()


def _survivor_holds(scene: Scene) -> list[str]:
    left = _survivors(scene)
    if len(left) != 1:
        return [f"{' and '.join(left) or 'nobody'} survived"]
    fallen = next(name for name in scene.ground.directors if name not in left)
    orders = [order.at for order in scene.plugs.orders_off(fallen, since=scene.injected) if order.obeyed]
    scene.note(f"{left[0]} survived; {fallen} fell after {milliseconds(min(orders) - scene.injected)} ms")
    if others := [group.name for group in scene.reached if scene.holder(group) != left[0]]:
        return [f"{left[0]} survived and does not hold {', '.join(others)}"]
    answers = [scene.first_answer(group, but=fallen) for group in scene.reached if scene.holders[group.name] == fallen]
    return _in_the_devices_time(scene, fallen, taken=max([min(orders), *(one for one in answers if one is not None)]))


def _partition_bound(ground: Ground) -> Expectation:
    return expectations.fenced(ground.spec)


# A person tries it


def _try_standby(scene: Scene) -> None:
    """The other router hands over what it holds, is switched off and on again by each of its levels, and is back."""
    active, standby = scene.active, scene.standby
    scene.operator.vedette(active, "node", "standby", standby, "--reason", "rehearsal")
    words = ("fence", "test", standby, "--power-off", "--yes-really", standby)
    scene.operator.vedette(active, *words, timeout=TRIED)
    levels = scene.plugs.orders_off(standby, since=scene.injected)
    if not any(order.obeyed for order in levels):
        scene.complain(f"{standby} was never switched off")


def _put_back(scene: Scene) -> None:
    scene.operator.vedette(scene.active, "node", "online", scene.standby, "--reason", "rehearsal")


# The return


def _fence_active(scene: Scene) -> None:
    """The active router hangs, and is switched off."""
    scene.faults.freeze(scene.active)
    patience = expectations.fenced(scene.ground.spec).settled + PATIENCE
    if not scene.wait(scene.taken_over, patience=patience):
        scene.complain(f"nobody took over from {scene.active}")


def _switch_on(scene: Scene) -> None:
    scene.operator.vedette(scene.standby, "fence", "on", scene.active)


def _returned(scene: Scene) -> bool:
    return scene.lab.machines[scene.active].alive and scene.settled()


DRILLS = (
    Drill(
        name="fence-tried",
        summary="a person has the standby switched off and on again by each level (vedette fence test --power-off)",
        skip=needs_fencing,
        expect=lambda _: expectations.nothing_lost("nothing lost; off and on by every level"),
        inject=_try_standby,
        over=Scene.flowing,
        heal=_put_back,
    ),
    Drill(
        name="fence-second-level",
        summary="the active router hangs, and its first fencing device acknowledges but does not switch",
        skip=_two_levels,
        expect=lambda ground: expectations.fenced(ground.spec, failing=1),
        prepare=_pretend,
        inject=_freeze,
        over=Scene.taken_over,
        verify=switched_off_first,
    ),
    Drill(
        name="fence-unreachable",
        summary="no fencing device can be reached: nobody takes over, until a person confirms that the router is off",
        skip=needs_fencing,
        expect=_confirmed,
        prepare=_vanish_all,
        inject=_cut_and_confirm,
        over=Scene.taken_over,
    ),
    Drill(
        name="total-partition",
        summary="no heartbeat passes any more, on any link: one of the two routers switches the other off",
        skip=needs_fencing,
        expect=_partition_bound,
        inject=_part,
        over=_one_survives,
        verify=_survivor_holds,
        concern=everyone,
        heal=mend,
    ),
    Drill(
        name="fenced-node-returns",
        summary="a router that was switched off is switched on by its device, starts its daemon and rejoins",
        skip=needs_fencing,
        expect=lambda ground: expectations.failback(ground.spec),
        prepare=_fence_active,
        inject=_switch_on,
        over=_returned,
    ),
)
