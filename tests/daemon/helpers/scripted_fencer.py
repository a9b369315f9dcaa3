"""A fencer whose devices are files: ``python -m scripted_fencer FD RUN_DIR STATE_DIR``.

A device's file, in RUN_DIR under the device's name, says ``on``, ``off`` or ``hang``; an order writes it.
"""

import asyncio
from pathlib import Path

from vedette.fencing import process
from vedette.fencing.device import Power
from vedette.kit.child import Parent, serve
from vedette.spec.resolved import FencingDevice


class Switch:
    def __init__(self, path: Path) -> None:
        self._path = path

    async def status(self, plug: str | None) -> Power:
        while (said := self._path.read_text()) == "hang":
            await asyncio.sleep(0.05)
        return Power(said)

    async def off(self, plug: str | None) -> None:
        self._path.write_text("off")

    async def on(self, plug: str | None) -> None:
        self._path.write_text("on")

    async def check(self, plug: str | None) -> list[str]:
        return []


async def main(parent: Parent) -> None:
    def build(device: FencingDevice) -> Switch:
        return Switch(Path(parent.arguments[0]) / device.name)

    await process.fence(parent, build)


if __name__ == "__main__":
    serve(main)
