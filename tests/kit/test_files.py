"""A reader finds the old bytes or the new ones."""

import stat
from pathlib import Path

import pytest

from vedette.kit import files


@pytest.mark.parametrize("durable", [False, True])
def test_a_file_is_replaced_whole_and_nothing_is_left_beside_it(durable: bool, tmp_path: Path) -> None:
    path = tmp_path / "state"
    files.replace(path, b"old")
    with path.open("rb") as reader:
        files.replace(path, b"new" * 100_000, durable=durable)
        assert reader.read() == b"old"
    assert files.read(path) == b"new" * 100_000
    assert list(tmp_path.iterdir()) == [path]


def test_a_new_file_is_for_its_owner_only(tmp_path: Path) -> None:
    files.replace(tmp_path / "state", b"secret")
    assert stat.S_IMODE((tmp_path / "state").stat().st_mode) == 0o600


def test_a_file_that_is_not_there_reads_as_none(tmp_path: Path) -> None:
    assert files.read(tmp_path / "nothing") is None


def test_a_write_that_fails_leaves_the_old_bytes() -> None:
    with pytest.raises(OSError, match="No such file"):
        files.replace(Path("/nobody/has/this/folder/state"), b"new")
