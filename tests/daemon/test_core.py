"""The shell around the cluster core: what it performs, and that it is silent once it has ended."""

import asyncio
from pathlib import Path
from typing import Any, cast

import pytest

from vedette.addresses.addresses import Addresses
from vedette.cluster.events import FenceRequest, Outgoing, Ready, Stop, Tick
from vedette.cluster.machine import Machine
from vedette.daemon.core import Core
from vedette.daemon.durable import DurableState
from vedette.kit import clock
from vedette.kit.errors import InvariantError
from vedette.kit.net import parse
from vedette.kit.units import SECOND
from vedette.spec.resolved import ClusterSpec, Group, Heartbeat, Key, Node, Role, SplitBrainPolicy

ALONE = ClusterSpec(
    name="edge",
    digest="0" * 64,
    nodes=(Node(name="a", role=Role.DIRECTOR, address=parse("10.0.0.2"), interfaces={}),),
    keys=(Key("k1", b"k" * 32),),
    heartbeat=Heartbeat(
        interval=SECOND // 5, warn_after=SECOND // 2, dead_after=SECOND, startup_grace=SECOND, links=()
    ),
    policy=SplitBrainPolicy.MAJORITY,
    groups=(Group(name="web", addresses=(), nodes=("a",)),),
)


class Kernel:
    """Remembers what it was told to hold; the real one is tested in tests/addresses."""

    def __init__(self) -> None:
        self.told: list[tuple[str, str]] = []

    def held(self) -> frozenset[str]:
        return frozenset()

    def hold(self, group: str, deadline: int) -> None:
        self.told.append(("hold", group))

    def release(self, group: str, *, lame_duck: int = 0) -> None:
        self.told.append(("release", group))

    def flush(self) -> None:
        pass


def core(tmp_path: Path, kernel: Kernel, **others: Any) -> Core:
    return Core(
        spec=ALONE,
        revision=1,
        node="a",
        run_dir=tmp_path,
        state_dir=tmp_path / "state",
        addresses=cast(Addresses, kernel),
        changed=lambda: None,
        **({"fence": lambda wanted: None} | others),
    )


def test_the_only_node_holds_its_group_at_once(tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    kernel = Kernel()

    async def scenario() -> None:
        await core(tmp_path, kernel).start()

    asyncio.run(scenario())
    assert ("hold", "web") in kernel.told
    assert (tmp_path / "core.state").exists()


def test_a_core_that_has_ended_writes_and_tells_nothing_more(tmp_path: Path) -> None:
    """Its successor reads and writes the same files: a late word would undo what that one has promised."""
    (tmp_path / "state").mkdir()
    kernel = Kernel()

    async def scenario() -> Any:
        ended = core(tmp_path, kernel)
        await ended.start()
        await ended.close()
        (tmp_path / "core.state").write_bytes(b"the successor's")
        told = list(kernel.told)
        ended.handle(Stop())
        return told

    told = asyncio.run(scenario())
    assert (tmp_path / "core.state").read_bytes() == b"the successor's"
    assert kernel.told == told


SHOOT_B = FenceRequest("b", incarnation=5, wait=0)
SHOOT_C = FenceRequest("c", incarnation=5, wait=0)


def wanted_off(tmp_path: Path, *steps: tuple[Ready, bool]) -> list[tuple[FenceRequest, ...]]:
    """Whom a core asks to be shot while it performs each ``Ready``, the disk being full (False) or not."""
    told: list[tuple[FenceRequest, ...]] = []

    async def scenario() -> None:
        shell = core(tmp_path, Kernel(), fence=told.append)
        for ready, writable in steps:
            volatile = b"state"
            shell._volatile = tmp_path / ("core.state" if writable else "no such folder/core.state")
            shell._perform(ready._replace(volatile=volatile, wake_at=1 << 62))

    asyncio.run(scenario())
    return told


def test_whom_the_core_wants_off_is_said_as_a_complete_set(tmp_path: Path) -> None:
    steps = [(Ready(fence=(SHOOT_B,)), True), (Ready(), True)]
    assert wanted_off(tmp_path, *steps) == [(SHOOT_B,), ()]


def test_what_cannot_be_remembered_has_nobody_shot_but_spares_who_is_spared(tmp_path: Path) -> None:
    steps = [(Ready(fence=(SHOOT_B,)), True), (Ready(fence=(SHOOT_B, SHOOT_C)), False), (Ready(), False)]
    assert wanted_off(tmp_path, *steps) == [(SHOOT_B,), (SHOOT_B,), ()]


def test_a_ready_that_changes_nothing_leaves_the_wanted_set_as_it_is(tmp_path: Path) -> None:
    steps = [(Ready(fence=(SHOOT_B,)), True), (Ready(unchanged=True), True)]
    assert wanted_off(tmp_path, *steps) == [(SHOOT_B,)]


async def started(tmp_path: Path, kernel: Kernel, **others: Any) -> Core:
    (tmp_path / "state").mkdir()
    one = core(tmp_path, kernel, **others)
    await one.start()
    return one


def test_a_core_is_on_time_and_late_after_it_was_held_up_until_it_wakes_when_it_should(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scenario() -> None:
        one = await started(tmp_path, Kernel())
        assert one.late() == ""
        real = clock.boottime
        monkeypatch.setattr(clock, "boottime", lambda: real() + 2 * SECOND)
        assert "late" in one.late()
        one.handle(Tick())
        assert "late" in one.late()
        one.handle(Tick())
        assert one.late() == ""
        await one.close()

    asyncio.run(scenario())


def test_a_core_that_cannot_write_its_state_is_not_on_time(tmp_path: Path) -> None:
    async def scenario() -> None:
        one = await started(tmp_path, Kernel())
        (tmp_path / "core.state").unlink()
        (tmp_path / "core.state").mkdir()
        one._persist(Ready(volatile=b"state"))
        assert "cannot be written" in one.late()
        await one.close()

    asyncio.run(scenario())


def test_it_is_said_before_the_kernel_holds_anything(tmp_path: Path) -> None:
    kernel = Kernel()

    async def scenario() -> None:
        one = await started(tmp_path, kernel, holding=lambda: kernel.told.append(("said", "")))
        assert one.holds()
        assert one.left_behind() == []
        await one.close()

    asyncio.run(scenario())
    assert kernel.told[:2] == [("said", ""), ("hold", "web")]


def test_what_voters_agree_on_is_on_disk_before_anything_is_said(tmp_path: Path) -> None:
    """While it cannot be written nothing is sent; once it can, the latest state is there."""
    (tmp_path / "state").mkdir()
    sent: list[bytes] = []

    async def scenario() -> None:
        shell = core(tmp_path, Kernel())
        await shell.start()
        shell.links.send = lambda data, *, to=None: sent.append(data)  # type: ignore[method-assign]
        (tmp_path / "state").rename(tmp_path / "gone")
        said = Ready(durable=b"agreed", binding=True, send=(Outgoing(b"yes"),), wake_at=1 << 62)
        shell._perform(said)
        assert sent == []
        assert shell.trouble
        (tmp_path / "gone").rename(tmp_path / "state")
        shell._perform(Ready(send=(Outgoing(b"later"),), wake_at=1 << 62))
        assert sent == [b"later"]
        assert (tmp_path / "state" / "core.state").read_bytes() == b"agreed"
        await shell.close()

    asyncio.run(scenario())


def test_an_older_state_that_was_being_written_replaces_no_newer_one(tmp_path: Path) -> None:
    async def scenario() -> None:
        state = DurableState(tmp_path / "core.state")
        state.take(b"wishes", now=False)
        state.take(b"agreed", now=True)
        state.settle()
        await state.finish()
        state.settle()

    asyncio.run(scenario())
    assert (tmp_path / "core.state").read_bytes() == b"agreed"


def test_the_kernel_knows_of_a_shorter_deadline_before_anybody_is_told_what_it_follows_from(tmp_path: Path) -> None:
    kernel = Kernel()

    async def scenario() -> None:
        one = await started(tmp_path, kernel)
        one.links.send = lambda data, *, to=None: kernel.told.append(("sent", ""))  # type: ignore[method-assign]
        said = Ready(send=(Outgoing(b"b votes now"),), wake_at=1 << 62)
        for deadline in (1 << 61, 1 << 60, 1 << 61):
            kernel.told.append(("turn", ""))
            one._perform(said._replace(hold={"web": deadline}))
        await one.close()

    asyncio.run(scenario())
    turns = "".join({"turn": "|", "sent": "s", "hold": "h"}[what] for what, _ in kernel.told).split("|")[1:]
    assert turns == ["hsh", "hsh", "sh"]  # the first: alone, the node was told of no end


def test_nothing_is_held_on_the_word_of_a_state_that_was_never_written(tmp_path: Path) -> None:
    """The disk of the durable state fails for a while at the start; what is volatile is owed meanwhile."""
    written: list[bool] = []

    class Watching(Kernel):
        def hold(self, group: str, deadline: int) -> None:
            written.append((tmp_path / "core.state").exists())

    async def scenario() -> None:
        shell = core(tmp_path, Watching())
        await shell.start()
        assert shell.trouble
        (tmp_path / "state").mkdir()
        async with asyncio.timeout(10):
            while not written:
                await asyncio.sleep(0.01)
        await shell.close()

    asyncio.run(scenario())
    assert written[0]


@pytest.mark.parametrize("by_datagram", [False, True])
def test_a_core_that_fails_says_so_once_and_does_nothing_any_more(tmp_path: Path, *, by_datagram: bool) -> None:
    (tmp_path / "state").mkdir()
    kernel, failures = Kernel(), list[Exception]()

    class Fails:
        parting = frozenset[str]()

        def handle(self, *_: object) -> Ready:
            raise InvariantError("two owners")

    async def scenario() -> None:
        shell = core(tmp_path, kernel, failed=failures.append)
        await shell.start()
        kernel.told.clear()
        shell._machine = cast(Machine, Fails())
        for _ in range(3):
            shell._received("lan", b"") if by_datagram else shell.handle(Tick())
        await shell.close()

    asyncio.run(scenario())
    assert [str(failure) for failure in failures] == ["two owners"]
    assert kernel.told == []
