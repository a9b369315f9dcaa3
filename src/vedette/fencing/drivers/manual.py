"""A person: nothing is switched, and nothing is known, until somebody says so."""

from vedette.fencing.device import Power, RefusedError


class ManualDevice:
    """Reads as unknown always; `vedette confirm-off` goes around it."""

    async def status(self, plug: str | None) -> Power:
        return Power.UNKNOWN

    async def off(self, plug: str | None) -> None:
        raise RefusedError("waits for `vedette confirm-off NODE`")

    async def on(self, plug: str | None) -> None:
        raise RefusedError("somebody must switch it on by hand")

    async def check(self, plug: str | None) -> list[str]:
        return []
