"""The sorry server process: ``python -m vedette.sorry.process FD``, started by :mod:`vedette.sorry.client`."""

import asyncio
import contextlib

from vedette.kit import privileges
from vedette.kit.channel import Message
from vedette.kit.child import Parent, serve
from vedette.sorry import messages
from vedette.sorry.server import CONNECTIONS, Server

_FEWEST = 16
"""Clients at a time however few descriptors there are."""


async def main(parent: Parent) -> None:
    """Serve until the director goes away."""
    connections = max(_FEWEST, min(CONNECTIONS, privileges.allow_many_descriptors() // 2))

    def report() -> None:
        parent.send(messages.write_report(server.listening, server.problems))

    def receive(message: Message) -> None:
        server.apply(messages.read_pages(message))

    with contextlib.closing(Server(report, connections=connections)) as server:
        await parent.open(receive)
        privileges.keep_capabilities({privileges.CAP_NET_BIND_SERVICE})
        await asyncio.Event().wait()


if __name__ == "__main__":
    serve(main)
