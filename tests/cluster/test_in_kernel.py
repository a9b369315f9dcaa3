"""The links on a kernel of their own: interfaces, multicast groups and broadcasts that the loopback lacks."""

import pytest
from tests.kernel import Kernel


@pytest.mark.kernel
def test_links_of_every_kind_work_on_a_real_cable(guest: Kernel) -> None:
    guest.pytest("tests/cluster/in_kernel/test_links.py")
