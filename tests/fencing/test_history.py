"""The history: bounded, private, whole, and never in the way."""

import errno
import json
import os
import stat
from pathlib import Path

import pytest

from vedette.fencing import history
from vedette.fencing.history import MOST_BYTES, MOST_ENTRIES, NAME, History
from vedette.kit import files


def test_what_was_added_is_read_again_oldest_first(tmp_path: Path) -> None:
    kept = History(tmp_path)
    kept.add({"node": "a", "reason": "line\nbreak \u2028 and more"})
    kept.add({"node": "b"})
    assert [entry["node"] for entry in history.read(tmp_path)] == ["a", "b"]
    assert history.read(tmp_path)[0]["reason"] == "line\nbreak \u2028 and more"


def test_only_its_owner_may_read_it(tmp_path: Path) -> None:
    History(tmp_path).add({})
    assert stat.S_IMODE((tmp_path / NAME).stat().st_mode) == 0o600


def test_it_holds_no_more_than_it_may(tmp_path: Path) -> None:
    kept = History(tmp_path)
    for number in range(MOST_ENTRIES + 5):
        kept.add({"number": number})
    entries = history.read(tmp_path)
    assert len(entries) == MOST_ENTRIES
    assert entries[-1] == {"number": MOST_ENTRIES + 4}


def test_long_entries_push_out_more_old_ones(tmp_path: Path) -> None:
    kept = History(tmp_path)
    for number in range(5):
        kept.add({"number": number, "filler": "x" * (MOST_BYTES // 3)})
    assert (tmp_path / NAME).stat().st_size <= MOST_BYTES
    assert history.read(tmp_path)[-1]["number"] == 4


def test_what_failed_does_not_push_out_who_was_switched_off(tmp_path: Path) -> None:
    kept = History(tmp_path)
    kept.add({"node": "a", "result": "off"})
    kept.add({"node": "a", "result": "confirmed"})
    for number in range(MOST_ENTRIES + 5):
        kept.add({"number": number, "result": ["failed", "withdrawn"][number % 2]})
    entries = history.read(tmp_path)
    assert [entry["result"] for entry in entries[:2]] == ["off", "confirmed"]
    assert [entry.get("number") for entry in entries[-2:]] == [MOST_ENTRIES + 3, MOST_ENTRIES + 4]
    assert len(entries) == MOST_ENTRIES


def test_the_last_is_there_whatever_it_is_and_those_that_last_push_out_their_like(tmp_path: Path) -> None:
    kept = History(tmp_path)
    for number in range(MOST_ENTRIES + 1):
        kept.add({"number": number, "result": "off"})
    kept.add({"number": -1, "result": "failed"})
    numbers = [entry["number"] for entry in history.read(tmp_path)]
    assert numbers == [*range(2, MOST_ENTRIES + 1), -1]


def test_what_a_full_disk_refused_is_written_with_the_next(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = History(tmp_path)
    kept.add({"number": 1})
    with monkeypatch.context() as full:

        def refuse(*_: object, **__: object) -> None:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        full.setattr(files, "replace", refuse)
        with pytest.raises(OSError, match="No space"):
            kept.add({"number": 2})
        assert [entry["number"] for entry in history.read(tmp_path)] == [1]
    kept.add({"number": 3})
    kept.add({"number": 4})
    assert [entry["number"] for entry in history.read(tmp_path)] == [1, 2, 3, 4]


def test_a_line_that_is_none_is_left_out(tmp_path: Path) -> None:
    (tmp_path / NAME).write_text(json.dumps({"number": 1}) + "\nhalf a li\n[]\n")
    assert history.read(tmp_path) == [{"number": 1}]


def test_without_a_file_nothing_was_fenced(tmp_path: Path) -> None:
    assert history.read(tmp_path) == []
