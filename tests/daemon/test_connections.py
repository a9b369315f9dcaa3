"""A director that comes up learns the others' connections before it counts as ready, or says that it could not."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest

from vedette.daemon.connections import AGAIN, DAEMONS, PATIENCE, Connections
from vedette.ipvs.connections.dump import Dumps, Elsewhere
from vedette.ipvs.connections.model import Daemon, Role
from vedette.ipvs.connections.plan import Start, Step, Stop
from vedette.ipvs.connections.plea import Sent
from vedette.ipvs.connections.reconciler import SyncDaemons
from vedette.kit.units import MILLISECOND, SECOND
from vedette.spec.resolved import (
    ClusterSpec,
    ConnectionSync,
    Group,
    Heartbeat,
    Key,
    Node,
    SplitBrainPolicy,
    VirtualAddress,
    key_id,
)
from vedette.spec.resolved import Role as NodeRole
from vedette.state.placement import LeaseView, Liveness, NodeView, View

SECRET = b"of the cluster"
KEY = Key(key_id(SECRET), SECRET)
ADDRESSES = {"one": ip_address("127.0.0.1"), "two": ip_address("127.0.0.2")}
VIP = ip_address("203.0.113.80")


def document(port: int, sync: bool = True) -> ClusterSpec:
    return ClusterSpec(
        name="web",
        digest="1",
        nodes=tuple(Node(name, NodeRole.DIRECTOR, address, {}) for name, address in ADDRESSES.items()),
        keys=(KEY,),
        heartbeat=Heartbeat(200 * MILLISECOND, 500 * MILLISECOND, SECOND, SECOND, ()),
        policy=SplitBrainPolicy.MAJORITY,
        groups=(Group("web", (VirtualAddress("public", VIP, 24),), tuple(ADDRESSES)),),
        connection_sync=ConnectionSync("lo", ip_address("224.0.0.81"), port) if sync else None,
    )


def view(me: str, holder: str | None, **others: Liveness) -> View:
    nodes = tuple(
        NodeView(
            name=name,
            liveness=others.get(name, Liveness.UP),
            since=0,
            ready=True,
            holds=("web",) if name == holder else (),
            links=(),
            revision=1,
            digest="1",
            incarnation=1,
        )
        for name in ADDRESSES
    )
    return View(me, 0, True, nodes, (LeaseView("web", holder, holder == me, 0, ""),))


class KernelDaemons:
    """The kernel's sync daemons, without a kernel."""

    def __init__(self) -> None:
        self.running: dict[Role, Daemon] = {}

    def daemons(self) -> tuple[Daemon, ...]:
        return tuple(self.running.values())

    def perform(self, step: Step) -> str:
        match step:
            case Stop(role):
                self.running.pop(role, None)
            case Start(daemon):
                self.running[daemon.role] = daemon
        return ""

    def tune(self) -> tuple[str, ...]:
        return ()

    def close(self) -> None:
        pass


class Wire(Dumps):
    """Two kernels' tables, and the multicast between them; ``lost`` loses it."""

    def __init__(self, known: int, other: "Wire | None" = None, *, lost: bool = False) -> None:
        self.known, self.other, self.lost = known, other, lost
        self.dumps = self.sent_young = 0

    def close(self) -> None:
        pass

    async def count(self) -> int:
        return self.known

    async def everything(self, daemon: Daemon, but: Elsewhere) -> Sent:
        self.dumps += 1
        if self.other is not None and not self.lost:
            self.other.known = self.known
        return Sent(self.known, 1, 1)


class Clock:
    def __init__(self) -> None:
        self.now = SECOND

    def __call__(self) -> int:
        return self.now


def director(folder: Path, name: str, wire: Wire, clock: Clock, **parts: Any) -> Connections:
    (folder / name).mkdir(exist_ok=True)
    given: dict[str, Any] = {
        "view": lambda: view(name, "one"),
        "programmed": lambda: True,
        "changed": lambda: None,
    }
    daemons = SyncDaemons(folder / name, driver=parts.pop("kernel", None) or KernelDaemons())
    return Connections(node=name, run_dir=folder / name, daemons=daemons, dumps=wire, now=clock, **(given | parts))


async def settle(target: Connections, clock: Clock, until: Callable[[], bool], *, looks: int = 200) -> bool:
    """Look until something holds; what is asked over a socket gets its turns."""
    for _ in range(looks):
        await target.look()
        if until():
            return True
        clock.now += DAEMONS // 100
        await asyncio.sleep(0.005)
    return False


@asynccontextmanager
async def holder(folder: Path, wire: Wire, clock: Clock) -> AsyncIterator[int]:
    """A director that holds the group and answers; yields its port."""
    with_port = await asyncio.start_server(lambda _, __: None, "127.0.0.1", 0)
    port = int(with_port.sockets[0].getsockname()[1])
    with_port.close()
    await with_port.wait_closed()
    one = director(folder, "one", wire, clock, running=lambda: document(port))
    await one.look()
    assert one.ready
    try:
        yield port
    finally:
        one.close()


def test_a_fresh_director_is_ready_when_the_holders_connections_are_here(tmp_path: Path) -> None:
    async def play() -> None:
        clock, fresh = Clock(), Wire(0)
        async with holder(tmp_path, Wire(120, fresh), clock) as port:
            two = director(tmp_path, "two", fresh, clock, running=lambda: document(port))
            await two.look()
            assert not two.ready
            assert await settle(two, clock, lambda: two.ready)
            assert fresh.known == 120
            assert two.problems() == []
            two.close()

    asyncio.run(play())


def test_a_restarted_daemon_does_not_ask_again(tmp_path: Path) -> None:
    """The kernel's backup daemon went on meanwhile."""

    async def play() -> None:
        clock, fresh = Clock(), Wire(0)
        giving = Wire(120, fresh)
        async with holder(tmp_path, giving, clock) as port:
            kernel = KernelDaemons()
            two = director(tmp_path, "two", fresh, clock, running=lambda: document(port), kernel=kernel)
            assert await settle(two, clock, lambda: two.ready)
            two.close()
            again = director(tmp_path, "two", fresh, clock, running=lambda: document(port), kernel=kernel)
            await again.look()
            assert again.ready
            again.close()
        assert giving.dumps == 1

    asyncio.run(play())


def test_a_director_that_nobody_answers_goes_on_without_and_says_so(tmp_path: Path) -> None:
    async def play() -> None:
        clock = Clock()
        two = director(tmp_path, "two", Wire(0), clock, running=lambda: document(1))
        assert not await settle(two, clock, lambda: two.ready, looks=20)
        clock.now += PATIENCE
        assert await settle(two, clock, lambda: two.ready)
        assert any("have not been learnt" in message for _, message in two.problems())
        two.close()

    asyncio.run(play())


def test_connections_that_were_sent_and_did_not_arrive_are_said(tmp_path: Path) -> None:
    async def play() -> None:
        clock = Clock()
        async with holder(tmp_path, Wire(120, lost=True), clock) as port:
            two = director(tmp_path, "two", Wire(0), clock, running=lambda: document(port))
            clock_runs = asyncio.create_task(_run(clock))
            assert await settle(two, clock, lambda: two.ready, looks=2000)
            assert await settle(two, clock, lambda: bool(two.problems()), looks=2000)
            clock_runs.cancel()
            two.close()

    asyncio.run(play())


async def _run(clock: Clock) -> None:
    while True:
        clock.now += AGAIN // 4
        await asyncio.sleep(0.005)


@pytest.mark.parametrize(
    ("present", "why"),
    [
        (view("two", None, one=Liveness.DEAD), "nobody else lives"),
        (view("two", None), "nobody holds anything"),
        (view("two", "two"), "it holds the group itself"),
    ],
)
def test_who_has_nobody_to_ask_is_ready_at_once(tmp_path: Path, present: View, why: str) -> None:
    async def play() -> None:
        two = director(tmp_path, "two", Wire(0), Clock(), running=lambda: document(1), view=lambda: present)
        await two.look()
        assert two.ready, why
        two.close()

    asyncio.run(play())


def test_nothing_is_asked_before_the_table_of_services_is_there(tmp_path: Path) -> None:
    async def play() -> None:
        clock = Clock()
        two = director(tmp_path, "two", Wire(0), clock, running=lambda: document(1), programmed=lambda: False)
        clock.now += 2 * PATIENCE
        await two.look()
        assert not two.ready
        two.close()

    asyncio.run(play())


def test_without_connection_sync_there_is_nothing_to_learn(tmp_path: Path) -> None:
    async def play() -> None:
        two = director(tmp_path, "two", Wire(0), Clock(), running=lambda: document(1, sync=False))
        await two.look()
        assert two.ready
        assert two.status(str) is None
        two.close()

    asyncio.run(play())


def test_the_status_says_what_was_learnt_and_what_was_sent(tmp_path: Path) -> None:
    async def play() -> None:
        clock, fresh = Clock(), Wire(0)
        giving = Wire(120, fresh)
        async with holder(tmp_path, giving, clock) as port:
            two = director(tmp_path, "two", fresh, clock, running=lambda: document(port))
            assert await settle(two, clock, lambda: two.ready)
            status = two.status(str)
            assert status is not None
            assert {daemon["role"] for daemon in status["daemons"]} == {"master", "backup"}
            assert [(item["node"], item["connections"], item["here"]) for item in status["learntFrom"]] == [
                ("one", 120, 120)
            ]
            two.close()

    asyncio.run(play())
