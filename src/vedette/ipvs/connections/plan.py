"""Which sync daemons to stop and to start. Pure."""

from collections.abc import Collection
from dataclasses import dataclass

from vedette.ipvs.connections.model import Daemon, Role


@dataclass(frozen=True, slots=True)
class Stop:
    role: Role


@dataclass(frozen=True, slots=True)
class Start:
    daemon: Daemon


Step = Stop | Start


def plan(wanted: Collection[Daemon], found: Collection[Daemon], *, owned: Collection[Daemon]) -> list[Step]:
    """The steps from ``found`` to ``wanted``. A kernel has one daemon of a role, and no setting of it can be changed.

    Where none is wanted, one that is ``owned`` (started by us) is stopped, and anybody else's stays.
    """
    steps: list[Step] = []
    running = {daemon.role: daemon for daemon in found}
    desired = {daemon.role: daemon for daemon in wanted}
    for role in Role:
        now, then = running.get(role), desired.get(role)
        if now == then:
            continue
        if now is not None and (then is not None or now in owned):
            steps.append(Stop(role))
        if then is not None:
            steps.append(Start(then))
    return steps
