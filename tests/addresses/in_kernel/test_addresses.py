"""What the keeper is promised: groups held and released in a real kernel, whatever is done to it by hand."""

import asyncio
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from tests.addresses.groups import ME, group
from tests.addresses.in_kernel.conftest import Serve
from tests.addresses.wire import LAN, PEER, VIP, VIP6, Wire, claim_of, ip

from vedette.addresses import frames, gate, kernel
from vedette.addresses.addresses import Addresses
from vedette.addresses.guard import Guard
from vedette.addresses.model import (
    FOREVER,
    LOOPBACK,
    AddressEvent,
    Assigned,
    CarrierChanged,
    Cluster,
    Conflict,
    Emptied,
    GateFailed,
    GateWorks,
    Link,
    Occupied,
    Put,
    Repaired,
    Vacant,
    Vip,
)
from vedette.addresses.plan import LIFETIME, REFRESH_BELOW, Seat
from vedette.kit import bpf
from vedette.kit.clock import boottime
from vedette.kit.net import IPAddress
from vedette.kit.netlink import Requests
from vedette.kit.units import MILLISECOND, SECOND
from vedette.spec.resolved import Group

pytestmark = pytest.mark.kernel

WEB = group("web", "10.77.0.100/24", "fd77::100/64")
both = pytest.mark.parametrize("address", [VIP, VIP6], ids=["ipv4", "ipv6"])


class Desk:
    """The keeper's place: the facade and what it reports."""

    def __init__(self, run_dir: Path) -> None:
        self.news: asyncio.Queue[AddressEvent] = asyncio.Queue()
        self.addresses = Addresses(run_dir=run_dir, report=self.news.put_nowait)

    async def hears(self, wanted: AddressEvent) -> None:
        """Wait until exactly this is reported."""
        async with asyncio.timeout(5):
            while await self.news.get() != wanted:
                continue

    def configure(self, *groups: Group) -> None:
        self.addresses.configure(groups, ME, director=True)

    def attend(
        self,
        holder: str | None,
        group: str = "web",
        *,
        macs: bytes = b"",
        behind: Iterable[str] = (),
        same: Iterable[str] = (),
    ) -> None:
        """Tell it of the cluster: who holds a group, router2's MAC, who has which document."""
        self.addresses.attend(
            Cluster(
                holders={group: holder},
                macs={"router2": frozenset({macs} if macs else ())},
                behind=frozenset(behind),
                same=frozenset(same),
                present=frozenset({"router1", "router2"}),
            )
        )


@asynccontextmanager
async def desk(run_dir: Path, *groups: Group) -> AsyncIterator[Desk]:
    found = Desk(run_dir)
    await found.addresses.start()
    try:
        found.configure(*groups)
        yield found
    finally:
        await found.addresses.stop()


async def until(condition: Callable[[], bool]) -> None:
    """Wait for something that has no report."""
    async with asyncio.timeout(5):
        while not condition():
            await asyncio.sleep(0.005)


def assigned() -> tuple[Assigned, ...]:
    requests = Requests(socket.NETLINK_ROUTE)
    try:
        return kernel.observe(requests).addresses
    finally:
        requests.close()


def found(address: IPAddress, index: int | None = None) -> list[Assigned]:
    index = socket.if_nametoindex(LAN) if index is None else index
    return [item for item in assigned() if item.address == address and item.index == index]


def put_by_hand(*changes: Put) -> None:
    requests = Requests(socket.NETLINK_ROUTE)
    try:
        assert kernel.perform(requests, changes) == {}
    finally:
        requests.close()


def changes_of(events: Iterable[tuple[int, bytes]]) -> int:
    """How many addresses came or went (RTM_NEWADDR 20, RTM_DELADDR 21)."""
    return sum(kind in (20, 21) for kind, _ in events)


async def held(place: Desk, deadline: int = FOREVER) -> None:
    place.addresses.hold("web", deadline)
    await until(lambda: "web" in place.addresses.held())


@both
def test_a_configured_address_is_on_lo_and_silent(wire: Wire, tmp_path: Path, address: IPAddress) -> None:
    async def scenario() -> None:
        async with desk(tmp_path, WEB) as place:
            await place.hears(GateWorks())
            assert [item.valid for item in found(address, LOOPBACK)] == [None]
            assert found(address) == []
            assert not wire.resolves(address)

    asyncio.run(scenario())


@both
def test_a_held_group_answers_with_host_addresses_of_limited_life(
    wire: Wire, tmp_path: Path, serve: Serve, address: IPAddress
) -> None:
    """The document says /24 and /64; the kernel gets /32 and /128."""

    async def scenario() -> None:
        async with desk(tmp_path, WEB) as place:
            await held(place)
            (item,) = found(address)
            assert item.host_route
            assert item.protocol == kernel.MARK
            assert item.valid is not None
            assert LIFETIME - 2 <= item.valid <= LIFETIME
            assert wire.resolves(address)
            assert serve(address)[1].served(5) == 5

    asyncio.run(scenario())


@both
def test_a_claim_is_announced_at_once(wire: Wire, tmp_path: Path, address: IPAddress) -> None:
    async def scenario() -> None:
        async with desk(tmp_path, WEB) as place:
            wire.forget()
            await held(place)
            assert wire.hears(lambda frame: claim_of(frame) == address)

    asyncio.run(scenario())


@both
def test_a_released_group_is_silent_and_then_empty(wire: Wire, tmp_path: Path, address: IPAddress) -> None:
    async def scenario() -> None:
        async with desk(tmp_path, WEB) as place:
            await held(place)
            place.addresses.release("web")
            assert not wire.resolves(address), "it answers although the kernel has not been asked to remove it yet"
            await place.hears(Emptied("web"))
            assert found(address) == []
            assert len(found(address, LOOPBACK)) == 1
            assert place.addresses.held() == frozenset()

    asyncio.run(scenario())


def test_a_released_group_forwards_for_as_long_as_it_is_a_lame_duck(wire: Wire, tmp_path: Path, serve: Serve) -> None:
    async def scenario() -> None:
        async with desk(tmp_path, WEB) as place:
            await held(place)
            server, client = serve(VIP)
            place.addresses.release("web", lame_duck=SECOND)
            await place.hears(Emptied("web"))
            asked = client.ask(5)
            await until(lambda: server.received >= set(asked))
            assert not wire.resolves(VIP)

    asyncio.run(scenario())


def test_a_group_that_was_not_held_is_empty_when_released(wire: Wire, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with desk(tmp_path, WEB, group("bare")) as place:
            for name in ("web", "bare", "unheard of"):
                place.addresses.release(name)
                await place.hears(Emptied(name))

    asyncio.run(scenario())


@both
def test_an_address_deleted_by_hand_is_back_and_announced(wire: Wire, tmp_path: Path, address: IPAddress) -> None:
    async def scenario() -> None:
        async with desk(tmp_path, WEB) as place:
            await held(place)
            wire.forget()
            ip(f"addr del {address}/{address.max_prefixlen} dev {LAN}")
            await place.hears(Repaired(address))
            assert len(found(address)) == 1
            assert wire.hears(lambda frame: claim_of(frame) == address)

    asyncio.run(scenario())


@both
def test_in_maintenance_a_deleted_address_stays_away_and_is_back_afterwards(
    wire: Wire, tmp_path: Path, address: IPAddress
) -> None:
    async def scenario() -> None:
        async with desk(tmp_path, WEB) as place:
            await held(place)
            place.addresses.leave_alone(True)
            ip(f"addr del {address}/{address.max_prefixlen} dev {LAN}")
            await until(lambda: any(item.address == address and item.problem for item in place.addresses.status()))
            assert found(address) == []
            place.addresses.leave_alone(False)
            await place.hears(Repaired(address))
            assert len(found(address)) == 1

    asyncio.run(scenario())


def test_in_maintenance_a_released_group_goes_all_the_same(wire: Wire, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with desk(tmp_path, WEB) as place:
            await held(place)
            place.addresses.leave_alone(True)
            place.addresses.release(WEB.name)
            await place.hears(Emptied(WEB.name))
            assert found(VIP) == found(VIP6) == []
            assert WEB.name not in place.addresses.held()

    asyncio.run(scenario())


@both
def test_a_copy_on_lo_deleted_by_hand_is_back(wire: Wire, tmp_path: Path, address: IPAddress) -> None:
    async def scenario() -> None:
        async with desk(tmp_path, WEB) as place:
            await place.hears(GateWorks())
            ip(f"addr del {address}/{address.max_prefixlen} dev lo")
            await until(lambda: len(found(address, LOOPBACK)) == 1)
            assert len(found(address)) == 0

    asyncio.run(scenario())


def test_a_filter_deleted_by_hand_is_back(wire: Wire, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with desk(tmp_path, WEB) as place:
            await held(place)
            await asyncio.to_thread(subprocess.run, ["tc", "qdisc", "del", "dev", LAN, "clsact"], check=True)
            place.addresses.release("web")
            await until(lambda: _covered() == {socket.if_nametoindex(LAN)})

    asyncio.run(scenario())


def _covered() -> frozenset[int]:
    requests = Requests(socket.NETLINK_ROUTE)
    try:
        return gate.covered(requests)
    finally:
        requests.close()


def test_an_interface_that_returns_has_gate_and_addresses_again(wire: Wire, tmp_path: Path, serve: Serve) -> None:
    async def scenario() -> None:
        async with desk(tmp_path, WEB) as place:
            await held(place)
            wire.unplug()
            await place.hears(CarrierChanged("web", up=False))
            assert place.addresses.held() == frozenset()
            wire.plug()
            await until(lambda: "web" in place.addresses.held())
            assert _covered() == {socket.if_nametoindex(LAN)}

    asyncio.run(scenario())


def test_a_cut_cable_is_reported_and_so_is_its_return(wire: Wire, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with desk(tmp_path, WEB) as place:
            assert place.addresses.fit("web")
            wire.carrier(up=False)
            await place.hears(CarrierChanged("web", up=False))
            assert not place.addresses.fit("web")
            wire.carrier(up=True)
            await place.hears(CarrierChanged("web", up=True))

    asyncio.run(scenario())


def test_a_restart_changes_nothing_in_the_kernel(wire: Wire, tmp_path: Path, serve: Serve) -> None:
    async def scenario() -> None:
        _, client = serve(VIP)
        async with desk(tmp_path, WEB) as first:
            await held(first, boottime() + 60 * SECOND)
            await asyncio.sleep(0.3)  # the kernel tells of an IPv6 address once more when it is done with it
        events = kernel.subscribe()
        asked = client.ask(3)
        async with desk(tmp_path, WEB) as second:
            assert second.addresses.held() == {"web"}
            second.addresses.hold("web", boottime() + 60 * SECOND)
            await second.hears(GateWorks())
            asked += client.ask(3)
        assert changes_of(events.read()) == 0
        assert client.answers(asked) == set(asked)
        events.close()

    asyncio.run(scenario())


def test_what_nobody_adopts_is_removed_at_its_deadline(wire: Wire, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with desk(tmp_path, WEB) as first:
            await held(first, boottime() + 300 * MILLISECOND)
        async with desk(tmp_path, WEB) as second:
            assert second.addresses.held() == {"web"}
            assert len(found(VIP)) == 1
            await until(lambda: not found(VIP))
            assert second.addresses.held() == frozenset()

    asyncio.run(scenario())


@both
def test_a_stale_address_on_the_interface_is_removed_at_start(wire: Wire, tmp_path: Path, address: IPAddress) -> None:
    put_by_hand(Put(address, socket.if_nametoindex(LAN), None))

    async def scenario() -> None:
        async with desk(tmp_path, WEB):
            assert found(address) == []
            assert len(found(address, LOOPBACK)) == 1

    asyncio.run(scenario())


def test_a_killed_daemons_address_falls_silent_at_the_deadline(wire: Wire, tmp_path: Path, serve: Serve) -> None:
    _, client = serve(VIP)
    script = (
        "import asyncio, os, pathlib, signal; import tests.addresses.in_kernel.test_addresses as t\n"
        "async def run():\n"
        f"    async with t.desk(pathlib.Path({str(tmp_path)!r}), t.WEB) as place:\n"
        f"        deadline = t.boottime() + {500 * MILLISECOND}\n"
        "        await t.held(place, deadline)\n"
        "        print(deadline, flush=True)\n"
        "        os.kill(os.getpid(), signal.SIGKILL)\n"
        "asyncio.run(run())\n"
    )
    done = subprocess.run([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True, check=False)
    assert done.returncode == -signal.SIGKILL
    deadline = int(done.stdout)

    async def scenario() -> None:
        await asyncio.sleep(max(0, deadline - boottime()) / SECOND)
        assert len(found(VIP)) == 1, "the address itself lives on: only the gate is that quick"
        assert client.served(20) == 0
        assert not wire.resolves(VIP)
        async with desk(tmp_path, WEB) as successor:
            assert successor.addresses.held() == frozenset()
            assert found(VIP) == []
            await held(successor)
            assert client.served(5) == 5

    asyncio.run(scenario())


def test_a_removed_address_is_gone_after_the_edit_and_other_peoples_stay(wire: Wire, tmp_path: Path) -> None:
    ip(f"addr add 10.77.0.200/32 dev {LAN}", "addr add 10.77.0.201/32 dev lo")

    async def scenario() -> None:
        async with desk(tmp_path, WEB) as place:
            await held(place)
            place.configure(group("web", "10.77.0.100/24"))
            assert found(VIP6) == []
            assert found(VIP6, LOOPBACK) == []
            assert len(found(VIP)) == 1
            place.configure()
            await place.hears(Emptied("web"))
            await until(lambda: not _covered())
        assert found(VIP) == found(VIP, LOOPBACK) == []
        left = {str(item.address) for item in assigned()}
        assert {"10.77.0.1", "10.77.0.200", "10.77.0.201"} <= left

    asyncio.run(scenario())


@pytest.mark.parametrize("mark", [kernel.MARK, 0], ids=["marked", "a kernel without marks"])
def test_an_address_removed_from_the_document_while_the_daemon_was_down_is_removed(
    wire: Wire, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mark: int
) -> None:
    monkeypatch.setattr(kernel, "MARK", mark)
    other = group("other", "10.77.0.150/24")

    async def scenario() -> None:
        async with desk(tmp_path, WEB, other) as first:
            await held(first)
        monkeypatch.setattr(kernel, "MARK", 0x56)
        async with desk(tmp_path, other):
            await until(lambda: not found(VIP) and not found(VIP, LOOPBACK))
            assert found(VIP6) == found(VIP6, LOOPBACK) == []

    asyncio.run(scenario())


def test_a_witness_has_neither_addresses_nor_a_gate(wire: Wire, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with desk(tmp_path, WEB) as place:
            place.addresses.configure([WEB], ME, director=False)
            await until(lambda: not _covered())
            assert found(VIP, LOOPBACK) == []
            assert place.addresses.status() == ()

    asyncio.run(scenario())


@both
def test_somebody_else_who_claims_a_held_address_is_reported_and_answered(
    wire: Wire, tmp_path: Path, address: IPAddress
) -> None:
    async def scenario() -> None:
        async with desk(tmp_path, WEB) as place:
            await held(place)
            await asyncio.sleep(0.2)  # the claim's own announcements, but for those after 500 ms, are over
            wire.forget()
            wire.send(frames.announcement(wire.mac, address, router=False))
            await place.hears(Conflict(address, wire.mac.hex(":")))
            problems = {item.address: item.problem for item in place.addresses.status()}
            assert wire.mac.hex(":") in problems[address]
            await until(lambda: wire.hears(lambda frame: claim_of(frame) == address, patience=0.01))

    asyncio.run(scenario())


def test_a_flood_of_claims_with_many_macs_is_reported_once(wire: Wire, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with desk(tmp_path, WEB) as place:
            await held(place)
            await asyncio.sleep(0.2)
            wire.forget()
            for number in range(500):
                wire.send(frames.announcement(b"\2\0\0\0" + number.to_bytes(2), VIP, router=False))
                if number % 50 == 0:
                    await asyncio.sleep(0.01)
            await asyncio.sleep(0.3)
            news = [place.news.get_nowait() for _ in range(place.news.qsize())]
            assert sum(isinstance(item, Conflict) for item in news) == 1

    asyncio.run(scenario())


def test_a_claim_is_probed(wire: Wire, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with desk(tmp_path, WEB) as place:
            await held(place)
            mac = bytes.fromhex("020000000001")
            await until(lambda: wire.hears(lambda frame: frame == frames.probe(mac, VIP), patience=0.01))

    asyncio.run(scenario())


@contextmanager
def stranger(wire: Wire, address: IPAddress) -> Iterator[None]:
    """The neighbour has the address, too."""
    with wire.far():
        ip(f"addr add {address}/{address.max_prefixlen} dev {PEER} nodad")
    try:
        yield
    finally:
        with wire.far():
            ip(f"addr del {address}/{address.max_prefixlen} dev {PEER}")


@both
def test_what_a_stranger_has_is_not_claimed_before_the_stranger_lets_it_go(
    wire: Wire, tmp_path: Path, address: IPAddress
) -> None:
    other = VIP if address == VIP6 else VIP6

    async def scenario() -> None:
        with stranger(wire, address):
            async with desk(tmp_path, WEB) as place:
                place.addresses.hold("web", FOREVER)
                await place.hears(Occupied(address, wire.mac.hex(":")))
                await until(lambda: bool(found(other)))
                assert found(address) == []
                problems = {item.address: item.problem for item in place.addresses.status()}
                assert wire.mac.hex(":") in problems[address]
                assert not problems[other]
        async with desk(tmp_path, WEB) as place:
            await held(place)
            assert wire.resolves(address)

    asyncio.run(scenario())


def test_a_stranger_that_goes_leaves_the_address_to_who_waits_for_it(wire: Wire, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with desk(tmp_path, WEB) as place:
            with stranger(wire, VIP):
                place.addresses.hold("web", FOREVER)
                await place.hears(Occupied(VIP, wire.mac.hex(":")))
            await place.hears(Vacant(VIP))
            await until(lambda: "web" in place.addresses.held())

    asyncio.run(scenario())


def test_the_node_that_holds_a_group_is_no_stranger(wire: Wire, tmp_path: Path) -> None:
    """A takeover follows at once, even where the network goes on answering for the one that has died."""

    async def scenario() -> None:
        with stranger(wire, VIP):
            async with desk(tmp_path, WEB) as place:
                place.attend("router2", macs=wire.mac)
                await asyncio.sleep(0.5)
                place.attend(None, macs=wire.mac)
                place.addresses.hold("web", FOREVER)
                place.addresses.flush()
                assert found(VIP)

    asyncio.run(scenario())


def test_without_conflict_detection_nobody_is_asked(wire: Wire, tmp_path: Path) -> None:
    async def scenario() -> None:
        with stranger(wire, VIP):
            async with desk(tmp_path, replace(WEB, conflict_detection=False)) as place:
                place.addresses.hold("web", FOREVER)
                place.addresses.flush()
                assert found(VIP)

    asyncio.run(scenario())


def test_an_address_that_is_there_already_stays_whoever_claims_it(wire: Wire, tmp_path: Path) -> None:
    """A daemon that starts again takes nothing away that clients use."""

    async def scenario() -> None:
        async with desk(tmp_path, WEB) as first:
            await held(first)
        with stranger(wire, VIP):
            async with desk(tmp_path, WEB) as place:
                assert "web" in place.addresses.held()
                place.addresses.hold("web", FOREVER)
                await asyncio.sleep(0.5)
                assert found(VIP)

    asyncio.run(scenario())


def test_who_may_hold_a_group_no_more_answers_until_it_has_let_go(wire: Wire, tmp_path: Path) -> None:
    """The edit comes before the hand-over, and nobody else may be ready to take the group."""
    elsewhere = replace(WEB, nodes=("router2",))

    async def scenario() -> None:
        async with desk(tmp_path, WEB) as place:
            await held(place)
            place.configure(elsewhere)
            assert wire.resolves(VIP)
            place.addresses.configure([WEB], ME, director=False)
            assert wire.resolves(VIP)
            place.addresses.release("web")
            await place.hears(Emptied("web"))
            await until(lambda: not found(VIP, LOOPBACK))
            assert not _covered()

    asyncio.run(scenario())


def test_an_address_that_comes_from_another_group_waits_for_the_nodes_that_may_hold_that(
    wire: Wire, tmp_path: Path
) -> None:
    renamed = replace(WEB, name="renamed")

    async def scenario() -> None:
        async with desk(tmp_path, WEB) as place:
            place.attend("router2")
            await asyncio.sleep(0.5)
            place.configure(renamed)
            place.addresses.hold("renamed", FOREVER)
            place.attend("router1", "renamed", behind=("router2",))
            await asyncio.sleep(0.5)
            assert found(VIP) == []
            assert "router2" in place.addresses.status()[0].problem
            place.attend("router1", "renamed", same=("router1", "router2"))
            await until(lambda: "renamed" in place.addresses.held())

    asyncio.run(scenario())


def test_the_holder_lets_go_of_an_address_that_changes_groups_while_others_have_the_former_document(
    wire: Wire, tmp_path: Path
) -> None:
    """One of them takes the former group as soon as it is free, and has the address by its document."""
    renamed = replace(WEB, name="renamed")

    async def scenario() -> None:
        async with desk(tmp_path, WEB) as place:
            await held(place)
            place.configure(renamed)
            place.attend(None, "renamed", behind=("router2",))
            place.addresses.hold("renamed", FOREVER)
            await place.hears(Emptied("web"))
            await asyncio.sleep(0.5)
            assert found(VIP) == []
            assert not wire.resolves(VIP)

    asyncio.run(scenario())


def test_an_address_stays_where_both_its_groups_are_held_and_goes_with_the_former(wire: Wire, tmp_path: Path) -> None:
    before = [group("web", "10.77.0.100/24"), group("mail", "10.77.0.101/24")]
    after = [group("web"), group("mail", "10.77.0.100/24", "10.77.0.101/24")]

    async def scenario() -> None:
        async with desk(tmp_path, *before) as place:
            for name in ("web", "mail"):
                place.addresses.hold(name, FOREVER)
            await until(lambda: place.addresses.held() == {"web", "mail"})
            place.configure(*after)
            place.attend("router1", behind=("router2",))
            await asyncio.sleep(0.2)
            assert wire.resolves(VIP)
            place.addresses.release("web")
            await place.hears(Emptied("web"))
            assert not wire.resolves(VIP)
            place.attend("router1", same=("router1", "router2"))
            await until(lambda: bool(found(VIP)))

    asyncio.run(scenario())


def test_a_node_whose_kernel_refuses_an_address_is_not_fit_for_its_group(wire: Wire, tmp_path: Path) -> None:
    switch = Path(f"/proc/sys/net/ipv6/conf/{LAN}/disable_ipv6")

    async def scenario() -> None:
        async with desk(tmp_path, group("web", "10.77.0.100/24@lan", "fd77::100/64@lan")) as place:
            switch.write_text("1")
            place.addresses.hold("web", FOREVER)
            await until(lambda: not place.addresses.fit("web"))
            await until(lambda: bool(found(VIP)))  # the others serve meanwhile
            switch.write_text("0")
            await until(lambda: place.addresses.fit("web"))
            assert found(VIP6)

    asyncio.run(scenario())


def test_what_is_refused_on_lo_makes_no_standby_unfit(wire: Wire, tmp_path: Path) -> None:
    async def scenario() -> None:
        Path("/proc/sys/net/ipv6/conf/lo/disable_ipv6").write_text("1")
        async with desk(tmp_path, WEB) as place:
            await until(lambda: place.addresses.status()[1].problem != "")
            await asyncio.sleep(0.5)
            assert place.addresses.fit("web")

    asyncio.run(scenario())


def test_the_lifetime_is_refreshed_while_held(wire: Wire, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with desk(tmp_path, WEB) as place:
            await held(place)
            put_by_hand(Put(VIP, socket.if_nametoindex(LAN), REFRESH_BELOW - 5))
            await until(lambda: (found(VIP)[0].valid or 0) > REFRESH_BELOW)
            assert len(found(VIP)) == 1

    asyncio.run(scenario())


def test_an_address_written_with_a_prefix_by_hand_does_not_stop_the_move(wire: Wire, tmp_path: Path) -> None:
    ip(f"addr add {VIP}/24 dev {LAN}")

    async def scenario() -> None:
        async with desk(tmp_path, WEB) as place:
            assert not wire.resolves(VIP), "the gate covers it whoever has put it there"
            await held(place)
            place.addresses.release("web")
            await place.hears(Emptied("web"))
            assert [item.prefix_length for item in found(VIP)] == [24]
            assert not wire.resolves(VIP)

    asyncio.run(scenario())


def test_a_configured_interface_wins_over_the_subnet(wire: Wire, tmp_path: Path) -> None:
    stranger = group("stranger", "192.0.2.7/24@lan", "192.0.2.8/24")

    async def scenario() -> None:
        async with desk(tmp_path, stranger) as place:
            named, homeless = place.addresses.status()
            assert (named.interface, named.problem) == (LAN, "")
            assert homeless.interface is None
            assert "192.0.2.8" in homeless.problem

    asyncio.run(scenario())


def test_where_bpf_is_refused_nothing_is_held_until_it_is_allowed(
    wire: Wire, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scenario() -> None:
        with monkeypatch.context() as forbidden:
            forbidden.setattr(bpf, "_CALL_NUMBER", {})
            forbidden.setattr(bpf, "_GENERIC_CALL_NUMBER", 9999)
            async with desk(tmp_path, WEB) as place:
                assert isinstance(await place.news.get(), GateFailed)
                place.addresses.hold("web", FOREVER)
                await asyncio.sleep(0)
                await asyncio.sleep(0)
                assert found(VIP) == []
                assert place.addresses.held() == frozenset()
                assert all("BPF" in item.problem for item in place.addresses.status())
                forbidden.undo()
                place.configure(WEB)
                await place.hears(GateWorks())
                await until(lambda: "web" in place.addresses.held())

    asyncio.run(scenario())


def test_an_interface_whose_hook_somebody_else_has_cannot_hold(wire: Wire, tmp_path: Path) -> None:
    subprocess.run(["tc", "qdisc", "add", "dev", LAN, "ingress"], check=True)

    async def scenario() -> None:
        async with desk(tmp_path, WEB) as place:
            assert isinstance(await place.news.get(), GateFailed)
            place.addresses.hold("web", FOREVER)
            await asyncio.sleep(0.05)
            assert found(VIP) == []
            await asyncio.to_thread(subprocess.run, ["tc", "qdisc", "del", "dev", LAN, "ingress"], check=True)
            await place.hears(GateWorks())
            await until(lambda: "web" in place.addresses.held())

    asyncio.run(scenario())


def test_an_address_that_moves_to_another_interface_leaves_no_copy_and_no_filter(wire: Wire, tmp_path: Path) -> None:
    ip("link add net0 type veth peer name net1", "link set net1 up", "link set net0 up")
    moved = group("web", "10.77.0.100/24@other", "fd77::100/64@other")
    node = replace(ME, interfaces={"other": "net0"})

    async def scenario() -> None:
        async with desk(tmp_path, WEB) as place:
            await held(place)
            place.addresses.configure([moved], node, director=True)
            await until(lambda: "web" in place.addresses.held() and not found(VIP) and not found(VIP6))
            net = socket.if_nametoindex("net0")
            assert len(found(VIP, net)) == 1
            await until(lambda: _covered() == {net})

    asyncio.run(scenario())


def test_an_interface_stays_covered_while_one_of_our_addresses_is_on_it(wire: Wire) -> None:
    requests = Requests(socket.NETLINK_ROUTE)
    guard = Guard(requests, lambda _: None)
    lan = Link(socket.if_nametoindex(LAN), LAN, bytes(6), up=True, carrier=True)
    lo = Link(LOOPBACK, "lo", bytes(6), up=True, carrier=True)
    vip = Vip(VIP, "web")
    try:
        assert guard.stand((Seat(vip, lan),), leaving=frozenset(), occupied=frozenset()) == {lan.index}
        moved = (Seat(vip, lo),)
        assert lan.index in guard.stand(moved, leaving=frozenset(), occupied=frozenset({lan.index}))
        assert lan.index not in guard.stand(moved, leaving=frozenset(), occupied=frozenset())
    finally:
        guard.close()
        requests.close()


def test_an_address_that_the_gate_has_no_room_for_is_put_on_no_interface(
    wire: Wire, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would answer for ever, unguarded, as soon as another address of its group has opened the slot."""

    async def scenario() -> None:
        async with desk(tmp_path, group("web", "10.77.0.100/24")) as place:
            await held(place)
            monkeypatch.setattr(gate, "_MEMBERS_SHAPE", replace(gate._MEMBERS_SHAPE, entries=1))
            place.configure(WEB)
            assert found(VIP6) == []
            assert len(found(VIP)) == 1

    asyncio.run(scenario())


def test_lost_events_mean_that_everything_may_have_changed(wire: Wire) -> None:
    events = kernel.subscribe()
    try:
        assert kernel.changed(events) == kernel.Changed(addresses=False, guard=False)
        put_by_hand(*(Put(VIP + number, LOOPBACK, None) for number in range(3000)))
        assert kernel.changed(events) == kernel.Changed(addresses=True, guard=True)
    finally:
        events.close()


def test_directors_get_their_kernel_settings(wire: Wire, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with desk(tmp_path, WEB):
            for name, value in (("arp_ignore", "1"), ("arp_announce", "2"), ("promote_secondaries", "1")):
                assert Path(f"/proc/sys/net/ipv4/conf/all/{name}").read_text().strip() == value
            assert Path("/proc/sys/net/ipv4/ip_forward").read_text().strip() == "1"
            assert Path("/proc/sys/net/ipv6/conf/all/forwarding").read_text().strip() == "1"

    asyncio.run(scenario())
