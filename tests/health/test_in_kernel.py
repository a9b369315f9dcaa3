"""What needs a kernel of its own."""

import pytest

from tests.kernel import Kernel


@pytest.mark.kernel
def test_pings_marks_and_sources_work_over_a_real_cable(guest: Kernel) -> None:
    """Ping nodes, and the checks of the fast lane."""
    guest.pytest("tests/health/in_kernel")
