"""A two-way pipe of JSON messages between Vedette's own processes.

Bounded on both sides: a reader that does not keep up loses its place, not the sender's time. One message is a
JSON object behind a four-byte length; ``Channel.send`` never blocks.
"""

import asyncio
import json
import socket
import struct
from collections.abc import Callable
from typing import Any

from vedette.kit.errors import TransientError

_LENGTH = struct.Struct("!I")
LARGEST = 64 << 20
"""Bytes of the largest message: a document of 10,000 real servers takes about 3 MB."""
BACKLOG = 128 << 20
"""Bytes that may wait unsent before :meth:`Channel.send` refuses."""

Message = dict[str, Any]


class Channel(asyncio.Protocol):
    """One end. ``receive`` is called with each message, ``closed`` once when the other end is gone."""

    def __init__(self, receive: Callable[[Message], None], closed: Callable[[], None]) -> None:
        self._receive, self._closed = receive, closed
        self._buffer = bytearray()
        self._transport: asyncio.Transport | None = None

    @classmethod
    async def open(
        cls, end: socket.socket, receive: Callable[[Message], None], closed: Callable[[], None]
    ) -> "Channel":
        """Attach to one end of a stream socketpair in the running loop."""
        loop = asyncio.get_running_loop()
        _, channel = await loop.connect_accepted_socket(lambda: cls(receive, closed), end)
        return channel

    def send(self, message: Message) -> None:
        """Queue a message; raises :class:`TransientError` when the other end does not keep up or is gone."""
        if self._transport is None or self._transport.is_closing():
            raise TransientError("the other process is gone")
        if self._transport.get_write_buffer_size() > BACKLOG:
            raise TransientError("the other process does not keep up")
        body = json.dumps(message, separators=(",", ":")).encode()
        self._transport.write(_LENGTH.pack(len(body)) + body)

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while len(self._buffer) >= 4:
            (size,) = _LENGTH.unpack_from(self._buffer)
            if size > LARGEST:
                self.close()
                return
            if len(self._buffer) < 4 + size:
                return
            body = bytes(self._buffer[4 : 4 + size])
            del self._buffer[: 4 + size]
            self._receive(json.loads(body))

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._closed()
