"""Log lines written by a thread of their own: a reader of them that has stopped holds up nobody who writes them.

A pipe or socket to a journal that stands still blocks its writer once some hundred lines are in it. The process that
renews leases must not wait for that, nor its end. What does not fit into the queue is dropped and counted, and the
count is a line.
"""

import contextlib
import logging
import threading
from collections import deque
from typing import TextIO

MOST = 4096
"""Lines that wait at most."""
PATIENCE = 1.0
"""Seconds that the last lines may take at the end of the process."""


class Aside(logging.Handler):
    """Writes to ``stream``, in order, in another thread. No lock is held while that waits."""

    def __init__(self, stream: TextIO) -> None:
        super().__init__()
        self._stream = stream
        self._lines: deque[logging.LogRecord] = deque()
        self._dropped = 0
        self._some, self._done = threading.Condition(), threading.Event()
        self._done.set()
        threading.Thread(target=self._write, name="log", daemon=True).start()

    def emit(self, record: logging.LogRecord) -> None:
        with self._some:
            if len(self._lines) >= MOST:
                self._dropped += 1
                return
            self._lines.append(record)
            self._done.clear()
            self._some.notify()

    def flush(self) -> None:
        """Wait for what is not written yet, but not for ever."""
        self._done.wait(PATIENCE)

    def close(self) -> None:
        self.flush()
        super().close()

    def _write(self) -> None:
        while True:
            with self._some:
                if not self._lines:
                    self._done.set()
                while not self._lines:
                    self._some.wait()
                record, dropped = self._lines.popleft(), self._dropped
                self._dropped = 0
            for line in ([_loss(dropped)] if dropped else []) + [record]:
                with contextlib.suppress(Exception):  # the stream may be gone, and the next line has its own chance
                    self._stream.write(self.format(line) + "\n")
                    self._stream.flush()


def _loss(count: int) -> logging.LogRecord:
    record = logging.LogRecord("vedette.log", logging.WARNING, "", 0, "log.dropped", (), None)
    record.fields = {"lines": count}
    return record
