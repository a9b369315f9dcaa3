"""Reading on in a file that grows: every record once, and whole."""

from pathlib import Path

from vedette.lab.tail import Tail


def test_a_file_that_is_not_there_yet_has_no_records(tmp_path: Path) -> None:
    tail = Tail(tmp_path / "records", 4)
    assert tail.read() == b""
    (tmp_path / "records").write_bytes(b"abcd")
    assert tail.read() == b"abcd"


def test_a_record_that_is_written_in_two_parts_comes_once_and_whole(tmp_path: Path) -> None:
    path = tmp_path / "records"
    tail = Tail(path, 4)
    path.write_bytes(b"abcdef")
    assert [tail.read(), tail.read()] == [b"abcd", b""]
    path.write_bytes(b"abcdefghij")
    assert [tail.read(), tail.read()] == [b"efgh", b""]
