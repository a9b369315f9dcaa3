"""The tests under ``in_kernel``, in a machine with a real kernel."""

import pytest
from tests.kernel import Kernel


@pytest.mark.kernel
def test_the_driver_and_the_reconciler_keep_their_contracts_in_a_real_kernel(guest: Kernel) -> None:
    guest.pytest("tests/ipvs/in_kernel")
