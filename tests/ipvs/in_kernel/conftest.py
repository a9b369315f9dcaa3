"""A kernel's table for each test, in a network namespace of its own."""

from collections.abc import Iterator

import pytest
from tests.ipvs.namespace import own_network

from vedette.ipvs.kernel import KernelTable


@pytest.fixture
def table() -> Iterator[KernelTable]:
    with own_network():
        table = KernelTable()
        try:
            yield table
        finally:
            table.close()
