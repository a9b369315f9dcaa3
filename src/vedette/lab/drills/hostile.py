"""Somebody on a heartbeat link who has no key: he forges, repeats, and speaks as another cluster."""

from vedette.kit.units import SECOND
from vedette.lab.drills import expectations
from vedette.lab.drills.drill import Drill, everyone
from vedette.lab.drills.expectations import Expectation
from vedette.lab.drills.floods import Flood
from vedette.lab.drills.ground import Ground, needs_group
from vedette.lab.drills.scene import Scene

RATE = 5000
"""Datagrams a second."""
WATCHED = 4 * SECOND
"""How long (ns) the daemon's processor time is watched, without and with the flood."""
SHARE = 0.25
"""Of one processor: what refusing them may cost, here too, where a system call takes 50 times as long as on a real one
(docs/design/lab.md). What it costs there is measured by benchmarks/forgeries.py."""
MILLION = 1_000_000
BASELINE, FLOODED, SENT = "baseline", "flooded", "sent"


def _linked(ground: Ground) -> str | None:
    if not ground.link_networks or len(ground.spec.nodes) < 2:
        return "there are no heartbeats to forge"
    return needs_group(ground)


def _network(scene: Scene) -> str:
    """A link that carries nothing else, if there is one."""
    return (scene.ground.idle_links or sorted(scene.ground.link_networks.values()))[0]


def _measure(scene: Scene, what: str) -> None:
    """The share of a processor, in millionths, by the machine's own kernel and clock."""
    before, begun = scene.kernels.processor_time(scene.active)
    scene.pause(WATCHED)
    after, ended = scene.kernels.processor_time(scene.active)
    scene.measured[what] = (after - before) * MILLION // (ended - begun)


def _watch_calm(scene: Scene) -> None:
    _measure(scene, BASELINE)


def _flood(scene: Scene) -> None:
    network = _network(scene)
    links = scene.ground.spec.heartbeat.links
    port = next(link.port for link in links if scene.ground.link_networks.get(link.name) == network)
    scene.flood = flood = Flood(scene.lab, node=scene.active, network=network, port=port, rate=RATE)
    if not scene.wait(flood.begun):
        scene.complain("no heartbeat was heard to forge")
        return
    _measure(scene, FLOODED)
    scene.measured[SENT] = scene.dry()


def _end(scene: Scene) -> None:
    scene.dry()


def _cheap(scene: Scene) -> list[str]:
    cost = max(0, scene.measured.get(FLOODED, 0) - scene.measured[BASELINE]) / MILLION
    scene.note(f"{RATE} datagrams a second cost {cost:.0%} of one processor; {scene.measured.get(SENT, 0)} were sent")
    if cost > SHARE:
        return [f"refusing {RATE} datagrams a second took {cost:.0%} of one processor ({SHARE:.0%} allowed)"]
    return []


def _ignored(_: Ground) -> Expectation:
    return expectations.nothing_lost("nothing lost; at most a quarter of a processor")


DRILLS = (
    Drill(
        name="forged-heartbeats",
        summary=f"{RATE} forged, repeated and foreign heartbeats a second reach the active router",
        skip=_linked,
        expect=_ignored,
        prepare=_watch_calm,
        inject=_flood,
        over=Scene.flowing,
        verify=_cheap,
        heal=_end,
        concern=everyone,
        expect_healing=lambda _: expectations.nothing_lost("nothing is undone"),
    ),
)
