"""A node is switched off by way of trial only where nobody loses anything by it."""

from dataclasses import replace
from typing import Any

import pytest
from tests.fencing.documents import ASSIGNMENT, A, B

from vedette.daemon import trial
from vedette.kit.errors import UsageError
from vedette.kit.units import SECOND
from vedette.spec.resolved import (
    ClusterSpec,
    FencingDevice,
    FencingUse,
    Heartbeat,
    Manual,
    Node,
    Role,
    SplitBrainPolicy,
)
from vedette.state.placement import LeaseView, Liveness, NodeView, View

PERSON = FencingDevice("operator", SECOND, Manual())
assert B.fencing is not None
TARGET = replace(B, fencing=replace(B.fencing, levels=(*B.fencing.levels, (FencingUse("operator"),))))
WITNESS = Node("w", Role.WITNESS, None, {})
SPEC = ClusterSpec(
    name="edge",
    digest="0" * 64,
    nodes=(A, TARGET, WITNESS),
    keys=(),
    heartbeat=Heartbeat(interval=SECOND, warn_after=SECOND, dead_after=3 * SECOND, startup_grace=SECOND, links=()),
    policy=SplitBrainPolicy.FENCE,
    groups=(),
    fencing_devices=(*ASSIGNMENT.devices, PERSON),
)
PEOPLE = len(TARGET.fencing.levels) if TARGET.fencing is not None else 0


def view(
    *,
    b: Liveness = Liveness.UP,
    w: Liveness = Liveness.UP,
    holds: tuple[str, ...] = (),
    holder: str = "a",
) -> View:
    def node(name: str, state: Liveness, held: tuple[str, ...] = ()) -> NodeView:
        return NodeView(name, state, 1, ready=True, holds=held, links=(), revision=1, digest="", incarnation=5)

    nodes = (node("a", Liveness.UP), node("b", b, holds), node("w", w))
    lease = LeaseView(group="web", holder=holder, mine=holder == "a", until=0, reason="")
    return View(me="a", now=100 * SECOND, quorum=True, nodes=nodes, leases=(lease,))


def command(**fields: Any) -> dict[str, Any]:
    return {"verb": "fence", "what": "off", "node": "b", "typed": "b", "level": 1} | fields


def test_a_node_that_serves_nobody_among_others_that_are_well_may_be_tried() -> None:
    assert trial.read(command(), SPEC, view()).name == "b"


@pytest.mark.parametrize(
    ("asked", "seen", "said"),
    [
        (command(node="c", typed="c"), view(), "there is no node c"),
        (command(node="a", typed="a"), view(), "is this node"),
        (command(typed="a"), view(), "was not repeated"),
        (command(typed=None), view(), "was not repeated"),
        (command(level=0), view(), "no level 0"),
        (command(level=9), view(), "no level 9"),
        (command(level=None), view(), "no level None"),
        (command(level=PEOPLE), view(), "is a person"),
        (command(), view(holds=("web",)), "vedette node standby b"),
        (command(), view(holder="b"), "vedette node standby b"),
        (command(), view(b=Liveness.DEAD), "only one that is heard"),
        (command(), view(b=Liveness.UNKNOWN), "only one that is heard"),
        (command(), view(w=Liveness.LATE), "w is not up"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_everything_else_is_refused_with_the_reason(asked: dict[str, Any], seen: View, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        trial.read(asked, SPEC, seen)
