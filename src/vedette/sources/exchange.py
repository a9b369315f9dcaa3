"""Documents between nodes over TCP: one asks, the other hands over what it runs (:mod:`vedette.sources.parcel`).

Everything is bounded: connections, sizes, time. Whoever has no cluster key gets no answer.
"""

import asyncio
import contextlib
import secrets
from collections.abc import Callable
from dataclasses import dataclass

from vedette.kit.net import IPAddress
from vedette.sources import parcel
from vedette.sources.parcel import Contents
from vedette.spec.resolved import Key

PORT = 694
"""TCP, beside the heartbeats' UDP."""
PATIENCE = 10.0
"""Seconds for one exchange."""
MOST = 8
"""Connections at a time; what is more is closed at once."""


@dataclass(frozen=True, slots=True)
class Offer:
    """What this node runs: the cluster's ``name`` and ``keys``, and the document that may be handed over."""

    name: str
    keys: tuple[Key, ...]
    revision: int
    digest: bytes
    contents: Contents


@dataclass(frozen=True, slots=True)
class Received:
    """A document of another node, authentic and not yet looked at."""

    revision: int
    contents: Contents


class Server:
    """Hands the document over that ``offer`` names at that moment, if any."""

    def __init__(self, offer: Callable[[], Offer | None]) -> None:
        self._offer = offer
        self._server: asyncio.Server | None = None
        self._open = 0

    async def listen(self, address: IPAddress, port: int = PORT) -> None:
        """Raises ``OSError`` where the address is not there or the port is taken."""
        self.close()
        self._server = await asyncio.start_server(self._serve, str(address), port, reuse_address=True)

    def close(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open += 1
        try:
            if self._open <= MOST:
                with contextlib.suppress(OSError, TimeoutError, asyncio.IncompleteReadError):
                    async with asyncio.timeout(PATIENCE):
                        await self._converse(reader, writer)
        finally:
            self._open -= 1
            writer.close()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        data = await reader.readexactly(parcel.REQUEST_SIZE)
        offer = self._offer()
        request = parcel.asked(data, cluster=offer.name, keys=offer.keys) if offer is not None else None
        if offer is None or request is None or request.digest != offer.digest:
            return
        writer.write(parcel.pack(request, offer.contents, revision=offer.revision, cluster=offer.name))
        await writer.drain()


async def fetch(address: IPAddress, *, name: str, key: Key, digest: bytes, port: int = PORT) -> Received | None:
    """Ask a node for the document whose digest begins so; ``None`` when it does not hand it over, or not properly."""
    request = parcel.Request(key, secrets.token_bytes(parcel.NONCE), digest)
    with contextlib.suppress(OSError, TimeoutError, asyncio.IncompleteReadError):
        async with asyncio.timeout(PATIENCE):
            reader, writer = await asyncio.open_connection(str(address), port)
            try:
                writer.write(parcel.ask(request, cluster=name))
                head = parcel.header(await reader.readexactly(parcel.HEADER_SIZE))
                if head is None:
                    return None
                body = await reader.readexactly(head.length)
                contents = parcel.unpack(head, body, request=request, cluster=name)
                return Received(head.revision, contents) if contents is not None else None
            finally:
                writer.close()
    return None
