"""The sorry server on loopback."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable, Coroutine
from ipaddress import ip_address

import pytest

from vedette.kit.net import IPAddress
from vedette.sorry import server as sorry_server
from vedette.sorry.page import Place
from vedette.sorry.server import Server
from vedette.spec.resolved import SorryPage

PAGE = SorryPage(status=503, body="We're sorry.")
LOCAL = ip_address("127.0.0.1")


def free_port(address: IPAddress = LOCAL) -> int:
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    with socket.socket(family) as probe:
        probe.bind((str(address), 0))
        port: int = probe.getsockname()[1]
        return port


@contextlib.asynccontextmanager
async def serving(pages: dict[Place, SorryPage], connections: int = 100) -> AsyncIterator[Server]:
    with contextlib.closing(Server(lambda: None, connections=connections)) as server:
        server.apply(pages)
        yield server


async def ask(
    place: Place, request: bytes = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", *, half_close: bool = False
) -> bytes:
    reader, writer = await asyncio.open_connection(str(place[0]), place[1])
    writer.write(request)
    if half_close:
        writer.write_eof()
    try:
        return await reader.read()
    finally:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


def run(scenario: Callable[[], Coroutine[None, None, None]]) -> None:
    asyncio.run(scenario())


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_a_page_is_served_at_its_address_and_port(host: str) -> None:
    async def scenario() -> None:
        address = ip_address(host)
        place = address, free_port(address)
        async with serving({place: PAGE}) as server:
            assert server.listening == {place}
            answer = await ask(place)
            assert answer.startswith(b"HTTP/1.1 503 ")
            assert answer.endswith(b"\r\n\r\nWe're sorry.")

    run(scenario)


def test_it_listens_on_an_address_that_is_not_here_yet() -> None:
    async def scenario() -> None:
        elsewhere = (ip_address("203.0.113.80"), 8080), (ip_address("2001:db8::80"), 8080)
        async with serving(dict.fromkeys(elsewhere, PAGE)) as server:
            assert server.problems == {}
            assert server.listening == set(elsewhere)

    run(scenario)


def test_a_taken_port_is_a_problem_until_it_is_free(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sorry_server, "RETRY", 0.01)

    async def scenario() -> None:
        changed = asyncio.Event()
        with contextlib.closing(Server(changed.set)) as server:
            with socket.create_server(("127.0.0.1", 0)) as other:
                place = LOCAL, other.getsockname()[1]
                server.apply({place: PAGE})
                assert server.listening == set()
                assert server.problems[place].startswith(f"another program listens on 127.0.0.1:{place[1]}")
                changed.clear()
            await changed.wait()
            assert server.problems == {}
            assert server.listening == {place}

    run(scenario)


def test_a_changed_page_is_served_without_a_gap_and_a_removed_one_no_longer() -> None:
    async def scenario() -> None:
        place = LOCAL, free_port()
        async with serving({place: PAGE}) as server:
            server.apply({place: SorryPage(status=200, body="fine")})
            assert (await ask(place)).endswith(b"fine")
            server.apply({})
            with pytest.raises(ConnectionRefusedError):
                await ask(place)

    run(scenario)


def test_a_client_that_closes_its_side_after_asking_gets_its_answer() -> None:
    async def scenario() -> None:
        place = LOCAL, free_port()
        async with serving({place: PAGE}):
            assert (await ask(place, half_close=True)).endswith(b"We're sorry.")

    run(scenario)


def test_a_client_that_sends_more_than_it_should_gets_its_answer() -> None:
    async def scenario() -> None:
        place = LOCAL, free_port()
        async with serving({place: PAGE}):
            request = b"POST / HTTP/1.1\r\nContent-Length: 1000000\r\n\r\n" + b"x" * 1_000_000
            assert (await ask(place, request)).endswith(b"We're sorry.")

    run(scenario)


def test_a_large_page_arrives_whole() -> None:
    async def scenario() -> None:
        place = LOCAL, free_port()
        page = SorryPage(status=503, body="x" * 5_000_000)
        async with serving({place: page}):
            assert (await ask(place)).endswith(page.body.encode())

    run(scenario)


def test_what_is_not_http_is_closed_at_once() -> None:
    async def scenario() -> None:
        place = LOCAL, free_port()
        async with serving({place: PAGE}):
            assert await ask(place, b"\x16\x03\x01") == b""

    run(scenario)


@pytest.mark.parametrize("request_", [b"", b"GET / HTT", b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"])
def test_a_client_that_dawdles_is_cut_off(request_: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before asking, in the middle of it, and after the answer without leaving."""
    monkeypatch.setattr(sorry_server, "PATIENCE", 0.01)

    async def scenario() -> None:
        place = LOCAL, free_port()
        async with serving({place: PAGE}) as server:
            reader, writer = await asyncio.open_connection(str(LOCAL), place[1])
            writer.write(request_)
            await reader.read()
            while server.clients:
                await asyncio.sleep(0)
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()

    run(scenario)


def test_when_it_is_full_the_oldest_makes_room() -> None:
    async def scenario() -> None:
        place = LOCAL, free_port()
        async with serving({place: PAGE}, connections=3) as server:
            idle = [await asyncio.open_connection(str(LOCAL), place[1]) for _ in range(5)]
            assert (await ask(place)).endswith(b"We're sorry.")
            assert server.clients <= 3
            for reader, _ in idle[:2]:
                with contextlib.suppress(ConnectionError):
                    assert await reader.read() == b""
            for _, writer in idle:
                writer.close()
                with contextlib.suppress(ConnectionError):
                    await writer.wait_closed()

    run(scenario)


def test_many_clients_at_once_are_all_answered() -> None:
    async def scenario() -> None:
        place = LOCAL, free_port()
        async with serving({place: PAGE}, connections=1000):
            answers = await asyncio.gather(*(ask(place) for _ in range(300)))
            assert all(answer.endswith(b"We're sorry.") for answer in answers)

    run(scenario)
