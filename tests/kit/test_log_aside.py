"""Whoever logs does not wait for whoever reads it."""

import logging
import os
import threading

from vedette.kit import log
from vedette.kit.log_aside import MOST, Aside

LOGGER = logging.getLogger("vedette.aside")


def test_lines_come_in_order_and_all_are_there_once_it_is_flushed() -> None:
    reading, writing = os.pipe()
    with os.fdopen(writing, "w") as stream:
        aside = Aside(logging.StreamHandler(stream))
        for number in range(100):
            aside.handle(logging.LogRecord("a", logging.INFO, "", 0, f"line {number}", (), None))
        aside.flush()
        assert os.read(reading, 65536).decode().splitlines() == [f"line {number}" for number in range(100)]
    os.close(reading)


def test_a_reader_that_has_stopped_holds_up_nobody_and_what_was_dropped_is_counted() -> None:
    started, go_on = threading.Event(), threading.Event()
    seen: list[logging.LogRecord] = []

    class Stuck(logging.StreamHandler):  # type: ignore[type-arg]
        def emit(self, record: logging.LogRecord) -> None:
            started.set()
            go_on.wait(10)
            seen.append(record)

    aside = Aside(Stuck())
    record = logging.LogRecord("a", logging.INFO, "", 0, "line", (), None)
    aside.handle(record)
    assert started.wait(10)
    for _ in range(MOST + 7):
        aside.handle(record)
    go_on.set()
    aside.flush()
    lost = [item.fields for item in seen if hasattr(item, "fields")]
    assert lost == [{"lines": 7}]
    assert len(seen) == 1 + MOST + 1


def test_the_keeper_s_log_is_written_aside() -> None:
    root = logging.getLogger()
    before = root.handlers[:], root.level
    reading, writing = os.pipe()
    try:
        with os.fdopen(writing, "w") as stream:
            log.configure(stream=stream, json=False, aside=True)
            log.event(LOGGER, logging.ERROR, "thing.happened", number=7)
            for handler in root.handlers:
                handler.flush()
            assert os.read(reading, 4096).endswith(b" ERROR aside thing.happened number=7\n")
    finally:
        root.handlers[:], level = before
        root.setLevel(level)
        os.close(reading)
