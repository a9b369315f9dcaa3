"""What the addresses are told of the other nodes."""

from vedette.addresses.model import Cluster
from vedette.daemon import outlook
from vedette.state.placement import LeaseView, Liveness, NodeView, View

OURS, OLDER = "11" * 32, "22" * 8


def node(name: str, liveness: Liveness, digest: str, *macs: str) -> NodeView:
    return NodeView(
        name, liveness, 0, ready=True, holds=(), links=(), revision=1, digest=digest, incarnation=1, ethernet=macs
    )


def test_it_is_who_holds_what_who_answers_with_which_mac_and_who_is_heard_to_have_which_document() -> None:
    nodes = (
        node("a", Liveness.UP, OURS, "020000000001"),
        node("b", Liveness.LATE, OURS, "020000000002"),
        node("c", Liveness.UP, OLDER, "020000000003", "020000000004"),
        node("d", Liveness.DEAD, OLDER, "020000000005"),
        node("w", Liveness.UP, "0" * 16),
    )
    leases = (
        LeaseView("web", "b", mine=False, until=0, reason=""),
        LeaseView("db", None, mine=False, until=0, reason=""),
    )
    view = View(me="a", now=9, quorum=True, nodes=nodes, leases=leases)
    assert outlook.of_the_cluster(view) == Cluster(
        holders={"web": "b", "db": None},
        macs={
            "b": frozenset({b"\2\0\0\0\0\2"}),
            "c": frozenset({b"\2\0\0\0\0\3", b"\2\0\0\0\0\4"}),
            "d": frozenset({b"\2\0\0\0\0\5"}),
            "w": frozenset(),
        },
        behind=frozenset({"c"}),
        same=frozenset({"a", "b"}),
        present=frozenset({"a", "b", "c", "d", "w"}),
    )
