"""The stand-ins for all real servers of a lab: one process with sockets in every server's namespace.

They speak HTTP/1.1 with keep-alive, over TLS to who begins so, echo anything else on TCP, echo UDP, and always say
which server answers. Each
can fail in the ways that real servers do: die (nothing listens any more, connections are reset), hang (connections
are accepted and never answered), or answer with another status.

``python -m vedette.lab.servers`` reads JSON lines: first the plan, then orders; each is answered by a line when it
has come into force, so that who orders knows the instant of the fault. It ends with its standard input.
"""

import asyncio
import contextlib
import json
import socket
import ssl
import struct
import sys
from dataclasses import dataclass, field
from enum import Enum
from http import HTTPStatus
from pathlib import Path
from typing import Any, cast

from vedette.kit.net import family, parse
from vedette.lab.namespace import Namespace

LONGEST_REQUEST = 64 << 10
"""Bytes of a request, after which the connection is closed."""
BACKLOG = 1024
_RESET = struct.pack("ii", 1, 0)
_HANDSHAKE = 22
"""The first byte of a connection over TLS (RFC 8446 section 5.1)."""


class Mood(Enum):
    """How a stand-in feels. ``ANSWERING`` with a status of its own is still answering."""

    ANSWERING = "answering"
    DEAD = "dead"
    HANGING = "hanging"


@dataclass(slots=True)
class Server:
    """One stand-in. ``pages`` maps a path to (status, body)."""

    name: str
    namespace: Namespace
    addresses: list[str]
    listeners: list[tuple[str, int]]
    pages: dict[str, tuple[int, str | None]]
    tls: ssl.SSLContext | None = None
    mood: Mood = Mood.ANSWERING
    status: int | None = None
    listening: list[asyncio.Server] = field(default_factory=list)
    connections: set[asyncio.Transport] = field(default_factory=set)
    ports: set[asyncio.DatagramTransport] = field(default_factory=set)

    async def listen(self) -> None:
        """Open every listener; raises ``OSError``."""
        loop = asyncio.get_running_loop()
        for protocol, sock in self.namespace.call(self._sockets):
            if protocol == "tcp":
                self.listening.append(await loop.create_server(lambda: Stream(self), sock=sock, backlog=BACKLOG))
            else:
                await loop.create_datagram_endpoint(lambda: Datagrams(self), sock=sock)

    def close(self) -> None:
        """Stop listening and reset every connection, as the kernel does for a process that crashed."""
        for server in self.listening:
            server.close()
        self.listening.clear()
        for connection in self.connections:
            sock = connection.get_extra_info("socket")
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            connection.abort()
        for port in self.ports:
            port.abort()
        self.connections.clear()
        self.ports.clear()

    async def obey(self, order: dict[str, Any]) -> None:
        """Change the mood; raises ``OSError`` when it cannot listen again."""
        self.status = order.get("status")
        was, self.mood = self.mood, Mood(order["mood"])
        if self.mood is Mood.DEAD:
            self.close()
        elif was is Mood.DEAD:
            await self.listen()
        elif was is Mood.HANGING:
            self.close()  # those who were kept waiting have no answer coming: a restart frees them
            await self.listen()

    def page(self, path: str) -> tuple[int, str]:
        """Status and body for a path: what the document's checks want to read, else who answers."""
        status, body = self.pages.get(path.partition("?")[0], (200, None))
        return (self.status or status), f"{self.name}\n" if body is None else body

    def _sockets(self) -> list[tuple[str, socket.socket]]:
        return [
            (protocol, _socket(protocol, address, port))
            for protocol, port in self.listeners
            for address in self.addresses
        ]


class Stream(asyncio.Protocol):
    """One TCP connection."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._buffer = b""
        self._transport: asyncio.Transport | None = None
        self._secure: Secure | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._server.connections.add(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._transport is not None:
            self._server.connections.discard(self._transport)

    def data_received(self, data: bytes) -> None:
        if self._server.mood is not Mood.ANSWERING:
            return
        if self._secure is None and not self._buffer and data[0] == _HANDSHAKE and self._server.tls is not None:
            self._secure = Secure(self._server.tls)
        if self._secure is not None:
            data = self._secure.receive(data)
            self._write(b"")
        self._buffer += data
        while b"\n" in self._buffer and self._answer():
            pass
        if len(self._buffer) > LONGEST_REQUEST and self._transport is not None:
            self._transport.abort()

    def _answer(self) -> bool:
        """Answer one request if all of it is here; whether it was."""
        assert self._transport is not None
        line, _, rest = self._buffer.partition(b"\n")
        words = line.split()
        if len(words) != 3 or not words[2].startswith(b"HTTP/1."):
            self._buffer = rest
            self._write(f"{self._server.name} ".encode() + line + b"\n")
            return True
        head, end, rest = self._buffer.partition(b"\r\n\r\n")
        length = _content_length(head)
        if not end or len(rest) < length:
            return False
        self._buffer = rest[length:]
        keep = words[2] == b"HTTP/1.1" and b"\r\nconnection: close" not in head.lower()
        self._write(self._response(words[0].decode(errors="replace"), words[1].decode(errors="replace"), keep))
        if not keep:
            self._transport.close()
        return keep

    def _write(self, data: bytes) -> None:
        assert self._transport is not None
        self._transport.write(data if self._secure is None else self._secure.send(data))

    def _response(self, method: str, path: str, keep: bool) -> bytes:
        status, text = self._server.page(path)
        phrase = HTTPStatus(status).phrase if status in HTTPStatus._value2member_map_ else "Unknown"
        body = text.encode()
        head = (
            f"HTTP/1.1 {status} {phrase}\r\nContent-Type: text/plain; charset=utf-8\r\n"
            f"Content-Length: {len(body)}\r\nX-Real-Server: {self._server.name}\r\n"
            f"Connection: {'keep-alive' if keep else 'close'}\r\n\r\n"
        )
        return head.encode() + (b"" if method == "HEAD" else body)


class Secure:
    """The server's side of TLS on one connection: bytes in, bytes out."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._object = context.wrap_bio(self._incoming, self._outgoing, server_side=True)

    def receive(self, data: bytes) -> bytes:
        """Take what has arrived; returns plain text. What is to be sent is in :meth:`send`."""
        self._incoming.write(data)
        plain = b""
        with contextlib.suppress(ssl.SSLError):  # more must arrive first, or the client does not like us
            self._object.do_handshake()
            while part := self._object.read(LONGEST_REQUEST):
                plain += part
        return plain

    def send(self, plain: bytes) -> bytes:
        """What to send for ``plain`` text, with whatever the handshake has to say."""
        if plain:
            self._object.write(plain)
        return self._outgoing.read()


class Datagrams(asyncio.DatagramProtocol):
    """One UDP port: says who it is and gives the payload back."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)
        self._server.ports.add(self._transport)

    def datagram_received(self, data: bytes, addr: tuple[str | Any, int]) -> None:
        if self._server.mood is Mood.ANSWERING and self._transport is not None:
            self._transport.sendto(f"{self._server.name} ".encode() + data, addr)


def _content_length(head: bytes) -> int:
    for line in head.lower().split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name == b"content-length" and value.strip().isdigit():
            return int(value)
    return 0


def _socket(protocol: str, address: str, port: int) -> socket.socket:
    kind = socket.SOCK_STREAM if protocol == "tcp" else socket.SOCK_DGRAM
    sock = socket.socket(family(parse(address)), kind)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if address.find(":") >= 0:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    sock.bind((address, port))
    sock.setblocking(False)
    return sock


def _server(plan: dict[str, Any]) -> Server:
    return Server(
        name=plan["name"],
        namespace=Namespace(plan["namespace"]),
        addresses=plan["addresses"],
        listeners=[(protocol, port) for protocol, port in plan["listeners"]],
        pages={path: (status, body) for path, status, body in plan["pages"]},
        tls=_context(plan["certificate"]) if plan["certificate"] else None,
    )


def _context(certificate: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, str(Path(certificate).with_suffix(".key")))
    return context


async def serve() -> None:
    """Obey until standard input ends."""
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    servers: dict[str, Server] = {}
    # One line per plan, so that no line is longer than the reader takes.
    while line := await reader.readline():
        order = json.loads(line)
        answer: dict[str, str] = {}
        try:
            if "namespace" in order:
                servers[order["name"]] = server = _server(order)
                await server.listen()
            else:
                await servers[order["name"]].obey(order)
        except OSError as error:
            answer = {"error": f"{order['name']}: {error}"}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    asyncio.run(serve())
