"""A person's word that a node is off is refused where anything says that it may be running."""

from dataclasses import replace
from typing import Any

import pytest
from tests.fencing.documents import ASSIGNMENT, A, B

from vedette.cluster.council import UNHEARD
from vedette.cluster.events import FenceResult
from vedette.daemon import confirmation
from vedette.kit.errors import UsageError
from vedette.kit.units import SECOND
from vedette.spec.resolved import ClusterSpec, Heartbeat, SplitBrainPolicy
from vedette.state.placement import ConfigView, LeaseView, Liveness, NodeView, View

SPEC = ClusterSpec(
    name="edge",
    digest="0" * 64,
    nodes=(A, B),
    keys=(),
    heartbeat=Heartbeat(interval=SECOND, warn_after=SECOND, dead_after=3 * SECOND, startup_grace=SECOND, links=()),
    policy=SplitBrainPolicy.FENCE,
    groups=(),
    fencing_devices=ASSIGNMENT.devices,
)
NOW = 100 * SECOND


def view(
    *,
    liveness: Liveness = Liveness.DEAD,
    links: tuple[str, ...] = (),
    started: int = 1,
    renewed: int = 0,
    refused: int = 0,
    off: str = "",
) -> View:
    def node(name: str, state: Liveness, since: int, heard: tuple[str, ...]) -> NodeView:
        return NodeView(name, state, since, ready=True, holds=(), links=heard, revision=1, digest="", incarnation=5)

    lease = LeaseView(group="web", holder="b", mine=False, until=renewed, reason="")
    nodes = (node("a", Liveness.UP, started, ()), replace(node("b", liveness, 1, links), refused=refused, off=off))
    return View(me="a", now=NOW, quorum=True, nodes=nodes, leases=(lease,))


def command(**fields: Any) -> dict[str, Any]:
    return {"verb": "confirm-off", "node": "b", "typed": "b", "author": "ann", "uid": 0} | fields


def test_a_silent_node_is_confirmed_up_to_the_incarnation_that_was_to_be_off() -> None:
    result = confirmation.read(command(), SPEC, view(), requested=4)
    assert result == FenceResult("b", 4, confirmed=True, reason="human: ann (uid 0)")


def test_without_a_request_the_incarnation_is_the_latest_that_was_heard() -> None:
    assert confirmation.read(command(), SPEC, view(liveness=Liveness.UNKNOWN), requested=None).incarnation == 5


@pytest.mark.parametrize(
    ("asked", "seen", "said"),
    [
        (command(node="c", typed="c"), view(), "there is no node c"),
        (command(node="a", typed="a"), view(), "is this node"),
        (command(typed="a"), view(), "was not repeated"),
        (command(typed=None), view(), "was not repeated"),
        (command(), view(liveness=Liveness.UP), "is heard from"),
        (command(), view(liveness=Liveness.LATE), "is heard from"),
        (command(), view(links=("lan",)), "something came from it over lan"),
        (command(), view(started=NOW - SECOND), "only just started"),
        (command(), view(renewed=NOW + 1), "has renewed its lease of web"),
        (command(), view(refused=NOW - SECOND), "Was its key changed?"),
    ],
)
def test_it_is_refused_where_something_says_otherwise(asked: dict[str, Any], seen: View, said: str) -> None:
    with pytest.raises(UsageError) as refusal:
        confirmation.read(asked, SPEC, seen, requested=5)
    assert said in str(refusal.value)


def test_datagrams_that_a_person_says_are_forged_do_not_stand_against_it() -> None:
    seen = view(refused=NOW - SECOND)
    assert confirmation.read(command(forged=True), SPEC, seen, requested=5).confirmed
    assert confirmation.read(command(), SPEC, view(refused=NOW - 4 * SECOND), requested=5).confirmed


def test_where_nothing_waits_for_it_it_is_refused() -> None:
    majority = replace(SPEC, policy=SplitBrainPolicy.MAJORITY)
    with pytest.raises(UsageError, match="nothing waits for b"):
        confirmation.read(command(), majority, view(), requested=None)
    assert confirmation.read(command(), majority, view(), requested=5).confirmed


def stuck(waits: str = UNHEARD, pending: str = "c does not vote any more", started: int = 1) -> View:
    config = ConfigView(step=2, voters=("a", "b", "c"), dead_after=3 * SECOND, pending=pending, waits=waits)
    return replace(view(started=started), quorum=False, config=config)


def test_a_change_without_a_majority_is_forced_by_who_repeats_the_name_of_the_cluster() -> None:
    assert confirmation.forced({"typed": "edge", "author": "ann", "uid": 0}, SPEC, stuck()) == "ann (uid 0)"


@pytest.mark.parametrize(
    ("typed", "seen", "said"),
    [
        ("web", stuck(), "was not repeated"),
        ("edge", stuck(pending=""), "nothing is pending"),
        ("edge", stuck(waits="waits for b to have the same document"), "can agree by themselves"),
        ("edge", stuck(waits=""), "is under way"),
        ("edge", stuck(started=NOW - SECOND), "only just started"),
    ],
)
def test_nothing_is_forced_where_it_need_not_be(typed: str, seen: View, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        confirmation.forced({"typed": typed, "author": "ann"}, SPEC, seen)
