"""The fake table keeps the contract that the kernel's table keeps; else tests with it would prove nothing."""

import pytest
from tests.ipvs.contract import TableContract
from tests.ipvs.fake import FakeTable


class TestFakeTable(TableContract):
    @pytest.fixture
    def table(self) -> FakeTable:
        return FakeTable()
