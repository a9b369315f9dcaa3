"""A group is moved on purpose."""

from vedette.lab.drills import expectations
from vedette.lab.drills.drill import Drill
from vedette.lab.drills.expectations import Expectation
from vedette.lab.drills.ground import Ground, needs_other_director
from vedette.lab.drills.scene import Scene


def _move(scene: Scene) -> None:
    scene.operator.vedette(scene.active, "move", scene.group.name, scene.standby, "--reason", "rehearsal")


def _clear(scene: Scene) -> None:
    scene.operator.vedette(scene.standby, "move", scene.group.name, "--clear", "--reason", "rehearsal")


def _expectation(ground: Ground) -> Expectation:
    return expectations.move(ground.services)


DRILLS = (
    Drill(
        name="planned-move",
        summary="an operator moves the group to another router, and lets it go back",
        skip=needs_other_director,
        expect=_expectation,
        expect_healing=_expectation,
        inject=_move,
        over=Scene.taken_over,
        heal=_clear,
    ),
)
