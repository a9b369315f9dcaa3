"""One event is one line, with its fields, and no value can pretend to be another line."""

import io
import json
import logging
import os
import re
import tempfile
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vedette.kit import log

_cluster = logging.getLogger("vedette.cluster")


@pytest.fixture(autouse=True)
def _logging_as_it_was() -> Iterator[None]:
    root, ours = logging.getLogger(), logging.getLogger("vedette")
    before = root.handlers[:], root.level, ours.level
    yield
    root.handlers[:] = before[0]
    root.setLevel(before[1])
    ours.setLevel(before[2])


def _written(name: str, *, json: bool = False, level: int = logging.INFO, **fields: object) -> str:
    stream = io.StringIO()
    log.configure(stream=stream, json=json)
    log.event(_cluster, level, name, **fields)
    return stream.getvalue()


def test_text_is_time_level_source_event_and_fields() -> None:
    line = _written("address.acquired", group="web", until=5, reason="preferred node")
    assert re.fullmatch(
        r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z INFO cluster address\.acquired"
        r' group=web until=5 reason="preferred node"\n',
        line,
    )


def test_json_is_one_object_a_line() -> None:
    line = json.loads(_written("address.acquired", json=True, group="web", until=5))
    assert line.pop("time").endswith("Z")
    assert line == {"level": "INFO", "logger": "cluster", "event": "address.acquired", "group": "web", "until": 5}


def test_the_environment_asks_for_json(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VEDETTE_LOG", "json")
    stream = io.StringIO()
    log.configure(stream=stream)
    _cluster.info("lease.won", extra={"fields": {"group": "web"}})
    assert json.loads(stream.getvalue())["group"] == "web"


@given(st.text())
def test_no_value_makes_a_second_line_or_moves_the_terminal(value: str) -> None:
    line = _written("check.failed", reason=value)
    assert line.endswith("\n")
    assert line[:-1].isprintable()


def test_an_exception_stays_on_the_line_of_its_event() -> None:
    stream = io.StringIO()
    log.configure(stream=stream, json=False)
    try:
        raise ValueError("two\nlines")
    except ValueError:
        _cluster.exception("pass.failed", extra={"fields": {"domain": "ipvs"}})
    (line,) = stream.getvalue().splitlines()
    assert "domain=ipvs" in line
    assert "ValueError: two" in line


def test_other_libraries_are_heard_from_warnings_up() -> None:
    stream = io.StringIO()
    log.configure(logging.DEBUG, stream, json=False)
    logging.getLogger("asyncio").info("unheard")
    logging.getLogger("asyncio").warning("heard of %s", "this")
    _cluster.debug("beat.sent")
    assert [line.split(" ", 2)[2] for line in stream.getvalue().splitlines()] == [
        'asyncio "heard of this"',
        "cluster beat.sent",
    ]


def test_configuring_again_does_not_say_everything_twice() -> None:
    stream = io.StringIO()
    log.configure(stream=stream, json=False)
    log.configure(stream=stream, json=False)
    _cluster.info("lease.won")
    assert len(stream.getvalue().splitlines()) == 1


def test_the_journal_gets_a_priority_and_keeps_the_time_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    with tempfile.TemporaryFile("w+") as stream:
        status = os.fstat(stream.fileno())
        monkeypatch.setenv("JOURNAL_STREAM", f"{status.st_dev}:{status.st_ino}")
        log.configure(stream=stream, json=False)
        log.event(_cluster, logging.WARNING, "link.down", link="lan")
        stream.seek(0)
        assert stream.read() == "<4>WARNING cluster link.down link=lan\n"


def test_a_stream_without_a_descriptor_is_no_journal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JOURNAL_STREAM", "1:1")
    assert not log.is_journal(io.StringIO())
