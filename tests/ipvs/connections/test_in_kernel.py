"""The tests under ``in_kernel``, in a machine with a real kernel."""

import pytest
from tests.kernel import Kernel


@pytest.mark.kernel
def test_connections_go_from_one_real_kernel_to_another(guest: Kernel) -> None:
    guest.pytest("tests/ipvs/connections/in_kernel")
