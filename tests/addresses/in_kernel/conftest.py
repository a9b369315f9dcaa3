"""Fixtures of the contract tests: a cable, and servers and clients at its ends."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing

import pytest
from tests.addresses.wire import Client, Echo, Wire

from vedette.kit.net import IPAddress

Serve = Callable[[IPAddress], tuple[Echo, Client]]


@pytest.fixture
def wire() -> Iterator[Wire]:
    with closing(Wire()) as cable:
        yield cable


@pytest.fixture
def serve(wire: Wire) -> Iterator[Serve]:
    """Start a server on an address at the near end and its client at the far end."""
    with ExitStack() as stack:
        yield lambda address: (
            stack.enter_context(closing(Echo(address))),
            stack.enter_context(closing(Client(wire, address))),
        )
