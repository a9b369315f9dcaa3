"""The keeper's side of fencing, with a real fencer process: it may be killed or hang at any time, at no cost."""

import asyncio
import contextlib
import os
import signal
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import pytest
from tests.fencing.documents import ASSIGNMENT, A, B

from vedette.cluster.events import FenceRequest, FenceResult
from vedette.daemon.fencing import Fencing
from vedette.fencing import history
from vedette.kit.errors import TransientError
from vedette.kit.units import SECOND
from vedette.spec.resolved import ClusterSpec, Heartbeat, SplitBrainPolicy
from vedette.state.placement import Liveness, NodeView, View

HELPERS = Path(__file__).parent / "helpers"

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
SHOOT_B = FenceRequest("b", incarnation=5, wait=0)


def view(*, b: Liveness) -> View:
    def node(name: str, liveness: Liveness) -> NodeView:
        return NodeView(name, liveness, 1, ready=True, holds=(), links=(), revision=1, digest="", incarnation=5)

    return View(me="a", now=1, quorum=True, nodes=(node("a", Liveness.UP), node("b", b)), leases=())


class Desk:
    """The keeper's side, what it was told, and the switches of the devices."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.results: list[FenceResult] = []
        self.news = asyncio.Event()
        self.fencing = Fencing(
            run_dir=folder, state_dir=folder, result=self._take, changed=self.news.set, module="scripted_fencer"
        )
        for device in ASSIGNMENT.devices:
            (folder / device.name).write_text("on")

    def _take(self, result: FenceResult) -> None:
        self.results.append(result)
        self.news.set()

    async def until(self, true: Callable[[], bool]) -> None:
        """Do what the keeper's report loop does until something is true."""
        while not true():
            self.fencing.tell()
            self.news.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(0.2):
                    await self.news.wait()

    def confirmed(self) -> bool:
        return any(result.confirmed for result in self.results)

    def trusts(self) -> bool:
        status = self.fencing.status()
        plugs = status["report"]["plugs"] if status else []
        return len(plugs) == 4 and all(plug["trusted"] for plug in plugs)


def scenario(folder: Path, monkeypatch: pytest.MonkeyPatch, play: Callable[[Desk], Awaitable[None]]) -> Desk:
    monkeypatch.setenv("PYTHONPATH", str(HELPERS))

    async def main() -> Desk:
        desk = Desk(folder)
        desk.fencing.configure(SPEC, me="a")
        desk.fencing.look(view(b=Liveness.UP))
        task = asyncio.create_task(desk.fencing.run())
        try:
            async with asyncio.timeout(60):
                await play(desk)
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
        return desk

    return asyncio.run(main())


def test_whom_the_core_wants_off_is_switched_off_and_the_core_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def play(desk: Desk) -> None:
        desk.fencing.look(view(b=Liveness.DEAD))
        desk.fencing.want((SHOOT_B,))
        await desk.until(desk.confirmed)

    desk = scenario(tmp_path, monkeypatch, play)
    assert desk.results[0] == FenceResult("b", 5, confirmed=True, reason="off, says bmc-b")
    assert (tmp_path / "bmc-b").read_text() == "off"
    assert (tmp_path / "bmc-a").read_text() == "on"


def test_a_killed_fencer_is_replaced_and_told_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def play(desk: Desk) -> None:
        await desk.until(desk.trusts)
        for device in ("bmc-b", "pdu"):
            (tmp_path / device).write_text("hang")
        desk.fencing.look(view(b=Liveness.DEAD))
        desk.fencing.want((SHOOT_B,))
        await desk.until(lambda: bool((desk.fencing.status() or {})["report"]["fences"]))
        assert desk.fencing.child.pid is not None
        os.kill(desk.fencing.child.pid, signal.SIGKILL)
        await desk.until(lambda: desk.fencing.child.restarts == 1)
        (tmp_path / "bmc-b").write_text("off")
        await desk.until(desk.confirmed)

    scenario(tmp_path, monkeypatch, play)


def test_what_is_withdrawn_is_not_told_any_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def play(desk: Desk) -> None:
        (tmp_path / "bmc-b").write_text("hang")
        desk.fencing.want((SHOOT_B,))
        await desk.until(lambda: bool((desk.fencing.status() or {})["report"]["fences"]))
        desk.fencing.want(())
        await desk.until(lambda: not (desk.fencing.status() or {})["report"]["fences"])

    desk = scenario(tmp_path, monkeypatch, play)
    assert desk.results == []
    assert (tmp_path / "pdu").read_text() == "on"


def test_a_persons_word_is_taken_down(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said = FenceResult("b", 5, confirmed=True, reason="human: ann (uid 0)")

    async def play(desk: Desk) -> None:
        desk.fencing.confirm(said, author="ann")
        await desk.until(lambda: bool(history.read(tmp_path)))

    desk = scenario(tmp_path, monkeypatch, play)
    (entry,) = history.read(tmp_path)
    assert (entry["result"], entry["reason"], entry["askedBy"]) == ("confirmed", "human: ann (uid 0)", "ann")
    assert desk.fencing.status()["off"] == {"b": "human: ann (uid 0)"}  # type: ignore[index]


def test_a_node_that_lives_again_is_not_off_any_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def play(desk: Desk) -> None:
        desk.fencing.confirm(FenceResult("b", 5, confirmed=True, reason="human: ann"), author="ann")
        desk.fencing.look(view(b=Liveness.UP))

    assert scenario(tmp_path, monkeypatch, play).fencing.status()["off"] == {}  # type: ignore[index]


def test_an_operators_question_is_answered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def play(desk: Desk) -> None:
        await desk.until(desk.trusts)
        answer = await desk.fencing.ask("test", "b")
        assert [[item["power"] for item in level] for level in answer["levels"]] == [["on"], ["on"]]

    scenario(tmp_path, monkeypatch, play)


def test_a_question_to_a_fencer_that_dies_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def play(desk: Desk) -> None:
        await desk.until(desk.trusts)
        (tmp_path / "bmc-b").write_text("hang")
        question = asyncio.ensure_future(desk.fencing.ask("test", "b"))
        await asyncio.sleep(0)
        assert desk.fencing.child.pid is not None
        os.kill(desk.fencing.child.pid, signal.SIGKILL)
        with pytest.raises(TransientError):
            await question

    scenario(tmp_path, monkeypatch, play)


def test_the_fencer_keeps_no_privilege_and_leaves_no_core(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def play(desk: Desk) -> None:
        await desk.until(desk.trusts)
        status = Path(f"/proc/{desk.fencing.child.pid}/status").read_text()
        limits = Path(f"/proc/{desk.fencing.child.pid}/limits").read_text()
        assert "CapEff:\t0000000000000000" in status
        assert "NoNewPrivs:\t1" in status
        assert next(line for line in limits.splitlines() if "core" in line).split()[4:6] == ["1", "1"]

    scenario(tmp_path, monkeypatch, play)


def test_a_document_without_fencing_starts_no_fencer() -> None:
    async def main() -> None:
        fencing = Fencing(run_dir=Path(), state_dir=Path(), result=lambda _: None, changed=lambda: None)
        bare = replace(SPEC, nodes=(), fencing_devices=(), policy=SplitBrainPolicy.MAJORITY)
        fencing.configure(bare, me="a")
        assert not fencing.needed
        assert fencing.status() is None

    asyncio.run(main())
