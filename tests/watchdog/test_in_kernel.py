"""The tests under ``in_kernel``, in a machine with a real kernel, whose softdog only says that it would have bitten."""

import pytest
from tests.kernel import Kernel


@pytest.mark.kernel
def test_device_feeder_and_client_keep_their_contracts_in_a_real_kernel(guest: Kernel) -> None:
    guest.pytest("tests/watchdog/in_kernel/test_way_out.py")


@pytest.mark.kernel
def test_a_device_that_cannot_be_stopped_is_fed_as_long_as_it_should(guest: Kernel) -> None:
    guest.pytest("tests/watchdog/in_kernel/test_no_way_out.py")
