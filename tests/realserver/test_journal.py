"""What was changed outlives the process, and one process at a time changes anything."""

import json
import os
from ipaddress import ip_address
from pathlib import Path

import pytest

from vedette.kit.errors import UsageError
from vedette.realserver import journal
from vedette.realserver.journal import FILE, Journal
from vedette.realserver.model import Changed, Port, Record

RECORD = Record(
    settings={"ipv4/conf/all/arp_ignore": Changed("0", "1")},
    places=frozenset({(ip_address("203.0.113.80"), "lo"), (ip_address("2001:db8::80"), "lo")}),
    devices=frozenset({"vd-ipip-01234"}),
    ports=frozenset({Port(4, 6080)}),
)


def test_the_record_is_read_as_it_was_written(tmp_path: Path) -> None:
    Journal(tmp_path).keep(RECORD)
    assert Journal(tmp_path).record == RECORD


def test_an_empty_record_leaves_no_file(tmp_path: Path) -> None:
    kept = Journal(tmp_path)
    kept.keep(RECORD)
    kept.keep(Record())
    assert not (tmp_path / FILE).exists()


@pytest.mark.parametrize("text", ["", "{}", "[1]", "\x00", '{"boot": 1, "settings": 3}'])
def test_a_damaged_record_says_nothing(tmp_path: Path, text: str) -> None:
    (tmp_path / FILE).write_text(text)
    assert Journal(tmp_path).record == Record()


def test_a_record_of_another_boot_says_nothing(tmp_path: Path) -> None:
    Journal(tmp_path).keep(RECORD)
    data = json.loads((tmp_path / FILE).read_text())
    (tmp_path / FILE).write_text(json.dumps(data | {"boot": "another"}))
    assert Journal(tmp_path).record == Record()


def test_a_second_process_is_refused_and_told_who_the_first_is(tmp_path: Path) -> None:
    with journal.alone(tmp_path):
        assert journal.holder(tmp_path) == os.getpid()
        with pytest.raises(UsageError, match=f"process {os.getpid()}"), journal.alone(tmp_path):
            pass
    assert journal.holder(tmp_path) is None
