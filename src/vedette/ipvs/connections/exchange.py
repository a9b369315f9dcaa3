"""One director asks another, over TCP, to send all its connections (:mod:`vedette.ipvs.connections.plea`).

Everything is bounded: connections, sizes, time. Whoever has no cluster key gets no answer and causes nothing.
"""

import asyncio
import contextlib
import secrets
from collections.abc import Awaitable, Callable

from vedette.ipvs.connections import plea
from vedette.ipvs.connections.plea import Sent, Talk
from vedette.kit.net import IPAddress
from vedette.spec.resolved import Key

HELLO = 2.0
"""Seconds until the other side must have proved who it is."""
MOST = 8
"""Conversations at a time; what is more is closed at once."""

Dump = Callable[[str], Awaitable[Sent]]
"""Send everything; the argument is the asker's address."""


class Server:
    """Answers on the addresses given to :meth:`listen`. ``who`` gives the cluster's name and keys at that moment."""

    def __init__(self, who: Callable[[], tuple[str, tuple[Key, ...]] | None], dump: Dump) -> None:
        self._who, self._dump = who, dump
        self._servers: dict[tuple[IPAddress, int], asyncio.Server] = {}
        self._open = 0

    async def listen(self, addresses: tuple[IPAddress, ...], port: int) -> dict[IPAddress, str]:
        """Be on exactly these; returns why an address does not work, by address."""
        wanted = {(address, port) for address in addresses}
        for place in self._servers.keys() - wanted:
            self._servers.pop(place).close()
        trouble = {}
        for place in wanted - self._servers.keys():
            try:
                self._servers[place] = await asyncio.start_server(
                    self._serve, str(place[0]), place[1], reuse_address=True
                )
            except OSError as error:
                trouble[place[0]] = str(error.strerror)
        return trouble

    @property
    def ports(self) -> list[int]:
        """The TCP ports that it is on."""
        return [sock.getsockname()[1] for server in self._servers.values() for sock in server.sockets]

    def close(self) -> None:
        for server in self._servers.values():
            server.close()
        self._servers.clear()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open += 1
        try:
            if self._open <= MOST:
                with contextlib.suppress(OSError, TimeoutError, asyncio.IncompleteReadError):
                    await self._converse(reader, writer)
        finally:
            self._open -= 1
            writer.close()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async with asyncio.timeout(HELLO):
            talk = await self._hear(reader, writer)
        if talk is not None:
            peer = str(writer.get_extra_info("peername")[0])
            writer.write(plea.answer(talk, await self._dump(peer)))
            await writer.drain()

    async def _hear(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Talk | None:
        """The conversation with somebody who has a key of ours."""
        question = await reader.readexactly(plea.QUESTION_SIZE)
        who = self._who()
        talk = plea.asked(question, cluster=who[0], keys=who[1]) if who is not None else None
        if talk is None:
            return None
        challenge = plea.challenge(secrets.token_bytes(plea.NONCE))
        writer.write(challenge)
        talk = talk.then(challenge)
        proof = await reader.readexactly(plea.PROOF_SIZE)
        return talk.then(proof) if plea.proven(talk, proof) else None


async def ask(address: IPAddress, port: int, *, cluster: str, key: Key, patience: float) -> Sent | None:
    """Have the director there send its connections; what it sent, once it has. None when it does not, or not in
    ``patience`` seconds."""
    with contextlib.suppress(OSError, TimeoutError, asyncio.IncompleteReadError):
        async with asyncio.timeout(HELLO):
            reader, writer = await asyncio.open_connection(str(address), port)
        try:
            async with asyncio.timeout(patience):
                return await _converse(reader, writer, cluster, key)
        finally:
            writer.close()
    return None


async def _converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, cluster: str, key: Key) -> Sent | None:
    question = plea.question(key, secrets.token_bytes(plea.NONCE))
    writer.write(question)
    challenge = await reader.readexactly(plea.CHALLENGE_SIZE)
    if not plea.challenged(challenge):
        return None
    talk = Talk(key, cluster, question + challenge)
    proof = plea.proof(talk)
    writer.write(proof)
    return plea.answered(talk.then(proof), await reader.readexactly(plea.ANSWER_SIZE))
