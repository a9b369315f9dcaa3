"""Documents between nodes over TCP: one asks, the other hands over what it runs (:mod:`vedette.sources.parcel`).

Everything is bounded: connections, sizes, time. Whoever has no cluster key gets no answer.
"""

import asyncio
import contextlib
import secrets
from collections import Counter
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
ASKING = 1.0
"""Seconds for a request, which is one small packet."""
MOST = 8
"""Connections at a time; what is more is closed at once."""
SHARE = 2
"""Of these from one address."""
REMEMBERED = 1024
"""Requests for one document that are remembered: each is answered once, so that a recorded one is of no use."""


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
        self._open: Counter[str] = Counter()
        self._packed: tuple[Contents, bytes] | None = None
        """The document that was handed over last, and the body of the answer."""
        self._answered: dict[bytes, None] = {}

    async def listen(self, address: IPAddress, port: int = PORT) -> None:
        """Raises ``OSError`` where the address is not there or the port is taken."""
        self.close()
        self._server = await asyncio.start_server(self._serve, str(address), port, reuse_address=True)

    def close(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peer = str((writer.get_extra_info("peername") or ("",))[0])
        self._open[peer] += 1
        try:
            if self._open.total() <= MOST and self._open[peer] <= SHARE:
                with contextlib.suppress(OSError, TimeoutError, asyncio.IncompleteReadError):
                    async with asyncio.timeout(PATIENCE):
                        await self._converse(reader, writer)
        finally:
            self._open -= Counter((peer,))
            writer.close()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async with asyncio.timeout(ASKING):
            data = await reader.readexactly(parcel.REQUEST_SIZE)
        offer = self._offer()
        request = parcel.asked(data, cluster=offer.name, keys=offer.keys) if offer is not None else None
        if offer is None or request is None or request.digest != offer.digest:
            return
        body = await self._body(offer)
        if request.nonce in self._answered:
            return
        while len(self._answered) >= REMEMBERED:
            del self._answered[next(iter(self._answered))]
        self._answered[request.nonce] = None
        writer.write(parcel.pack(request, body, revision=offer.revision, cluster=offer.name))
        await writer.drain()

    async def _body(self, offer: Offer) -> bytes:
        """Compress a document once, and not in the loop: it may have megabytes."""
        if self._packed is None or self._packed[0] is not offer.contents:
            self._answered.clear()
            self._packed = offer.contents, await asyncio.to_thread(parcel.compress, offer.contents)
        return self._packed[1]


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
