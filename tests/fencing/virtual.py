"""Virtual time for what waits with asyncio, and devices that do what a script says.

The loop's clock jumps to the next timer as soon as nothing else is left to do, so that no test sleeps.
"""

import asyncio
import selectors
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any, TypeVar

from vedette.fencing.access import Access
from vedette.fencing.device import Power, UnreachableError
from vedette.fencing.procedure import Means
from vedette.kit.units import SECOND

T = TypeVar("T")

START = 1000 * SECOND


class _Jumping(selectors.DefaultSelector):
    """Never waits: what the loop would have waited for has passed. For threads it does, and no time passes then."""

    passed: Callable[[float], None]
    threads = 0

    def select(self, timeout: float | None = None) -> Any:
        if timeout != 0 and (self.threads or timeout is None):
            return super().select(1)
        ready = super().select(0)
        self.passed(0 if ready else timeout or 0)
        return ready


class Loop(asyncio.SelectorEventLoop):
    """``now`` is in ns."""

    def __init__(self) -> None:
        self._jumping = _Jumping()
        self._jumping.passed = self._pass
        self.now = START
        super().__init__(self._jumping)

    def time(self) -> float:
        return self.now / SECOND

    def run_in_executor(self, executor: Any, func: Any, *args: Any) -> Any:  # type: ignore[override]
        working = super().run_in_executor(executor, func, *args)
        self._jumping.threads += 1
        working.add_done_callback(self._worked)
        return working

    def _worked(self, _: object) -> None:
        self._jumping.threads -= 1

    def _pass(self, seconds: float) -> None:
        """Even a pass of the loop that waits for nothing takes a nanosecond, or a timer a hair early comes for ever."""
        self.now += max(1, round(seconds * SECOND))


def run(main: Callable[[Loop], Coroutine[Any, Any, T]]) -> T:
    """Run a scenario from beginning to end in virtual time."""
    loop = Loop()
    asyncio.set_event_loop(loop)
    try:
        return loop.run_until_complete(main(loop))
    finally:
        for left_behind in asyncio.all_tasks(loop):  # drivers that do not let go; the loop's end is their end
            left_behind._log_destroy_pending = False  # type: ignore[attr-defined]
        loop.run_until_complete(loop.shutdown_default_executor())
        asyncio.set_event_loop(None)
        loop.close()


@dataclass
class Outlet:
    """What really has power, whatever its device says."""

    on: bool = True
    switched: list[bool] = field(default_factory=list)


@dataclass
class Scripted:
    """A device with one outlet. Times are ns.

    ``says`` overrides what status answers, one item a call (the last for ever): a Power, an exception to raise, or
    None to hang. ``obeys`` False: acknowledges and does not switch. ``lag``: from the order to the deed.
    """

    loop: Loop
    outlet: Outlet = field(default_factory=Outlet)
    says: list[Power | Exception | str | None] = field(default_factory=list)
    obeys: bool = True
    lag: int = 0
    latency: int = SECOND // 100
    refuses: Exception | None = None
    deaf: bool = False
    """Hangs on every call."""
    stubborn: bool = False
    """Does not let go when it is cancelled."""
    problems: list[str] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)
    at_once: int = 0
    most_at_once: int = 0

    async def _begin(self, call: str) -> None:
        self.calls.append(call)
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            await asyncio.sleep(self.latency / SECOND)
            while self.deaf:
                try:
                    await asyncio.sleep(3600)
                except asyncio.CancelledError:
                    if not self.stubborn:
                        raise
        finally:
            self.at_once -= 1

    async def status(self, plug: str | None) -> Power:
        await self._begin("status")
        said = self.says.pop(0) if len(self.says) > 1 else (self.says[0] if self.says else "truth")
        if isinstance(said, Exception):
            raise said
        if said is None:
            await asyncio.sleep(3600)
        if isinstance(said, Power):
            return said
        return Power.ON if self.outlet.on else Power.OFF

    async def off(self, plug: str | None) -> None:
        await self._order("off", on=False)

    async def on(self, plug: str | None) -> None:
        await self._order("on", on=True)

    async def _order(self, call: str, *, on: bool) -> None:
        await self._begin(call)
        if self.refuses:
            raise self.refuses
        if self.obeys:
            self.loop.call_later(self.lag / SECOND, self._switch, on)

    def _switch(self, on: bool) -> None:
        self.outlet.on = on
        self.outlet.switched.append(on)

    async def check(self, plug: str | None) -> list[str]:
        await self._begin("check")
        return self.problems


def means(loop: Loop, timeout: int = 20 * SECOND, **devices: Scripted) -> dict[str, Means]:
    return {name: Means(Access(device, now=lambda: loop.now), timeout) for name, device in devices.items()}


GONE = UnreachableError("no answer from the unit")
