"""Fixtures of the spec's tests."""

from pathlib import Path

import pytest


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    """A key file as ``vedette init`` makes it."""
    path = tmp_path / "cluster.key"
    path.write_text("0123456789abcdef0123456789abcdef\n")
    path.chmod(0o600)
    return path
