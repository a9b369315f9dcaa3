"""Whoever logs does not wait for whoever reads it."""

import io
import logging
import os
import subprocess
import sys
import threading
import time

from vedette.kit import log
from vedette.kit.log_aside import MOST, Aside

LOGGER = logging.getLogger("vedette.aside")
STUCK = """
import logging, sys
from vedette.kit import log
log.configure(aside=True)
logging.getLogger("vedette.x").error("x" * 1_000_000)
"""


def line(text: str) -> logging.LogRecord:
    return logging.LogRecord("a", logging.INFO, "", 0, text, (), None)


def test_lines_come_in_order_and_all_are_there_once_it_is_flushed() -> None:
    stream = io.StringIO()
    aside = Aside(stream)
    for number in range(100):
        aside.handle(line(f"line {number}"))
    aside.flush()
    assert stream.getvalue().splitlines() == [f"line {number}" for number in range(100)]


def test_a_reader_that_has_stopped_holds_up_nobody_and_what_was_dropped_is_counted() -> None:
    started, go_on = threading.Event(), threading.Event()

    class Stuck(io.StringIO):
        def write(self, text: str) -> int:
            started.set()
            go_on.wait(10)
            return super().write(text)

    stream = Stuck()
    aside = Aside(stream)
    aside.setFormatter(log.TextFormatter(journal=True))
    aside.handle(line("first"))
    assert started.wait(10)
    for _ in range(MOST + 7):
        aside.handle(line("more"))
    go_on.set()
    aside.flush()
    written = stream.getvalue().splitlines()
    assert len(written) == 1 + MOST + 1
    assert written[1].endswith("log.dropped lines=7")


def test_a_process_ends_whose_log_nobody_reads() -> None:
    reading, writing = os.pipe()
    began = time.monotonic()
    with subprocess.Popen([sys.executable, "-c", STUCK], stderr=writing) as process:
        os.close(writing)
        assert process.wait(30) == 0
    os.close(reading)
    assert time.monotonic() - began < 30


def test_the_keeper_s_log_is_written_aside() -> None:
    root = logging.getLogger()
    before = root.handlers[:], root.level
    stream = io.StringIO()
    try:
        log.configure(stream=stream, json=False, aside=True)
        log.event(LOGGER, logging.ERROR, "thing.happened", number=7)
        for handler in root.handlers:
            handler.flush()
        assert stream.getvalue().endswith(" ERROR aside thing.happened number=7\n")
    finally:
        root.handlers[:], level = before
        root.setLevel(level)
