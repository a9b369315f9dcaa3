"""Servers that say nothing, the wrong thing, or never stop: what every kind of check must survive."""

import asyncio
import contextlib
import random
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import cast

Behaviour = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]

MOST_TAKEN = 8 << 20
"""Bytes that a check may take of an endless answer, those in the kernel's buffers included."""


async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Accepts and listens."""
    await reader.read()


async def closing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Accepts and leaves."""


async def random_bytes(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Says what means nothing, and waits."""
    writer.write(random.Random(7).randbytes(4096) + b"\r\n")
    await reader.read()


async def zeros(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Says a few zero bytes in lines, and waits."""
    writer.write(b"\0\0\0\0\r\n" * 20)
    await reader.read()


async def endless_line(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Never ends its line."""
    await _forever(writer, b"2" * 65536)


async def endless_stream(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Never ends its reply, in lines that look like the beginning of one in most protocols."""
    await _forever(writer, b"220-go on\r\n* OK go on\r\n+OK go on\r\n" * 2000)


async def _forever(writer: asyncio.StreamWriter, data: bytes) -> None:
    sent = 0
    while True:
        writer.write(data)
        await writer.drain()
        sent += len(data)
        assert sent < MOST_TAKEN, "the check reads without end"


GARBAGE = (closing, random_bytes, zeros, endless_line, endless_stream)


@contextlib.asynccontextmanager
async def tcp(behaviour: Behaviour, host: str = "127.0.0.1") -> AsyncIterator[int]:
    """Serve on loopback; yields the port. A failed assertion of the server is one of the test."""
    loop = asyncio.get_running_loop()
    tasks: list[asyncio.Task[None]] = []

    async def serve(connection: socket.socket) -> None:
        reader = asyncio.StreamReader()
        protocol = asyncio.StreamReaderProtocol(reader)
        transport, _ = await loop.connect_accepted_socket(lambda: protocol, connection)
        writer = asyncio.StreamWriter(transport, protocol, reader, loop)
        try:
            with contextlib.suppress(ConnectionError):
                await behaviour(reader, writer)
        finally:
            transport.abort()

    def accept() -> None:
        with contextlib.suppress(BlockingIOError):
            connection, _ = listener.accept()
            connection.setblocking(False)
            tasks.append(asyncio.create_task(serve(connection)))

    # asyncio's own server loses a connection that comes while it is being closed.
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.create_server((host, 0), family=family, backlog=1024) as listener:
        listener.setblocking(False)
        loop.add_reader(listener, accept)
        try:
            yield listener.getsockname()[1]
        finally:
            loop.remove_reader(listener)
    await asyncio.gather(*tasks)


class _Datagrams(asyncio.DatagramProtocol):
    def __init__(self, answers: list[bytes]) -> None:
        self._answers = answers

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        for answer in self._answers:
            self._transport.sendto(answer, addr)


@contextlib.asynccontextmanager
async def udp(*answers: bytes) -> AsyncIterator[int]:
    """Answer every datagram with ``answers``; yields the port."""
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(lambda: _Datagrams(list(answers)), local_addr=("127.0.0.1", 0))
    try:
        yield transport.get_extra_info("sockname")[1]
    finally:
        transport.abort()


DATAGRAMS = (
    (b"",),
    (b"\0",),
    (random.Random(7).randbytes(1400),),
    (b"\xff" * 48,),
    tuple(b"no" * 30 for _ in range(200)),
)
