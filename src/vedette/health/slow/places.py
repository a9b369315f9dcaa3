"""Places for what is dear, a program or a thread: so many at a time, and who comes later waits in line.

A check waits within its own time-out. One whose time is up in the line says nothing of its server, which nobody has
asked: it is among those :data:`waiting`, and counts as blocked.
"""

import asyncio
from collections import deque
from typing import Any

waiting: dict["asyncio.Task[Any] | None", str] = {}
"""Checks that stand in a line, and for what."""


class Places:
    """``most`` at a time; ``full`` says in words that there is none left."""

    def __init__(self, most: int, full: str) -> None:
        self.most, self._full = most, full
        self._taken = 0
        self._line: deque[asyncio.Future[None]] = deque()

    async def take(self) -> None:
        """Take a place as soon as there is one; first come, first served."""
        if self._taken < self.most and not self._line:
            self._taken += 1
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        task = asyncio.current_task()
        self._line.append(turn)
        waiting[task] = f"{self.most} {self._full}"
        try:
            await turn
        except asyncio.CancelledError:
            if turn in self._line:
                self._line.remove(turn)
            elif not turn.cancelled():  # it was given a place in the very moment
                self.give_back()
            raise
        finally:
            del waiting[task]

    def give_back(self) -> None:
        """Leave a place to whoever is first in the line."""
        while self._line:
            turn = self._line.popleft()
            if not turn.done():
                turn.set_result(None)
                return
        self._taken -= 1
