"""All drills, in the order in which a rehearsal runs them: the gentle ones first, power last."""

from collections.abc import Sequence

from vedette.kit.errors import UsageError
from vedette.lab.drills import (
    connections,
    daemons,
    edits,
    fencing,
    hostile,
    interfering,
    keys,
    links,
    moves,
    power,
    servers,
    timings,
)
from vedette.lab.drills.drill import Drill

ALL: tuple[Drill, ...] = (
    *moves.DRILLS,
    *connections.DRILLS[:2],
    *interfering.DRILLS,
    *servers.DRILLS,
    *edits.DRILLS,
    *keys.DRILLS,
    *timings.DRILLS,
    *hostile.DRILLS,
    *daemons.DRILLS,
    *links.DRILLS,
    *power.DRILLS,
    *connections.DRILLS[2:],
    *fencing.DRILLS,
)


def choose(names: Sequence[str]) -> tuple[Drill, ...]:
    """The named drills in the catalogue's order, all without names; raises :class:`UsageError` on an unknown one."""
    known = {drill.name for drill in ALL}
    unknown = [name for name in names if name not in known]
    if unknown:
        raise UsageError(f"there is no drill {unknown[0]} (see them all: vedette rehearse --list)")
    return tuple(drill for drill in ALL if not names or drill.name in names)
