"""A connection to a server that speaks in lines, which may say anything, for ever, or nothing at all.

Lines and the whole answer are bounded; there are no time-outs in here, because the check is cancelled as a whole when
its time is up. Closing never waits for the server.
"""

import asyncio
import contextlib
import errno
import socket
import ssl
from collections.abc import AsyncIterator

from vedette.health import aim
from vedette.health.slow.check import FailedError, Passed, Progress
from vedette.kit.units import MILLISECOND, seconds
from vedette.state.health import Target

LINE = 8192
"""Bytes of a line: RFC 5321 allows 512, RFC 9051 recommends room for 8192."""
WHOLE = 256 << 10
"""Bytes of all that a server may say in one check."""
FAREWELL = 100 * MILLISECOND
"""How long (ns) a server may take to say goodbye before it is left without."""
_UNPRIVILEGED = 1024
"""The kernel chooses local ports from here up (ip(7), ip_local_port_range)."""


class Conversation:
    """Both directions of one connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, progress: Progress) -> None:
        self._reader, self._writer, self._progress = reader, writer, progress
        self._left = WHOLE

    @property
    def local_address(self) -> str:
        """Our own address on this connection."""
        return str(self._writer.get_extra_info("sockname")[0])

    @property
    def local_port(self) -> int:
        """Our own port on this connection."""
        return int(self._writer.get_extra_info("sockname")[1])

    @property
    def tls(self) -> ssl.SSLObject | None:
        """What the connection is protected by; None in the clear."""
        found: ssl.SSLObject | None = self._writer.get_extra_info("ssl_object")
        return found

    async def line(self, awaited: str) -> bytes:
        """Return the next line without its end. ``awaited`` says what it should be: "the greeting"."""
        self._progress.stage = f"while waiting for {awaited}"
        try:
            line = await self._reader.readuntil(b"\n")
        except asyncio.IncompleteReadError as error:
            what = f"in the middle of {awaited}" if error.partial else f"in place of {awaited}"
            raise FailedError(f"connection closed {what}") from None
        except asyncio.LimitOverrunError:
            raise FailedError(f"an endless line in place of {awaited}") from None
        self._count(len(line), awaited)
        return line.rstrip(b"\r\n")

    async def some(self, awaited: str) -> bytes:
        """Return what has arrived, in whatever pieces; empty when the server has closed the connection."""
        self._progress.stage = f"while waiting for {awaited}"
        data = await self._reader.read(LINE)
        self._count(len(data), awaited)
        return data

    async def exactly(self, size: int, awaited: str) -> bytes:
        """Return the next ``size`` bytes."""
        self._progress.stage = f"while waiting for {awaited}"
        self._count(size, awaited)
        try:
            return await self._reader.readexactly(size)
        except asyncio.IncompleteReadError:
            raise FailedError(f"connection closed in the middle of {awaited}") from None

    async def send(self, data: bytes) -> None:
        """Send all of ``data``."""
        self._writer.write(data)
        await self._writer.drain()

    async def start_tls(self, context: ssl.SSLContext, name: str) -> None:
        """Go on over TLS. What the server has said ahead of it is not believed (RFC 3207 section 6)."""
        if self._reader._buffer:  # type: ignore[attr-defined]  # no public way to ask
            raise FailedError("words in the clear behind the answer to STARTTLS")
        self._progress.stage = "while agreeing on TLS"
        await self._writer.start_tls(context, server_hostname=name)

    async def farewell(self, words: bytes, passed: Passed) -> Passed:
        """Say goodbye and hear the server out for a moment; whatever it does then, the check has ``passed``."""
        self._progress.passed = passed
        with contextlib.suppress(OSError, FailedError, TimeoutError):
            async with asyncio.timeout(seconds(FAREWELL)):
                await self.send(words)
                while await self.some("its goodbye"):
                    pass
        return passed

    def _count(self, size: int, awaited: str) -> None:
        self._left -= size
        if self._left < 0:
            raise FailedError(f"an endless answer in place of {awaited}")


@contextlib.asynccontextmanager
async def connect(
    target: Target, progress: Progress, *, tls: ssl.SSLContext | None = None, name: str | None = None
) -> AsyncIterator[Conversation]:
    """Connect to a target, over TLS from the beginning if there is a context; ``name`` is the server's in TLS.

    Raises ``OSError`` when there is no connection, :class:`BlockedError` when it cannot be made as written.
    """
    connection = await dial(target)
    try:
        reader, writer = await asyncio.open_connection(sock=connection, limit=LINE, ssl=tls, server_hostname=name)
    except BaseException:
        connection.close()
        raise
    try:
        yield Conversation(reader, writer, progress)
    finally:
        writer.transport.abort()


async def dial(target: Target) -> socket.socket:
    """Return a connected socket that does not block; raises ``OSError`` and :class:`BlockedError` like ``connect``."""
    aimed = aim.at(target)
    connection = socket.socket(fileno=aimed.open(socket.SOCK_STREAM).detach())
    try:
        await asyncio.get_running_loop().sock_connect(connection, aimed.peer)
        if target.port >= _UNPRIVILEGED and connection.getsockname() == connection.getpeername():
            # The kernel chose for us the very port that we connect to, and TCP talks to itself (RFC 9293, 3.5).
            raise ConnectionRefusedError(errno.ECONNREFUSED, "connected to itself")
    except BaseException:
        aimed.failed(connection)
        connection.close()
        raise
    return connection
