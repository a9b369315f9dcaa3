"""An operator's order is carried out or refused with what would be right."""

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any

import pytest

from vedette.cluster.events import Maintenance, Move, Standby
from vedette.daemon import orders
from vedette.kit.errors import UsageError
from vedette.kit.net import parse
from vedette.kit.units import HOUR
from vedette.spec.resolved import ClusterSpec, Failback, Group, Heartbeat, Node, Role, SplitBrainPolicy
from vedette.state.placement import LeaseView, Liveness, NodeView, Order, OrderView, View

SPEC = ClusterSpec(
    name="edge",
    digest="0" * 64,
    nodes=(
        Node(name="a", role=Role.DIRECTOR, address=parse("10.0.0.2"), interfaces={}),
        Node(name="b", role=Role.DIRECTOR, address=parse("10.0.0.3"), interfaces={}),
        Node(name="c", role=Role.DIRECTOR, address=parse("10.0.0.5"), interfaces={}),
        Node(name="w", role=Role.WITNESS, address=parse("10.0.0.4"), interfaces={}),
    ),
    keys=(),
    heartbeat=Heartbeat(interval=1, warn_after=2, dead_after=4, startup_grace=8, links=()),
    policy=SplitBrainPolicy.MAJORITY,
    groups=(Group(name="web", addresses=(), nodes=("a", "b"), preferred_nodes=("a", "b")),),
)


def _view(
    *,
    b_ready: bool = True,
    holder: str | None = "a",
    orders: tuple[OrderView, ...] = (),
    missing: Mapping[str, int] = MappingProxyType({}),
) -> View:
    def node(name: str, *, ready: bool = True) -> NodeView:
        return NodeView(
            name=name,
            liveness=Liveness.UP,
            since=1,
            ready=ready,
            holds=(),
            links=("lan",),
            revision=1,
            digest="0",
            incarnation=1,
            missing=missing.get(name, 0),
        )

    lease = LeaseView(group="web", holder=holder, mine=holder == "a", until=0, reason="preferred node")
    nodes = (node("a"), node("b", ready=b_ready), node("c"))
    return View(me="a", now=1, quorum=True, nodes=nodes, leases=(lease,), orders=orders)


def _standing(order: Order, about: str, to: str | None = None) -> tuple[OrderView, ...]:
    return (OrderView(order, about, to, "ann", "", 0),)


MOVED = _standing(Order.MOVE, "web", "b")


def _move(**fields: Any) -> dict[str, Any]:
    return {"verb": "move", "group": "web", "author": "ann", "reason": "why not"} | fields


def test_a_move_without_a_target_goes_to_the_best_other_node_that_is_ready() -> None:
    order = orders.read(_move(), SPEC, _view()).event
    assert order == Move(group="web", to="b", author="ann", reason="why not")


def test_a_move_to_a_node_that_lacks_something_says_so_unless_the_holder_lacks_as_much() -> None:
    lacking = orders.read(_move(node="b"), SPEC, _view(missing={"b": 1}))
    assert lacking.done == "web is on b; it lacks something that a has: see vedette status there"
    assert orders.read(_move(node="b"), SPEC, _view(missing={"a": 1, "b": 1})).done == "web is on b"


def test_a_cleared_move_lets_the_document_decide() -> None:
    order = orders.read(_move(clear=True), SPEC, _view(orders=MOVED)).event
    assert order == Move(group="web", to=None, author="ann", reason="why not")


@pytest.mark.parametrize(
    ("command", "view", "said"),
    [
        (_move(group="wbe"), _view(), "no group wbe (groups: web)"),
        (_move(node="d"), _view(), "no node d"),
        (_move(node="w"), _view(), "w is a witness"),
        (_move(node="c"), _view(), "c may not hold web"),
        (_move(node="b"), _view(b_ready=False), "b is not ready"),
        (_move(), _view(b_ready=False), "no other node is ready"),
        ({"verb": "node", "node": "w", "what": "standby"}, _view(), "w is a witness"),
    ],
)
def test_an_order_that_makes_no_sense_is_refused(command: dict[str, Any], view: View, said: str) -> None:
    with pytest.raises(UsageError) as refusal:
        orders.read(command, SPEC, view)
    assert said in str(refusal.value)


def test_standby_names_the_node_and_the_author() -> None:
    order = orders.read({"verb": "node", "node": "a", "what": "standby", "author": "ann"}, SPEC, _view()).event
    assert order == Standby(node="a", on=True, author="ann", reason="")


def test_a_move_is_done_when_its_target_holds_the_group() -> None:
    order = orders.read(_move(node="b"), SPEC, _view())
    assert order.pending(_view(holder="a")) == "web is still on a"
    assert order.pending(_view(holder=None)) == "web is still held by nobody"
    assert order.pending(_view(holder="b")) == ""
    assert order.done == "web is on b"


def test_a_cleared_move_is_done_when_the_preferred_node_has_it_or_at_once_where_nothing_fails_back() -> None:
    order = orders.read(_move(clear=True), SPEC, _view(holder="b", orders=MOVED))
    assert order.pending(_view(holder="b")) == "web is still on b"
    assert order.pending(_view(holder="a")) == ""
    manual = replace(SPEC, groups=(replace(SPEC.groups[0], failback=Failback.MANUAL),))
    assert orders.read(_move(clear=True), manual, _view(holder="b", orders=MOVED)).pending(_view(holder="b")) == ""


def test_standby_is_done_when_the_node_holds_nothing() -> None:
    order = orders.read({"verb": "node", "node": "a", "what": "standby"}, SPEC, _view())
    assert order.pending(_view(holder="a")) == "a still holds web"
    assert order.pending(_view(holder="b")) == ""


@pytest.mark.parametrize(
    "command",
    [
        _move(clear=True),
        {"verb": "node", "node": "a", "what": "online"},
        {"verb": "group", "group": "web", "what": "resume"},
    ],
    ids=["move", "node", "group"],
)
def test_what_this_node_has_not_heard_of_it_does_not_claim_to_have_taken_back(command: dict[str, Any]) -> None:
    order = orders.read(command, SPEC, _view())
    assert order.event is None
    assert order.done.startswith("nothing was taken back: this node knows of no ")


def test_what_the_document_says_is_not_taken_back_by_an_order() -> None:
    node, *others = SPEC.nodes
    written = replace(SPEC, nodes=(replace(node, standby=True), *others))
    command = {"verb": "node", "node": "a", "what": "online"}
    with pytest.raises(UsageError, match="the document that says `standby: true`"):
        orders.read(command, written, _view())
    both = orders.read(command, written, _view(orders=_standing(Order.STANDBY, "a")))
    assert both.event == Standby("a", False, "", "")
    assert "the document still says" in both.done


@pytest.mark.parametrize("order", [Order.STANDBY, Order.NODE_MAINTENANCE])
def test_online_ends_standby_and_maintenance(order: Order) -> None:
    found = orders.read({"verb": "node", "node": "a", "what": "online"}, SPEC, _view(orders=_standing(order, "a")))
    assert found.event == Standby("a", False, "", "")
    assert found.done == "a is online again"


def test_maintenance_of_a_node_or_a_group_is_done_when_it_stands() -> None:
    node = orders.read({"verb": "node", "node": "a", "what": "maintenance", "author": "ann"}, SPEC, _view())
    assert node.event == Maintenance("a", False, True, "ann", "")
    assert "too many" in node.pending(_view())
    assert node.pending(_view(orders=_standing(Order.NODE_MAINTENANCE, "a"))) == ""
    group = orders.read({"verb": "group", "group": "web", "what": "maintenance"}, SPEC, _view())
    assert group.event == Maintenance("web", True, True, "", "")


def test_an_order_may_end_by_itself_but_not_after_a_month() -> None:
    order = orders.read(_move(node="b") | {"for": 2 * HOUR}, SPEC, _view())
    assert order.event == Move("web", "b", "ann", "why not", 2 * HOUR)
    assert order.done == "web is on b for 2h"
    with pytest.raises(UsageError, match="belongs into the document"):
        orders.read(_move(node="b") | {"for": 1000 * HOUR}, SPEC, _view())
