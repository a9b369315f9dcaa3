"""Links of every kind over a real cable: what one node sends arrives once, and only what is cut is silent."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing
from ipaddress import ip_address

import pytest
from tests.addresses.wire import LAN, PEER, Wire, ip

from vedette.cluster.transport import Links
from vedette.spec.resolved import Link

V4 = {"a": ip_address("10.77.0.1"), "b": ip_address("10.77.0.9")}
V6 = {"a": ip_address("fd77::1"), "b": ip_address("fd77::9")}
LOCAL = {"a": ip_address("fe80::77:1"), "b": ip_address("fe80::77:9")}
KINDS = {
    "unicast 4": Link("u4", 694, V4),
    "unicast 6": Link("u6", 695, V6),
    "unicast link-local": Link("ul", 696, LOCAL, interface="lan"),
    "multicast 4": Link("m4", 697, {}, interface="lan", multicast=ip_address("239.192.69.4")),
    "multicast 6": Link("m6", 698, {}, interface="lan", multicast=ip_address("ff02::6:94")),
    "broadcast": Link("bc", 699, {}, interface="lan", broadcast=True),
}
INTERFACES = {"a": {"lan": LAN}, "b": {"lan": PEER}}
PATIENCE = 5.0
"""Seconds: only a test that fails waits so long."""


@pytest.fixture
def wire() -> Iterator[Wire]:
    with closing(Wire()) as cable:
        # link-local addresses as the tests write them, at once and not after duplicate address detection
        ip(f"addr add {LOCAL['a']}/64 dev {LAN} nodad")
        with cable.far():
            ip(f"addr add {LOCAL['b']}/64 dev {PEER} nodad")
        yield cable


class End:
    """One node's links and what it has heard."""

    def __init__(self, me: str, links: tuple[Link, ...]) -> None:
        self.heard: asyncio.Queue[tuple[str, bytes]] = asyncio.Queue()
        self.links = Links(
            links, me=me, interfaces=INTERFACES[me], receive=lambda link, data: self.heard.put_nowait((link, data))
        )

    async def hears(self, count: int) -> list[tuple[str, bytes]]:
        async with asyncio.timeout(PATIENCE):
            return sorted([await self.heard.get() for _ in range(count)])


@asynccontextmanager
async def ends(wire: Wire, *links: Link) -> AsyncIterator[tuple[End, End]]:
    near, far = End("a", links), End("b", links)
    await near.links.open()
    with wire.far():
        await far.links.open()
    try:
        yield near, far
    finally:
        near.links.close()
        far.links.close()


@pytest.mark.parametrize("name", KINDS)
def test_every_kind_of_link_carries_both_ways(wire: Wire, name: str) -> None:
    async def scenario() -> None:
        link = KINDS[name]
        async with ends(wire, link) as (near, far):
            assert [one.problem for one in near.links.statistics()] == [""]
            near.links.send(b"there")
            assert await far.hears(1) == [(link.name, b"there")]
            far.links.send(b"back", to="a")
            own = [(link.name, b"there")] if link.broadcast else []  # the kernel hands them back; the core drops them
            assert await near.hears(1 + len(own)) == [(link.name, b"back"), *own]

    asyncio.run(scenario())


def test_redundant_links_of_all_kinds_carry_each_datagram_once_each(wire: Wire) -> None:
    async def scenario() -> None:
        async with ends(wire, *KINDS.values()) as (near, far):
            near.links.send(b"all")
            assert await far.hears(len(KINDS)) == sorted((link.name, b"all") for link in KINDS.values())
            assert [one.sent for one in near.links.statistics()] == [1] * len(KINDS)
            assert [one.received for one in far.links.statistics()] == [1] * len(KINDS)

    asyncio.run(scenario())


def test_links_are_added_changed_and_removed_while_the_others_go_on(wire: Wire) -> None:
    async def scenario() -> None:
        unicast, multicast = KINDS["unicast 4"], KINDS["multicast 6"]
        async with ends(wire, unicast) as (near, far):
            near.links.send(b"one")
            near.links.change((unicast, multicast), interfaces=INTERFACES["a"])
            with wire.far():
                far.links.change((unicast, multicast), interfaces=INTERFACES["b"])
            near.links.send(b"two")
            assert await far.hears(3) == [("m6", b"two"), ("u4", b"one"), ("u4", b"two")]
            assert [one.sent for one in near.links.statistics()] == [2, 1]
            near.links.change((multicast,), interfaces=INTERFACES["a"])
            near.links.send(b"three")
            assert await far.hears(1) == [("m6", b"three")]

    asyncio.run(scenario())


def test_an_interface_that_goes_away_stops_its_links_and_they_come_back_with_it(
    wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vedette.cluster.transport.RETRY", 20_000_000)

    async def scenario() -> None:
        async with ends(wire, KINDS["broadcast"], KINDS["multicast 6"]) as (near, _):
            wire.unplug()
            async with asyncio.timeout(PATIENCE):
                while any(one.open for one in near.links.statistics()):
                    near.links.send(b"nobody hears this")
                    await asyncio.sleep(0)
            assert all(one.problem for one in near.links.statistics())
            wire.plug()
            async with asyncio.timeout(PATIENCE):
                while not all(one.open for one in near.links.statistics()):
                    await asyncio.sleep(0)

    asyncio.run(scenario())
