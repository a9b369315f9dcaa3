"""Looking after the plugs: each is read slowly, soon after the start, and sooner again where something is wrong."""

import asyncio
import contextlib
from collections.abc import Callable, Mapping
from random import Random, SystemRandom

from vedette.fencing.access import Access
from vedette.fencing.answers import Answer, Said
from vedette.fencing.plugs import Plug, Reading
from vedette.fencing.procedure import Means
from vedette.kit import clock
from vedette.kit.units import SECOND, seconds

EVERY = 60 * SECOND
"""Between two readings (ns) of a plug, give or take a tenth."""
SOON = 2 * SECOND
"""From the start, or from a node's return, to its plugs' next reading (ns)."""
AGAIN = 10 * SECOND
"""Between two readings (ns) of a plug that cannot be read, or reads off while its node lives."""


class Surveillance:
    """All plugs of a document. ``changed`` is called when a reading is another than before.

    ``readings`` are what was known before; those of plugs that are not in the document any more are forgotten.
    """

    def __init__(
        self,
        plugs: tuple[Plug, ...],
        means: Mapping[str, Means],
        *,
        dead_after: int,
        readings: Mapping[Plug, Reading],
        changed: Callable[[], None],
        now: Callable[[], int] = clock.boottime,
        random: Random | None = None,
    ) -> None:
        self._means, self._dead_after, self._changed, self._now = means, dead_after, changed, now
        self._random = random or SystemRandom()
        self._alive: dict[str, int] = {}
        self.readings = {plug: readings.get(plug, Reading()) for plug in plugs}
        self._due = {plug: now() + self._random.randint(0, SOON) for plug in plugs}
        self._sooner = asyncio.Event()

    async def run(self) -> None:
        """Read until cancelled: the devices side by side, the plugs of a device one after the other."""
        devices = dict.fromkeys(plug.device for plug in self.readings)
        async with asyncio.TaskGroup() as tasks:
            for device in devices:
                tasks.create_task(self._attend(device))

    def living(self, alive: Mapping[str, int]) -> None:
        """Say which nodes live, and since when (BOOTTIME ns): a node that has come back is looked at soon."""
        for plug in self.readings:
            if plug.node in alive and alive[plug.node] != self._alive.get(plug.node):
                self._due[plug] = min(self._due[plug], self._now() + SOON)
        self._alive = dict(alive)
        self._sooner.set()

    def alive(self, node: str) -> bool:
        """Whether a node is known to live."""
        return node in self._alive

    def take(self, plug: Plug, answer: Answer) -> None:
        """Note an answer to ``status``, whoever asked."""
        if plug not in self.readings:
            return
        before = self.readings[plug]
        after = before.take(answer, alive_since=self._alive.get(plug.node), dead_after=self._dead_after)
        self.readings[plug] = after
        if after != before:
            self._changed()

    async def _attend(self, device: str) -> None:
        plugs = [plug for plug in self.readings if plug.device == device]
        while True:
            plug = min(plugs, key=self._due.__getitem__)
            wait = self._due[plug] - self._now()
            if wait > 0:
                await self._pause(wait)
                continue
            await self._read(plug, self._means[device].access, self._means[device].timeout)

    async def _read(self, plug: Plug, access: Access, limit: int) -> None:
        answer = await access.look(plug.plug, limit=limit)
        self.take(plug, answer)
        reading = self.readings[plug]
        wrong = answer.said is not Said.ON and (bool(reading.problem) or plug.node in self._alive)
        interval = AGAIN if wrong else EVERY
        self._due[plug] = self._now() + interval + self._random.randint(-interval // 10, interval // 10)

    async def _pause(self, duration: int) -> None:
        """Wait (ns), or until something may be due earlier."""
        self._sooner.clear()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds(duration)):
                await self._sooner.wait()
