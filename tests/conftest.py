"""Fixtures that every package's tests may use."""

import os
from collections.abc import Iterator

import pytest
from hypothesis import settings

from tests import kernel

settings.register_profile("claims", deadline=None)  # how long an example takes is no claim of any test
settings.load_profile("claims")

collect_ignore_glob = [] if kernel.INSIDE in os.environ else ["*/in_kernel", "*/beside_peers"]


@pytest.fixture(scope="session")
def guest() -> Iterator[kernel.Kernel]:
    """A machine with a real kernel (IPVS, tc, BPF) and no wires; see :mod:`tests.kernel`."""
    if (lack := kernel.missing()) is not None:
        pytest.skip(lack)
    machine = kernel.boot()
    try:
        yield machine
    finally:
        machine.end()
