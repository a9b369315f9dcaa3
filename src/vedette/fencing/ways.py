"""From the document's devices to ways that can be used: drivers, made beside the loop because libraries load slowly."""

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping

from vedette.fencing.access import Access
from vedette.fencing.device import Device, DeviceError, Power
from vedette.fencing.procedure import Means
from vedette.kit import clock, log
from vedette.kit.errors import VedetteError
from vedette.spec.resolved import FencingDevice

logger = logging.getLogger("vedette.fencing")

Build = Callable[[FencingDevice], Device]
"""Makes a driver; may take long and may raise."""


class Ways:
    """The means by device. One that cannot be made fails each call, and is made again with the next document."""

    def __init__(self, build: Build, *, now: Callable[[], int] = clock.boottime) -> None:
        self._build, self._now = build, now
        self._made: dict[str, tuple[FencingDevice, Means]] = {}
        self.means: Mapping[str, Means] = {}
        self.troubles: Mapping[str, str] = {}
        """What is wrong, by device."""

    async def prepare(self, devices: Iterable[FencingDevice]) -> None:
        """Make what is new, keep what is the same, forget the rest."""
        made: dict[str, tuple[FencingDevice, Means]] = {}
        means: dict[str, Means] = {}
        troubles: dict[str, str] = {}
        for device in devices:
            known, found = self._made.get(device.name, (None, None))
            if known == device and found is not None:
                made[device.name], means[device.name] = (device, found), found
                continue
            driver, trouble = await self._driver(device)
            means[device.name] = Means(Access(driver, now=self._now), device.timeout)
            if trouble:
                troubles[device.name] = trouble
            else:
                made[device.name] = device, means[device.name]
        self._made, self.means, self.troubles = made, means, troubles

    async def _driver(self, device: FencingDevice) -> tuple[Device, str]:
        try:
            return await asyncio.to_thread(self._build, device), ""
        except Exception as error:
            reason = str(error) if isinstance(error, VedetteError) else f"unexpected {type(error).__name__}"
            log.event(logger, logging.ERROR, "fencing.no_driver", device=device.name, reason=reason)
            return Broken(reason), f"cannot be used: {reason}"


class Broken:
    """A device whose driver could not be made."""

    def __init__(self, reason: str) -> None:
        self._reason = reason

    async def status(self, plug: str | None) -> Power:
        raise DeviceError(self._reason)

    async def off(self, plug: str | None) -> None:
        raise DeviceError(self._reason)

    async def on(self, plug: str | None) -> None:
        raise DeviceError(self._reason)

    async def check(self, plug: str | None) -> list[str]:
        return [self._reason]
