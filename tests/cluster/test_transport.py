"""The links, over real sockets on the loopback interface."""

import asyncio
import socket
from dataclasses import replace
from ipaddress import ip_address

import pytest

from vedette.cluster.transport import AT_ONCE, RECEIVE_BUFFER, Links
from vedette.spec.resolved import Link


def free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def link(name: str = "lan", addresses: dict[str, str] | None = None, port: int | None = None) -> Link:
    texts = addresses or {"a": "127.0.0.2", "b": "127.0.0.3", "c": "127.0.0.4"}
    return Link(name, port or free_port(), {node: ip_address(text) for node, text in texts.items()})


class Heard:
    def __init__(self) -> None:
        self.queue: asyncio.Queue[tuple[str, bytes]] = asyncio.Queue()

    def __call__(self, name: str, data: bytes) -> None:
        self.queue.put_nowait((name, data))


async def nodes(links: tuple[Link, ...], *names: str) -> dict[str, tuple[Links, Heard]]:
    opened = {}
    for name in names:
        heard = Heard()
        opened[name] = Links(links, me=name, receive=heard), heard
        await opened[name][0].open()
    return opened


def test_a_datagram_reaches_every_other_node_on_every_link() -> None:
    async def scenario() -> None:
        links = (link("lan"), link("cross"))
        table = await nodes(links, "a", "b", "c")
        table["a"][0].send(b"hello")
        for name in "bc":
            heard = [await asyncio.wait_for(table[name][1].queue.get(), 5) for _ in range(2)]
            assert sorted(heard) == [("cross", b"hello"), ("lan", b"hello")]
        assert table["a"][1].queue.empty()
        assert [one.sent for one in table["a"][0].statistics()] == [2, 2]
        for one, _ in table.values():
            one.close()

    asyncio.run(scenario())


def test_a_datagram_for_one_node_reaches_only_that_node() -> None:
    async def scenario() -> None:
        table = await nodes((link(),), "a", "b", "c")
        table["a"][0].send(b"for b", to="b")
        table["a"][0].send(b"for all")
        assert await asyncio.wait_for(table["b"][1].queue.get(), 5) == ("lan", b"for b")
        assert await asyncio.wait_for(table["c"][1].queue.get(), 5) == ("lan", b"for all")
        for one, _ in table.values():
            one.close()

    asyncio.run(scenario())


def test_a_link_whose_address_is_not_there_is_counted_and_not_fatal() -> None:
    async def scenario() -> None:
        links = Links((link(addresses={"a": "192.0.2.1", "b": "192.0.2.2"}),), me="a", receive=Heard())
        await links.open()
        links.send(b"nobody hears this")
        (statistics,) = links.statistics()
        assert not statistics.open
        assert statistics.problem
        assert statistics.sent == 0
        links.close()

    asyncio.run(scenario())


def test_a_link_opens_by_itself_once_its_address_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario() -> None:
        one = link()
        blocker = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        blocker.bind(("127.0.0.2", one.port))
        links = Links((one,), me="a", receive=Heard())
        await links.open()
        assert not links.statistics()[0].open
        blocker.close()
        while not links.statistics()[0].open:
            await asyncio.sleep(0)
        links.close()

    monkeypatch.setattr("vedette.cluster.transport.RETRY", 1)
    asyncio.run(scenario())


def test_sending_to_an_unreachable_network_is_counted_not_raised() -> None:
    async def scenario() -> None:
        links = Links((link(addresses={"a": "127.0.0.2", "b": "203.0.113.9"}),), me="a", receive=Heard())
        await links.open()
        links.send(b"out of the loopback there is no way")
        assert links.statistics()[0].send_errors == 1
        links.close()

    asyncio.run(scenario())


def test_a_node_that_is_not_on_a_unicast_link_does_not_use_it() -> None:
    assert Links((link(),), me="elsewhere", receive=Heard()).statistics() == ()


def test_ipv6_works_like_ipv4() -> None:
    async def scenario() -> None:
        one = link(addresses={"a": "::1", "b": "::1"})
        table = await nodes((one,), "a")
        table["a"][0].send(b"to myself, in another role")
        assert await asyncio.wait_for(table["a"][1].queue.get(), 5) == ("lan", b"to myself, in another role")
        table["a"][0].close()

    asyncio.run(scenario())


def test_the_receive_buffer_is_bounded() -> None:
    assert RECEIVE_BUFFER <= 1 << 20


def test_a_link_is_added_while_the_other_goes_on_untouched() -> None:
    async def scenario() -> None:
        lan, cross = link("lan"), link("cross")
        table = await nodes((lan,), "a", "b")
        before = table["a"][0]._paths[0].end
        table["a"][0].send(b"one")
        for one, _ in table.values():
            one.change((lan, cross), interfaces={})
        table["a"][0].send(b"two")
        heard = [await asyncio.wait_for(table["b"][1].queue.get(), 5) for _ in range(3)]
        assert sorted(heard) == [("cross", b"two"), ("lan", b"one"), ("lan", b"two")]
        assert table["a"][0]._paths[0].end is before
        for one, _ in table.values():
            one.close()

    asyncio.run(scenario())


def test_what_has_arrived_on_a_link_that_is_removed_is_read_first() -> None:
    async def scenario() -> None:
        lan = link("lan")
        table = await nodes((lan,), "a", "b")
        table["a"][0].send(b"on its way")
        table["b"][0].change((), interfaces={})
        assert table["b"][1].queue.get_nowait() == ("lan", b"on its way")
        assert table["b"][0].statistics() == ()
        table["a"][0].close()

    asyncio.run(scenario())


def test_another_nodes_new_address_on_a_link_keeps_the_socket() -> None:
    async def scenario() -> None:
        lan = link("lan", {"a": "127.0.0.2", "b": "127.0.0.3"})
        moved = replace(lan, addresses={"a": lan.addresses["a"], "b": ip_address("127.0.0.5")})
        table = await nodes((lan,), "a")
        before = table["a"][0]._paths[0].end
        table["a"][0].change((moved,), interfaces={})
        assert table["a"][0]._paths[0].end is before
        late = await nodes((moved,), "b")
        table["a"][0].send(b"found you")
        assert await asyncio.wait_for(late["b"][1].queue.get(), 5) == ("lan", b"found you")
        for one, _ in (table | late).values():
            one.close()

    asyncio.run(scenario())


def test_a_link_with_another_port_is_opened_anew() -> None:
    async def scenario() -> None:
        lan = link("lan")
        elsewhere = replace(lan, port=free_port())
        table = await nodes((lan,), "a", "b")
        for one, _ in table.values():
            one.change((elsewhere,), interfaces={})
        table["a"][0].send(b"here now")
        assert await asyncio.wait_for(table["b"][1].queue.get(), 5) == ("lan", b"here now")
        for one, _ in table.values():
            one.close()

    asyncio.run(scenario())


def test_a_changed_link_that_cannot_be_opened_yet_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario() -> None:
        lan = link("lan")
        elsewhere = replace(lan, port=free_port())
        blocker = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        blocker.bind(("127.0.0.2", elsewhere.port))
        table = await nodes((lan,), "a")
        links = table["a"][0]
        links.change((elsewhere,), interfaces={})
        assert not links.statistics()[0].open
        blocker.close()
        while not links.statistics()[0].open:
            await asyncio.sleep(0)
        links.close()

    monkeypatch.setattr("vedette.cluster.transport.RETRY", 1)
    asyncio.run(scenario())


def test_a_flood_on_one_link_lets_the_other_have_its_turn_and_ends() -> None:
    async def scenario() -> None:
        lan, cross = link("lan"), link("cross")
        table = await nodes((lan, cross), "a")
        links, heard = table["a"]
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
            for number in range(200):
                stranger.sendto(number.to_bytes(2, "big"), ("127.0.0.2", lan.port))
            stranger.sendto(b"calm", ("127.0.0.2", cross.port))
            names = [(await asyncio.wait_for(heard.queue.get(), 5))[0] for _ in range(201)]
            assert names.index("cross") <= AT_ONCE
            stranger.sendto(b"after", ("127.0.0.2", lan.port))
            assert await asyncio.wait_for(heard.queue.get(), 5) == ("lan", b"after")
        assert [one.received for one in links.statistics()] == [201, 1]
        links.close()

    asyncio.run(scenario())


def test_a_link_that_rests_when_it_is_removed_is_read_to_the_end_and_opened_anew_it_is_heard() -> None:
    async def scenario() -> None:
        lan = link("lan")
        table = await nodes((lan,), "a")
        links, heard = table["a"]
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
            for _ in range(150):
                stranger.sendto(b"flood", ("127.0.0.2", lan.port))
            for _ in range(150):
                await asyncio.wait_for(heard.queue.get(), 5)
            stranger.sendto(b"last", ("127.0.0.2", lan.port))
            links.change((), interfaces={})
            assert heard.queue.get_nowait() == ("lan", b"last")
            links.change((lan,), interfaces={})
            stranger.sendto(b"again", ("127.0.0.2", lan.port))
            assert await asyncio.wait_for(heard.queue.get(), 5) == ("lan", b"again")
        links.close()

    asyncio.run(scenario())
