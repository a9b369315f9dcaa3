"""Dell's controllers by racadm over ssh: for those that are too old for Redfish, and for chassis."""

import re

from vedette.fencing.device import DeviceError, Power, RefusedError, UnreachableError
from vedette.fencing.drivers import login
from vedette.spec.resolved import Drac

_STATUS = re.compile(r"^\s*(?:Server power status:\s*)?(ON|OFF)\s*$", re.MULTILINE)
"""DRAC 5 and iDRAC say "Server power status: ON"; a chassis says "ON"."""


class DracDevice:
    """One controller; ``plug`` is a module of a chassis (``server-3``), None = the server that it is in."""

    def __init__(self, driver: Drac) -> None:
        self._login = driver.login

    async def status(self, plug: str | None) -> Power:
        found = _STATUS.findall(await self._racadm("powerstatus", plug))
        return {"ON": Power.ON, "OFF": Power.OFF}[found[0]] if len(found) == 1 else Power.UNKNOWN

    async def off(self, plug: str | None) -> None:
        await self._racadm("powerdown", plug)

    async def on(self, plug: str | None) -> None:
        await self._racadm("powerup", plug)

    async def check(self, plug: str | None) -> list[str]:
        try:
            power = await self.status(plug)
        except DeviceError as error:
            return [str(error)]
        return ["racadm does not say whether the server is on"] if power is Power.UNKNOWN else []

    async def _racadm(self, action: str, plug: str | None) -> str:
        if plug is not None and not re.fullmatch(r"[A-Za-z0-9-]+", plug):
            raise RefusedError("the plug must be a module, like server-3")
        module = "" if plug is None else f"-m {plug} "
        answer = await login.command(self._login, f"racadm serveraction {module}{action}")
        if answer.status is None:
            raise UnreachableError("the connection ended before racadm did")
        if answer.status != 0 or "ERROR:" in answer.output:
            raise RefusedError(f"racadm refuses {action} (status {answer.status})")
        return answer.output
