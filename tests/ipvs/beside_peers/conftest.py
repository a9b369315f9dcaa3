"""A kernel's table for each test, as in ``in_kernel``."""

from tests.ipvs.in_kernel.conftest import table

__all__ = ["table"]
