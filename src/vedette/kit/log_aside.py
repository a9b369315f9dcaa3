"""Log lines written by a thread of their own: a reader of them that has stopped holds up nobody who writes them.

A pipe or socket to a journal that stands still blocks its writer once some hundred lines are in it. The process that
renews leases must not wait for that. What does not fit into the queue is dropped and counted, and the count is a line.
"""

import contextlib
import logging
import threading
from collections import deque

MOST = 4096
"""Lines that wait at most."""
PATIENCE = 1.0
"""Seconds that the last lines may take at the end of the process."""


class Aside(logging.Handler):
    """Hands each line to ``handler``, in order, in another thread."""

    def __init__(self, handler: logging.StreamHandler) -> None:  # type: ignore[type-arg]
        super().__init__()
        self._handler = handler
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
            if dropped:
                self._handler.handle(_loss(dropped))
            with contextlib.suppress(Exception):  # logging says so itself, and the next line may be better
                self._handler.handle(record)


def _loss(count: int) -> logging.LogRecord:
    record = logging.LogRecord("vedette.log", logging.WARNING, "", 0, "log.dropped", (), None)
    record.fields = {"lines": count}
    return record
