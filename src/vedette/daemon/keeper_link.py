"""The director's end of its talk with the keeper: what the keeper says all the time, and what it answers."""

import asyncio
from collections.abc import Callable
from typing import Any

from vedette.kit import clock, plain
from vedette.kit.child import Parent
from vedette.kit.errors import TransientError, UsageError
from vedette.kit.units import SECOND
from vedette.state.placement import View

SILENCE = 3 * SECOND
"""After so long (ns) without a word from the keeper, what it said last is not shown as if it were true."""
REPLY = 5.0
"""Seconds that the keeper may take to answer."""


class KeeperLink:
    """``heard`` is called when the keeper has told how things are, and :attr:`view` and :attr:`said` are new."""

    def __init__(self, parent: Parent, heard: Callable[[], None]) -> None:
        self._parent, self._heard = parent, heard
        self._heard_at = 0
        self._replies: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._requests = 0
        self.view: View | None = None
        self.said: dict[str, Any] = {}

    async def open(self) -> None:
        await self._parent.open(self._received)

    def tell(self, message: dict[str, Any]) -> None:
        """Say something that needs no answer."""
        self._parent.send(message)

    async def ask(self, request: dict[str, Any], *, limit: float = REPLY) -> dict[str, Any]:
        """The keeper's answer; ``error`` in it says why there is none within ``limit`` seconds.

        ``unable`` beside it: what was asked for makes sense, and cannot be done now.
        """
        self._requests += 1
        number = self._requests
        self._replies[number] = asyncio.get_running_loop().create_future()
        self._parent.send(request | {"request": number})
        try:
            return await asyncio.wait_for(self._replies[number], limit)
        except TimeoutError:
            return {"error": "the daemon's core does not answer", "unable": True}
        finally:
            self._replies.pop(number, None)

    async def carry_out(self, command: dict[str, Any], *, limit: float) -> dict[str, Any]:
        """Have the keeper carry out an operator's command.

        Raises :class:`UsageError` where it refuses, :class:`TransientError` where it cannot be done now.
        """
        reply = await self.ask({"command": command}, limit=limit)
        if "error" in reply:
            raise (TransientError if reply.get("unable") else UsageError)(reply["error"])
        return reply

    @property
    def away(self) -> str:
        """Why what the keeper said last may not be true any more; empty while it is."""
        silent = clock.boottime() - self._heard_at
        if self._heard_at and silent > SILENCE:
            return f"the daemon's core has been silent for {silent // SECOND} s: is its process stopped?"
        return ""

    def _received(self, message: dict[str, Any]) -> None:
        if "view" in message:
            self._heard_at = clock.boottime()
            self.said = message
            self.view = plain.load(View, message["view"]) if message["view"] else None
            self._heard()
        elif "reply" in message:
            waiting = self._replies.pop(message["reply"], None)
            if waiting is not None and not waiting.done():
                waiting.set_result(message)
