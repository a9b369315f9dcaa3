"""The contract tests of the gate and the address drivers, on a kernel of their own."""

import pytest
from tests.kernel import Kernel


@pytest.mark.kernel
@pytest.mark.parametrize("file", ["test_gate", "test_addresses"])
def test_the_drivers_keep_their_contract(guest: Kernel, file: str) -> None:
    guest.pytest(f"tests/addresses/in_kernel/{file}.py")
