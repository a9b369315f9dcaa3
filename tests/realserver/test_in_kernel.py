"""The contract tests of the real server's side, on a kernel of their own."""

import pytest
from tests.kernel import Kernel


@pytest.mark.kernel
def test_the_real_server_keeps_its_contract(guest: Kernel) -> None:
    guest.pytest("tests/realserver/in_kernel")
