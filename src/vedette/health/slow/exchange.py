"""A datagram and the one that answers it."""

import asyncio
import contextlib
import socket
from collections.abc import Callable, Iterator
from typing import TypeVar

from vedette.health import aim
from vedette.health.slow.check import FailedError
from vedette.state.health import Target

T = TypeVar("T")

LARGEST = 65535
"""Bytes of a datagram."""
MOST = 64
"""Datagrams that are looked at for the answer."""


async def ask(target: Target, question: bytes, read: Callable[[bytes], T | None]) -> T:
    """Send ``question`` to a target and return what ``read`` makes of the answer, see :func:`converse`."""
    with opened(target) as port:
        return await converse(port, question, read)


async def converse(port: socket.socket, question: bytes, read: Callable[[bytes], T | None]) -> T:
    """Send ``question`` and return what ``read`` makes of the first datagram in which it finds the answer.

    ``read`` returns None for what is not meant for us: anybody can send datagrams. Raises ``OSError`` when the
    server's machine says that nobody listens (ICMP).
    """
    loop = asyncio.get_running_loop()
    await loop.sock_sendall(port, question)
    for _ in range(MOST):
        found = read(await loop.sock_recv(port, LARGEST))
        if found is not None:
            return found
        await asyncio.sleep(0)  # a datagram that is there already is received without a turn of the loop
    raise FailedError(f"{MOST} datagrams, and none of them the answer")


@contextlib.contextmanager
def opened(target: Target) -> Iterator[socket.socket]:
    """A socket connected to a target, so that only its answers come in, and errors too."""
    aimed = aim.at(target)
    with socket.socket(fileno=aimed.open(socket.SOCK_DGRAM).detach()) as port:
        port.connect(aimed.peer)
        yield port
