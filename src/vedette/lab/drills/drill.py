"""A drill, declared: when it applies, what it promises, how to cause the fault, when it is over, how to undo it."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from vedette.lab.attempts import Attempt
from vedette.lab.drills.expectations import Expectation, failback, nothing_lost
from vedette.lab.drills.ground import Ground, Skip
from vedette.lab.drills.scene import Scene
from vedette.lab.outage import any_answer
from vedette.lab.probes import Probe


class Concern(Enum):
    """What a fault has to do with a probe: promised something, none of its business, or promised nothing."""

    CONCERNED = "concerned"
    UNCONCERNED = "unconcerned"
    EXEMPT = "exempt"


def nothing(_: Scene) -> None:
    """The step of a drill that needs none."""


def no_problems(_: Scene) -> list[str]:
    """The check of a drill whose traffic tells everything."""
    return []


def mend(scene: Scene) -> None:
    """Every cable is whole, and every heartbeat passes."""
    scene.faults.mend_all()


def revive(scene: Scene) -> None:
    """Every machine has its power and its daemon."""
    scene.faults.revive_all()


def groups_of_the_active(scene: Scene, probe: Probe) -> Concern:
    """A fault of the active node concerns the groups that it held."""
    held = scene.holders.get(probe.group) == scene.active
    return Concern.CONCERNED if held else Concern.UNCONCERNED


def everyone(_: Scene, __: Probe) -> Concern:
    return Concern.CONCERNED


def acceptable(_: Ground, attempt: Attempt) -> bool:
    """Any answer but a server error."""
    return any_answer(attempt)


def after_healing(ground: Ground) -> Expectation:
    """What comes back takes its group back, if at all."""
    if len(ground.candidates) < 2:
        return nothing_lost("healed")
    return failback(ground.spec)


@dataclass(frozen=True, slots=True)
class Drill:
    """``prepare`` is not measured; from ``inject`` until ``over`` the traffic is judged by ``expect``, from ``heal``
    until all is as before by ``expect_healing``. ``verify`` (before healing) and ``verify_after`` return what is
    wrong, one sentence each. Every step may use :meth:`Scene.note` to say what it measured.
    """

    name: str
    summary: str
    skip: Skip
    expect: Callable[[Ground], Expectation]
    inject: Callable[[Scene], None]
    over: Callable[[Scene], bool]
    prepare: Callable[[Scene], None] = nothing
    heal: Callable[[Scene], None] = nothing
    verify: Callable[[Scene], list[str]] = no_problems
    verify_after: Callable[[Scene], list[str]] = no_problems
    expect_healing: Callable[[Ground], Expectation] = after_healing
    concern: Callable[[Scene, Probe], Concern] = groups_of_the_active
    accept: Callable[[Ground, Attempt], bool] = acceptable
