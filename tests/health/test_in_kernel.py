"""The pinger on a kernel of its own."""

import pytest

from tests.kernel import Kernel


@pytest.mark.kernel
def test_ping_nodes_are_reached_over_a_real_cable(guest: Kernel) -> None:
    guest.pytest("tests/health/in_kernel/test_pinger.py")
