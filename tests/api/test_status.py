"""What the status says of links and keys: every link with who is heard on it, and what is wrong in a sentence."""

from dataclasses import replace
from ipaddress import ip_address
from typing import Any

from vedette.api import paths
from vedette.api.status import Clocks, SpecStatus, status
from vedette.kit.units import SECOND
from vedette.spec.resolved import UNSIGNED, ClusterSpec, Heartbeat, Key, Link, Node, Role, SplitBrainPolicy
from vedette.state.placement import ConfigView, KeysView, Liveness, NodeView, View

NOW = 1000 * SECOND
LINKS = (
    Link("lan", 694, {name: ip_address(f"10.0.0.{number}") for number, name in enumerate("abc", 1)}),
    Link("cross", 695, {"a": ip_address("10.9.0.1"), "b": ip_address("10.9.0.2")}),
)


def spec(*keys: Key) -> ClusterSpec:
    return ClusterSpec(
        name="edge",
        digest="0" * 64,
        nodes=tuple(Node(name, Role.DIRECTOR, None, {}) for name in "abc"),
        keys=keys or (Key("k1", b"k" * 32),),
        heartbeat=Heartbeat(SECOND // 5, SECOND // 2, SECOND, SECOND, LINKS),
        policy=SplitBrainPolicy.MAJORITY,
        groups=(),
    )


def node(name: str, liveness: Liveness = Liveness.UP, **heard: int) -> NodeView:
    return NodeView(name, liveness, 1, True, (), tuple(heard), 1, "0" * 64, 1, (), heard)


def view(*others: NodeView, keys: KeysView | None = None) -> View:
    return View("a", NOW, True, (node("a"), *others), (), keys or KeysView())


def link(name: str, **changes: Any) -> dict[str, Any]:
    return {
        "name": name,
        "kind": "unicast",
        "open": True,
        "opened": 1,
        "problem": "",
        "sent": 7,
        "received": 6,
        "refused": 1,
        "sendErrors": 0,
        "receiveErrors": 0,
    } | changes


def whole(document: ClusterSpec, seen: View, *links: dict[str, Any]) -> dict[str, Any]:
    return status(
        spec=document,
        spec_status=SpecStatus("cluster.yaml", 1, document.digest, 1, ()),
        view=seen,
        addresses=(),
        verdicts={},
        services=(),
        processes=(),
        problems=(),
        refused={},
        links=links,
        node="a",
        clocks=Clocks(boottime=NOW, wall=NOW),
        fencing={},
        watchdog=None,
    )


def test_a_link_shows_its_counters_and_when_each_peer_was_last_heard_on_it() -> None:
    seen = view(node("b", lan=NOW, cross=NOW), node("c", lan=NOW))
    shown = whole(spec(), seen, link("lan"), link("cross"))
    lan, cross = shown["links"]
    assert (lan["sent"], lan["received"], lan["refused"], lan["problem"]) == (7, 6, 1, None)
    assert [peer["node"] for peer in lan["peers"]] == ["b", "c"]
    assert [peer["node"] for peer in cross["peers"]] == ["b"]
    assert cross["peers"][0]["lastHeard"] == "1970-01-01T00:16:40.000Z"
    assert shown["problems"] == []


def test_a_peer_that_is_heard_on_one_link_only_is_a_problem_of_the_other() -> None:
    seen = view(node("b", lan=NOW, cross=NOW - 2 * SECOND), node("c", lan=NOW))
    shown = whole(spec(), seen, link("lan"), link("cross"))
    assert shown["problems"] == [{"scope": "link cross", "message": "nothing is heard on it from b"}]


def test_a_link_that_has_just_been_opened_and_a_node_that_is_dead_are_no_problem_of_the_link() -> None:
    fresh = paths.paths(spec(), view(node("b", lan=NOW)), [link("lan"), link("cross", opened=NOW - SECOND // 2)])
    dead = paths.paths(spec(), view(node("b", Liveness.DEAD)), [link("lan"), link("cross")])
    assert [path.problems for path in (*fresh, *dead)] == [()] * 4


def test_a_link_that_is_not_open_says_why() -> None:
    shown = whole(spec(), view(node("b", lan=NOW)), link("lan"), link("cross", open=False, problem="No such device"))
    assert shown["problems"] == [{"scope": "link cross", "message": "is not open: No such device"}]
    assert shown["links"][1]["problem"] == "No such device"


def test_authentication_that_is_not_enforced_is_a_problem() -> None:
    shown = whole(spec(Key("k1", b"k" * 32), UNSIGNED), view())
    assert shown["authentication"]["enforced"] is False
    assert shown["authentication"]["keys"] == ["k1"]
    assert "not enforced" in shown["problems"][0]["message"]


def test_a_rotation_says_whom_it_waits_for() -> None:
    keys = KeysView(signs="old", behind=("c",), retired={"older": ("b",)})
    shown = whole(spec(), view(keys=keys))
    assert shown["authentication"]["waitsFor"] == ["c"]
    assert [problem["scope"] for problem in shown["problems"]] == ["authentication"] * 2
    assert "key older has left the document, and is accepted until b" in shown["problems"][0]["message"]


def test_what_the_voters_have_not_agreed_on_is_shown_as_pending_with_what_it_waits_for() -> None:
    config = ConfigView(1, ("a", "b", "c"), SECOND, 4 * SECOND, "d votes", "waits for b to have the same document")
    shown = whole(spec(), replace(view(node("b"), node("c")), config=config))
    assert shown["config"] == {
        "step": 1,
        "voters": ["a", "b", "c"],
        "interval": 1.0,
        "deadAfter": 4.0,
        "pending": "d votes",
        "waitsFor": "waits for b to have the same document",
    }
    said = "pending, not in force yet: d votes (waits for b to have the same document)"
    assert {"scope": "config", "message": said} in shown["problems"]


def test_a_holder_that_the_document_does_not_list_is_a_problem() -> None:
    parting = replace(node("d"), holds=("web",))
    problems = whole(spec(), view(node("b"), node("c"), parting))["problems"]
    assert [item["scope"] for item in problems if "not in the document" in item["message"]] == ["node d"]
