"""The tests under ``in_kernel``, in a machine with a real kernel."""

from pathlib import Path

import pytest
from tests.kernel import Kernel

PARTS = [("table", "ipvsadm", "reconciler", "traffic"), ("corpus", "screen", "tunnel"), ("paths",)]


@pytest.mark.kernel
@pytest.mark.parametrize("part", PARTS, ids=" ".join)
def test_the_drivers_and_the_reconciler_keep_their_contracts_in_a_real_kernel(
    guest: Kernel, part: tuple[str, ...]
) -> None:
    guest.pytest(*(f"tests/ipvs/in_kernel/test_{name}.py" for name in part))


def test_every_file_of_tests_runs_in_the_kernel() -> None:
    files = {path.stem for path in (Path(__file__).parent / "in_kernel").glob("test_*.py")}
    assert files == {f"test_{name}" for part in PARTS for name in part}


@pytest.mark.kernel
def test_keepalived_programs_the_same_tables_as_documents_that_say_the_same(guest: Kernel) -> None:
    guest.pytest("tests/ipvs/beside_peers", "-k", "keepalived")


@pytest.mark.peers
@pytest.mark.timeout(2000)
def test_ldirectord_programs_the_same_tables_as_documents_that_say_the_same(guest: Kernel) -> None:
    guest.pytest("tests/ipvs/beside_peers", "-k", "ldirectord", timeout=1900)
