"""The pipe between two processes: whole messages in order, bounded, and its end is noticed."""

import asyncio
import json
import socket
import struct

import pytest

from vedette.kit import channel
from vedette.kit.channel import Channel, Message
from vedette.kit.errors import TransientError


class End:
    """One attached end, with all that it received."""

    def __init__(self) -> None:
        self.received: list[Message] = []
        self.changed = asyncio.Condition()
        self.gone = asyncio.Event()
        self.arrived = asyncio.Event()

    async def attach(self, end: socket.socket) -> Channel:
        return await Channel.open(end, self._receive, self.gone.set)

    def _receive(self, message: Message) -> None:
        self.received.append(message)
        self.arrived.set()

    async def wait_for(self, count: int) -> list[Message]:
        while len(self.received) < count:
            self.arrived.clear()
            await asyncio.wait_for(self.arrived.wait(), 10)
        return self.received


def test_messages_arrive_whole_and_in_order() -> None:
    async def scenario() -> list[Message]:
        left, right = socket.socketpair()
        reader = End()
        ours, theirs = await End().attach(left), await reader.attach(right)
        for number in range(50):
            ours.send({"number": number, "padding": "x" * 10_000})
        received = await reader.wait_for(50)
        ours.close()
        theirs.close()
        return received

    assert [message["number"] for message in asyncio.run(scenario())] == list(range(50))


def test_a_message_that_comes_byte_by_byte_is_one_message() -> None:
    async def scenario() -> list[Message]:
        left, right = socket.socketpair()
        reader = End()
        theirs = await reader.attach(right)
        body = json.dumps({"a": 1}).encode()
        with left:
            for byte in struct.pack("!I", len(body)) + body:
                left.send(bytes([byte]))
                await asyncio.sleep(0)
            received = await reader.wait_for(1)
        theirs.close()
        return received

    assert asyncio.run(scenario()) == [{"a": 1}]


def test_the_end_of_the_other_side_is_noticed_and_sending_is_refused() -> None:
    async def scenario() -> None:
        left, right = socket.socketpair()
        survivor = End()
        ours, theirs = await survivor.attach(left), await End().attach(right)
        theirs.close()
        await asyncio.wait_for(survivor.gone.wait(), 10)
        with pytest.raises(TransientError, match="gone"):
            ours.send({"a": 1})

    asyncio.run(scenario())


def test_a_reader_that_does_not_keep_up_costs_the_sender_an_error_and_no_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(channel, "BACKLOG", 1 << 20)

    async def scenario() -> None:
        left, right = socket.socketpair()
        with right:
            ours = await End().attach(left)
            ours.send({"padding": "x" * (2 << 20)})
            with pytest.raises(TransientError, match="keep up"):
                ours.send({"a": 1})
            ours.close()

    asyncio.run(scenario())


def test_a_length_beyond_the_largest_message_ends_the_channel() -> None:
    async def scenario() -> bool:
        left, right = socket.socketpair()
        reader = End()
        await reader.attach(right)
        with left:
            left.send(struct.pack("!I", channel.LARGEST + 1))
            await asyncio.wait_for(reader.gone.wait(), 10)
        return not reader.received

    assert asyncio.run(scenario())
