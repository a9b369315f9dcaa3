"""`specSync`: a newer document is asked for and tried; an older one, our own, and a conflict never."""

import asyncio
from dataclasses import replace
from ipaddress import ip_address

import pytest

from vedette.daemon import sync
from vedette.daemon.sync import Running, Sync, conflicts, newest, next_revision
from vedette.sources import exchange
from vedette.sources.exchange import Received
from vedette.sources.parcel import Contents
from vedette.spec.resolved import ClusterSpec, Heartbeat, Key, Node, Role, SplitBrainPolicy
from vedette.state.placement import Liveness, NodeView, View

OLD, NEW, ODD = "1" * 64, "2" * 64, "3" * 64
SPEC = ClusterSpec(
    name="edge",
    digest=OLD,
    nodes=tuple(Node(name, Role.DIRECTOR, ip_address(f"127.0.0.{at}"), {}) for at, name in enumerate("abc", 2)),
    keys=(Key("0011aabb", b"k" * 32),),
    heartbeat=Heartbeat(1, 2, 4, 8, ()),
    policy=SplitBrainPolicy.MAJORITY,
    groups=(),
    spec_sync=True,
)


def running(revision: int = 5) -> Running:
    return Running(SPEC, revision, Contents(b"text"))


def view(**others: tuple[int, str]) -> View:
    """Other nodes, each with its revision and digest."""

    def node(name: str, revision: int, digest: str) -> NodeView:
        return NodeView(name, Liveness.UP, 1, True, (), ("lan",), revision, digest[:16], 1)

    nodes = [node(name, *said) for name, said in others.items()]
    return View("a", 1, True, (node("a", 5, OLD), *nodes), ())


def test_the_newest_document_that_anybody_heard_runs_is_wanted() -> None:
    found = newest(running(), view(b=(6, NEW), c=(7, ODD)))
    assert found is not None
    assert found.name == "c"


@pytest.mark.parametrize(
    "seen",
    [view(b=(4, NEW)), view(b=(5, NEW)), view(b=(9, OLD)), view(b=(9, "0" * 64)), view()],
    ids=["older", "of our revision", "the same", "not said yet", "nobody"],
)
def test_nothing_else_is_wanted(seen: View) -> None:
    assert newest(running(), seen) is None


def test_a_node_that_is_not_heard_is_not_asked() -> None:
    seen = view(b=(6, NEW))
    silent = replace(seen, nodes=tuple(replace(node, liveness=Liveness.DEAD) for node in seen.nodes))
    assert newest(running(), silent) is None


def test_two_documents_of_one_revision_are_a_conflict_and_the_next_edit_is_above_both() -> None:
    seen = view(b=(5, NEW), c=(6, ODD))
    assert conflicts(running(), seen) == ["b"]
    assert next_revision(5, seen) == 7
    assert next_revision(5, None) == 6


class Node5:
    """Node a, which runs revision 5; ``answer`` is what others hand over, ``refusal`` what it says to that."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.answer: Received | None = Received(6, Contents(b"newer"))
        self.refusal: str | None = None
        self.asked: list[str] = []
        self.taken: list[tuple[Received, str, str]] = []
        self.seen = view(b=(6, NEW))
        self.now = running()
        self.sync = Sync(node="a", running=lambda: self.now, view=lambda: self.seen, take=self._take)
        monkeypatch.setattr(exchange, "fetch", self._fetch)
        monkeypatch.setattr(exchange, "PORT", 0)
        monkeypatch.setattr(sync.Sync, "_listen", self._nothing)

    async def _nothing(self, *_: object) -> None:
        return None

    async def _fetch(self, address: object, **_: object) -> Received | None:
        self.asked.append(str(address))
        return self.answer

    async def _take(self, received: Received, digest: str, source: str) -> str | None:
        self.taken.append((received, digest, source))
        return self.refusal

    def look(self, times: int = 1) -> None:
        async def scenario() -> None:
            for _ in range(times):
                await self.sync.look()

        asyncio.run(scenario())


def test_a_newer_document_is_fetched_from_its_node_and_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    node = Node5(monkeypatch)
    node.look()
    assert node.asked == ["127.0.0.3"]
    assert node.taken == [(Received(6, Contents(b"newer")), NEW[:16], "b")]
    assert node.sync.problems == []


def test_one_that_is_not_valid_here_is_shown_until_there_is_another_and_tried_again_much_later(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    node = Node5(monkeypatch)
    node.refusal = "no such key file"
    node.look(20)
    assert len(node.taken) == 1
    assert node.sync.problems == ["revision of b is not taken: no such key file"]
    node.look(12)
    assert len(node.taken) == 2
    node.seen, node.refusal = view(b=(7, ODD)), None
    node.look()
    assert len(node.taken) == 3
    assert node.sync.problems == []


def test_one_that_was_refused_from_one_node_and_taken_from_another_is_no_problem(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    node = Node5(monkeypatch)
    node.refusal = "a file is in the way"
    node.look()
    assert node.sync.problems
    node.now = replace(running(6), spec=replace(SPEC, digest=NEW))
    assert node.sync.problems == []


def test_a_node_that_does_not_answer_is_asked_again_but_not_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    node = Node5(monkeypatch)
    node.answer = None
    node.look(6)
    assert len(node.asked) == 1
    assert node.sync.problems == [], "it may have been busy"
    node.look()
    assert len(node.asked) == 2
    assert "does not hand it over" in node.sync.problems[0]
    node.answer = Received(6, Contents(b"newer"))
    node.look(6)
    assert node.sync.problems == []


def test_a_conflict_is_a_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    node = Node5(monkeypatch)
    node.seen = view(c=(5, ODD))
    node.look()
    assert node.asked == []
    (problem,) = node.sync.problems
    assert problem.startswith("c runs another edit of the same revision 5")
