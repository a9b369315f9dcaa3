"""A group is moved on purpose."""

from vedette.lab.drills import expectations
from vedette.lab.drills.drill import Drill
from vedette.lab.drills.ground import needs_other_director
from vedette.lab.drills.scene import Scene


def _move(scene: Scene) -> None:
    scene.vedette(scene.active, "move", scene.group.name, scene.standby, "--reason", "rehearsal")


def _clear(scene: Scene) -> None:
    scene.vedette(scene.standby, "move", scene.group.name, "--clear", "--reason", "rehearsal")


DRILLS = (
    Drill(
        name="planned-move",
        summary="an operator moves the group to another router, and lets it go back",
        skip=needs_other_director,
        expect=lambda ground: expectations.move(ground.spec, ground.services),
        inject=_move,
        over=Scene.taken_over,
        heal=_clear,
    ),
)
