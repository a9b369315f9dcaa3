"""The tests under ``in_kernel``, in a machine with a real kernel."""

import pytest
from tests.kernel import Kernel


@pytest.mark.kernel
def test_the_driver_and_the_reconciler_keep_their_contracts_in_a_real_kernel(guest: Kernel) -> None:
    guest.pytest("tests/ipvs/in_kernel")


@pytest.mark.kernel
def test_keepalived_programs_the_same_tables_as_documents_that_say_the_same(guest: Kernel) -> None:
    guest.pytest("tests/ipvs/beside_peers", "-k", "keepalived")


@pytest.mark.peers
@pytest.mark.timeout(2000)
def test_ldirectord_programs_the_same_tables_as_documents_that_say_the_same(guest: Kernel) -> None:
    guest.pytest("tests/ipvs/beside_peers", "-k", "ldirectord", timeout=1900)
