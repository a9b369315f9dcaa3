"""The sorry server process, as the director has it."""

import asyncio
import contextlib
import json
import os
import signal
import socket
from collections.abc import AsyncIterator, Callable, Coroutine

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.sorry.test_server import LOCAL, PAGE, ask, free_port
from vedette.kit.channel import LARGEST
from vedette.sorry import messages
from vedette.sorry.client import SorryClient
from vedette.sorry.page import Place
from vedette.spec.resolved import SorryPage

places = st.tuples(st.one_of(st.ip_addresses(v=4), st.ip_addresses(v=6)), st.integers(1, 65535))
headers = st.lists(st.tuples(st.text(max_size=5), st.text(max_size=5)), max_size=2).map(tuple)
some_pages = st.builds(SorryPage, status=st.integers(200, 599), body=st.text(max_size=20), headers=headers)


class Director:
    """A client whose changes can be awaited."""

    def __init__(self) -> None:
        self._changed = asyncio.Event()
        self.client = SorryClient(self._changed.set)

    async def until(self, condition: Callable[[], bool]) -> None:
        while not condition():
            self._changed.clear()
            await self._changed.wait()


@contextlib.asynccontextmanager
async def directing() -> AsyncIterator[Director]:
    director = Director()
    task = asyncio.create_task(director.client.run())
    try:
        yield director
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


def run(scenario: Callable[[], Coroutine[None, None, None]]) -> None:
    asyncio.run(scenario())


def test_pages_are_served_as_set() -> None:
    async def scenario() -> None:
        async with directing() as director:
            place = LOCAL, free_port()
            director.client.set_pages({})
            assert director.client.children == []
            director.client.set_pages({place: PAGE})
            assert director.client.listening == set()
            assert director.client.children == [director.client.child]
            await director.until(lambda: director.client.listening == {place})
            assert (await ask(place)).endswith(b"We're sorry.")
            director.client.set_pages({})
            assert director.client.listening == set()

    run(scenario)


def test_a_taken_port_is_told_in_clear_words() -> None:
    async def scenario() -> None:
        async with directing() as director:
            with socket.create_server(("127.0.0.1", 0)) as other:
                place = LOCAL, other.getsockname()[1]
                director.client.set_pages({place: PAGE})
                await director.until(lambda: bool(director.client.problems))
                assert director.client.problems[place].startswith("another program listens on")

    run(scenario)


def test_a_killed_server_is_replaced_and_serves_again() -> None:
    async def scenario() -> None:
        async with directing() as director:
            first, second = (LOCAL, free_port()), (LOCAL, free_port())
            director.client.set_pages({first: PAGE})
            await director.until(lambda: director.client.listening == {first})
            assert director.client.child.pid is not None
            os.kill(director.client.child.pid, signal.SIGKILL)
            director.client.set_pages({first: PAGE, second: PAGE})
            assert director.client.listening == {first}, "the last word stands while it is away"
            await director.until(lambda: director.client.listening == {first, second})
            assert director.client.child.restarts == 1
            assert (await ask(first)).endswith(b"We're sorry.")

    run(scenario)


@given(st.dictionaries(places, some_pages, max_size=4))
def test_pages_arrive_as_they_were_sent(pages: dict[Place, SorryPage]) -> None:
    assert messages.read_pages(messages.write_pages(pages)) == pages


def test_a_page_that_many_places_share_is_sent_once() -> None:
    page = SorryPage(503, "\u6f22" * 65536)
    pages = {(LOCAL, port): page for port in range(1, 400)}
    message = messages.write_pages(pages)
    assert len(json.dumps(message)) < LARGEST // 64
    assert messages.read_pages(message) == pages


@given(st.frozensets(places, max_size=4), st.dictionaries(places, st.text(max_size=20), max_size=4))
def test_reports_arrive_as_they_were_sent(listening: frozenset[Place], problems: dict[Place, str]) -> None:
    assert messages.read_report(messages.write_report(listening, problems)) == (listening, problems)


@pytest.mark.parametrize(
    "message",
    [
        {},
        {"pages": 1, "places": []},
        {"pages": [], "places": [["10.0.0.1", 80]]},
        {"pages": [], "places": [["10.0.0.1", 80, 0]]},
        {"pages": [{"status": 503}], "places": []},
    ],
)
def test_what_is_no_list_of_pages_is_refused(message: dict[str, object]) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - any reason will do
        messages.read_pages(message)
