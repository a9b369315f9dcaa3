"""Established connections outlive their director, and a planned move loses nothing at all."""

import time
from dataclasses import replace

from vedette.kit.units import MILLISECOND, SECOND
from vedette.lab.attempts import Kind
from vedette.lab.drills import expectations
from vedette.lab.drills.clingers import FINISHING, Clingers, Hail
from vedette.lab.drills.drill import Concern, Drill, revive
from vedette.lab.drills.expectations import Expectation
from vedette.lab.drills.fencing import levels_lost, switched_off_first
from vedette.lab.drills.ground import Ground, needs_other_director
from vedette.lab.drills.judge import milliseconds
from vedette.lab.drills.scene import Scene
from vedette.lab.probes import Probe
from vedette.spec.resolved import Forwarding, VirtualService

NUMBER = 20
"""Active connections through each endpoint, and as many idle ones."""
MOST = 6
"""Endpoints: one for each way of forwarding, scheduler and address family comes first."""
AGE = 2 * SECOND
"""Of the youngest connection when the fault comes (ns)."""
PERIOD = 2 * MILLISECOND
"""Between two new connections, and between two datagrams, of a hail (ns)."""
LULL = 2 * SECOND
"""How long (ns) it hails before a move and behind it."""
BACK = 40 * SECOND
"""How long (ns) the group may take until it goes back."""
RETRIED = 800 * MILLISECOND
"""A connection that took longer (ns) was tried twice: the kernel's first pause is a second (RFC 6298)."""

_GIVEN_UP = "the client's connections were given up with the drill"


def _in_step(ground: Ground) -> str | None:
    if ground.spec.connection_sync is None:
        return "the document does not keep connections in step (connectionSync)"
    if not _streams(ground):
        return "the client reaches no TCP service of the group"
    return needs_other_director(ground)


def _seamless(ground: Ground) -> str | None:
    if not _hailed(ground):
        return "no service with direct routing has the scheduler mh with the flag port"
    return needs_other_director(ground)


def _service(ground: Ground, probe: Probe) -> VirtualService | None:
    return next((service for service in ground.services if service.name == probe.service), None)


def _streams(ground: Ground) -> list[Probe]:
    """One TCP endpoint of every sort, then others, up to a bound."""
    group = ground.group.name if ground.group is not None else ""
    found: dict[object, Probe] = {}
    rest: list[Probe] = []
    for probe in ground.probes:
        service = _service(ground, probe)
        if probe.kind is not Kind.REQUEST or service is None or probe.group != group:
            continue
        sort = (service.forwarding, service.scheduler, probe.address.version)
        if found.setdefault(sort, probe) is not probe:
            rest.append(probe)
    return [*found.values(), *rest][:MOST]


def _hailed(ground: Ground) -> list[Probe]:
    """A TCP endpoint and a UDP one of services that choose by mh and the client's port.

    Not of masqueraded ones: there every answer passes the routers, too, and the lab's machines do not carry so many.
    """
    group = ground.group.name if ground.group is not None else ""
    found: dict[Kind, Probe] = {}
    for probe in ground.probes:
        service = _service(ground, probe)
        if service is not None and probe.group == group and _chooses_alike(service):
            found.setdefault(probe.kind, replace(probe, period=PERIOD, held=0, http=False))
    return list(found.values())


def _chooses_alike(service: VirtualService) -> bool:
    """Whether every router sends a packet to the same server, whoever saw its connection begin."""
    hashed = service.scheduler == "mh" and "port" in service.scheduler_flags
    return hashed and service.forwarding is not Forwarding.MASQUERADE


# connections that stay


def _cling(scene: Scene) -> None:
    scene.clingers = Clingers(scene.lab.client, _streams(scene.ground), NUMBER)
    scene.pause(AGE)


def _still(scene: Scene) -> list[str]:
    """Ask after all of them; what is broken, a sentence an endpoint."""
    if scene.clingers is None:
        return [_GIVEN_UP]
    found = []
    for still in scene.clingers.ask():
        what = f"{still.probe.label}: {still.active} of {NUMBER} active and {still.idle} of {NUMBER} idle connections"
        scene.note(f"{what} survived, stalled for {milliseconds(still.stall)} ms at most")
        if min(still.active, still.idle) < NUMBER:
            found.append(f"{what} survived: {', '.join(still.why)}")
    return found


def _still_at_last(scene: Scene) -> list[str]:
    try:
        return _still(scene)
    finally:
        scene.let_go()


def _cut(scene: Scene) -> None:
    scene.faults.power_off(scene.active)


def _cut_and_still(scene: Scene) -> list[str]:
    return [*switched_off_first(scene), *_still(scene)]


def _move(scene: Scene) -> None:
    scene.operator.vedette(scene.active, "move", scene.group.name, scene.standby, "--reason", "rehearsal")


def _clear(scene: Scene) -> None:
    scene.operator.vedette(scene.standby, "move", scene.group.name, "--clear", "--reason", "rehearsal")


def _moving(ground: Ground) -> Expectation:
    """How long the gap may be is the business of the drill planned-move: here it is made under more load."""
    bound = expectations.failback(ground.spec)
    return replace(bound, reason=f"{NUMBER} of {NUMBER} connections stay; {bound.reason}")


def _taking_over(ground: Ground) -> Expectation:
    expected = expectations.takeover(ground.spec, failing=levels_lost(ground))
    return replace(expected, reason=f"{expected.reason}; {NUMBER} of {NUMBER} connections")


# new ones, in quick succession


def _hail(scene: Scene) -> None:
    scene.hail = Hail(scene.lab.client, _hailed(scene.ground), scene.lab.directory)
    scene.pause(LULL)


def _nothing_lost(scene: Scene) -> list[str]:
    """Of all that began since the last question; a move is in the middle of it."""
    if scene.hail is None:
        return [_GIVEN_UP]
    scene.pause(LULL)
    since, until = scene.hailed, time.monotonic_ns()
    scene.wait(lambda: scene.hail is not None and scene.hail.complete_at(until), patience=FINISHING)
    scene.hailed = until
    attempts = scene.hail.attempts(since, until)
    found = []
    for index, probe in enumerate(scene.hail.probes):
        mine = [attempt for attempt in attempts if attempt.probe == index]
        lost = [attempt for attempt in mine if not attempt.answered]
        late = [attempt for attempt in mine if attempt.answered and attempt.end - attempt.start > RETRIED]
        what = "datagrams" if probe.kind is Kind.DATAGRAM else "new connections"
        again = f", {len(late)} tried twice" if late else ""
        scene.note(f"{probe.label}: {len(lost)} of {len(mine)} {what} lost{again}")
        if lost:
            outcomes = ", ".join(sorted({attempt.outcome.name.lower() for attempt in lost}))
            first, last = (milliseconds(lost[place].start - scene.injected) for place in (0, -1))
            when = f"begun {first} to {last} ms after the drill"
            found.append(f"{probe.label}: {len(lost)} of {len(mine)} {what} lost ({outcomes}; {when})")
        if not mine:
            found.append(f"{probe.label}: nothing was tried")
    return found


def _clear_and_count(scene: Scene) -> None:
    """Count before the daemons are asked whether all is well: for that the lab's machines have no room beside it."""
    try:
        _clear(scene)
        if not scene.wait(lambda: scene.holder(scene.group) == scene.active, patience=BACK):
            scene.complain(f"{scene.group.name} did not go back")
        for what in _nothing_lost(scene):
            scene.complain(what)
    finally:
        scene.let_go()


def _hailing(ground: Ground) -> Expectation:
    return replace(_moving(ground), reason="no connection and no datagram lost, one every 2 ms")


def _none(_: Scene, __: Probe) -> Concern:
    """What is hailed on is counted one by one; nothing is promised to the others beside such a load."""
    return Concern.EXEMPT


DRILLS = (
    Drill(
        name="connections-survive-move",
        summary=f"the group is moved and goes back under {NUMBER} active and {NUMBER} idle connections an endpoint",
        skip=_in_step,
        expect=_moving,
        expect_healing=_moving,
        prepare=_cling,
        inject=_move,
        over=Scene.taken_over,
        verify=_still,
        heal=_clear,
        verify_after=_still_at_last,
    ),
    Drill(
        name="move-loses-nothing",
        summary="the group is moved and goes back under a new connection and a datagram every 2 ms",
        skip=_seamless,
        expect=_hailing,
        expect_healing=_hailing,
        prepare=_hail,
        inject=_move,
        over=Scene.taken_over,
        verify=_nothing_lost,
        heal=_clear_and_count,
        concern=_none,
    ),
    Drill(
        name="connections-survive-power-cut",
        summary=f"the active router loses its power and returns; {NUMBER} active and {NUMBER} idle connections stay",
        skip=_in_step,
        expect=_taking_over,
        prepare=_cling,
        inject=_cut,
        over=Scene.taken_over,
        verify=_cut_and_still,
        heal=revive,
        verify_after=_still_at_last,
    ),
)
