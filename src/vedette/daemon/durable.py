"""The durable state file: written beside the work where that is enough, and at once where others rely on it."""

import asyncio
import logging
import threading
from pathlib import Path

from vedette.kit import files, log

logger = logging.getLogger("vedette.core")


class DurableState:
    """The latest state wins, whichever thread writes it."""

    def __init__(self, path: Path) -> None:
        self._path, self._lock = path, threading.Lock()
        self._state: bytes | None = None
        self._number = self._written = 0
        self._owed = False
        self._writing: asyncio.Task[None] | None = None

    def take(self, state: bytes, *, now: bool) -> None:
        """Take a new state. With ``now`` the next :meth:`settle` waits for the disk, until it has succeeded."""
        self._state, self._number = state, self._number + 1
        self._owed = self._owed or now
        if not self._owed and self._writing is None:
            self._writing = asyncio.create_task(self._beside())

    def settle(self) -> None:
        """Write what must be on the disk before anything else is done; raises ``OSError``."""
        if self._owed and self._state is not None:
            self._write(self._number, self._state)
            self._owed = False

    async def finish(self) -> None:
        """Wait for what is being written."""
        if self._writing is not None:
            await self._writing

    def _write(self, number: int, state: bytes) -> None:
        with self._lock:
            if number > self._written:
                files.replace(self._path, state, durable=True)
                self._written = number

    async def _beside(self) -> None:
        try:
            while self._written < self._number:
                assert self._state is not None
                await asyncio.to_thread(self._write, self._number, self._state)
        except OSError as error:
            log.event(logger, logging.ERROR, "state.not_written", file=self._path, reason=error.strerror)
        self._writing = None
