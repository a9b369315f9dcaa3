"""The kernel's table keeps the contract."""

from tests.ipvs.contract import TableContract


class TestKernelTable(TableContract):
    """The fixture ``table`` is the one of conftest.py."""
