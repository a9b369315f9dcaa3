"""The way to one device: one call at a time, each with a time limit, and every outcome an answer.

Controllers and power units often take one session at a time, so the calls queue. What looks after the plugs, tests or
switches on is patient: it gives way at once when somebody has to be switched off.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import replace
from typing import Any

from vedette.fencing.answers import Answer, Said
from vedette.fencing.device import Device, Power, UnreachableError
from vedette.kit import clock
from vedette.kit.errors import VedetteError
from vedette.kit.units import SECOND, about, seconds

LETTING_GO = SECOND
"""How long (ns) a call that was cancelled may take to end before the next one starts all the same."""
_YIELDED = "it gave way to what switches a node off"
_UNSENT = "it was not sent: nobody has said lately that it is still wanted"
_WORDS = {Power.ON: Said.ON, Power.OFF: Said.OFF, Power.UNKNOWN: Said.UNKNOWN}

Call = Callable[[], Coroutine[Any, Any, Answer]]


class Access:
    """Calls to one device. None of its methods raises anything but ``CancelledError``; limits are ns."""

    def __init__(self, device: Device, *, now: Callable[[], int] = clock.boottime) -> None:
        self._device, self._now = device, now
        self._line = asyncio.Lock()
        self._patient: set[asyncio.Future[Answer]] = set()

    async def status(self, plug: str | None, *, limit: int) -> Answer:
        """Ask for the power, for a node that has to be off."""
        self._make_way()
        return await self._in_turn(lambda: self._status(plug), limit)

    async def off(
        self, plug: str | None, *, limit: int, allowed: Callable[[], Awaitable[None]] | None = None
    ) -> Answer:
        """Order off. ``allowed`` returns when that is known to be wanted; it is asked when the device is free, because
        until then the wish may have grown old.
        """
        held_back = False

        async def order(plug: str | None) -> None:
            nonlocal held_back
            held_back = True
            if allowed is not None:
                await allowed()
            held_back = False
            await self._device.off(plug)

        self._make_way()
        answer = await self._in_turn(lambda: self._order(order, plug), limit)
        return replace(answer, detail=_UNSENT) if held_back and answer.said is Said.SILENT else answer

    async def on(self, plug: str | None, *, limit: int) -> Answer:
        """Order on: gives way to :meth:`status` and :meth:`off`."""
        return await self._patiently(lambda: self._order(self._device.on, plug), limit)

    async def look(self, plug: str | None, *, limit: int) -> Answer:
        """Ask for the power, for information: gives way to :meth:`status` and :meth:`off`."""
        return await self._patiently(lambda: self._status(plug), limit)

    async def check(self, plug: str | None, *, limit: int) -> list[str]:
        """Find what would keep the device from working; what cannot be found out is a problem as well.

        Gives way to :meth:`status` and :meth:`off`.
        """
        found: list[str] = []

        async def check() -> Answer:
            found.extend(await self._device.check(plug))
            return Answer(Said.ACCEPTED, self._now())

        answer = await self._patiently(check, limit)
        return found if answer.said is Said.ACCEPTED else [*found, f"it cannot be checked: {answer.detail}"]

    async def _patiently(self, call: Call, limit: int) -> Answer:
        """Do it in turn, and not to the end when something more urgent comes."""
        waiting = asyncio.ensure_future(self._in_turn(call, limit))
        self._patient.add(waiting)
        try:
            await asyncio.wait({waiting})
        finally:
            self._patient.discard(waiting)
            waiting.cancel()
        return Answer(Said.YIELDED, self._now(), _YIELDED) if waiting.cancelled() else waiting.result()

    def _make_way(self) -> None:
        for waiting in self._patient:
            waiting.cancel()

    async def _status(self, plug: str | None) -> Answer:
        power = await self._device.status(plug)
        return Answer(_WORDS.get(power, Said.UNKNOWN), self._now())

    async def _order(self, order: Callable[[str | None], Coroutine[Any, Any, None]], plug: str | None) -> Answer:
        await order(plug)
        return Answer(Said.ACCEPTED, self._now())

    async def _in_turn(self, call: Call, limit: int) -> Answer:
        deadline = self._now() + limit
        try:
            async with asyncio.timeout(seconds(limit)):
                await self._line.acquire()
        except TimeoutError:
            return Answer(Said.SILENT, self._now(), f"an earlier call was still under way after {about(limit)}")
        try:
            return await self._bounded(call, deadline, limit)
        finally:
            self._line.release()

    async def _bounded(self, call: Call, deadline: int, limit: int) -> Answer:
        """Wait for a call until its deadline; a driver that does not let go when cancelled is left behind."""
        task = asyncio.ensure_future(call())
        task.add_done_callback(lambda ended: ended.cancelled() or ended.exception())  # maybe nobody else looks at it
        try:
            await asyncio.wait({task}, timeout=seconds(max(0, deadline - self._now())))
        finally:
            if not task.done():
                task.cancel()
                await asyncio.wait({task}, timeout=seconds(LETTING_GO))
        if not task.done() or task.cancelled():
            return Answer(Said.SILENT, self._now(), f"no answer within {about(limit)}")
        error = task.exception()
        if error is None:
            return task.result()
        return Answer(Said.FAILED, self._now(), _harmless(error), unreachable=isinstance(error, UnreachableError))


def _harmless(error: BaseException) -> str:
    """Say what went wrong. Our own errors are for people; the text of any other might quote a password."""
    return str(error) if isinstance(error, VedetteError) else f"unexpected {type(error).__name__} in the driver"
