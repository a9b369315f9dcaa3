"""APC uninterruptible power supplies over SNMP: outlet groups, or all that the unit feeds."""

from vedette.fencing.device import DeviceError, Power
from vedette.fencing.drivers.apc_pdu import outlet
from vedette.fencing.drivers.snmp import Agent
from vedette.spec.resolved import ApcUps

_UPS = "1.3.6.1.4.1.318.1.1.1"
OUTPUT = f"{_UPS}.4.1.1.0"
"""upsBasicOutputStatus"""
TURN_OFF, TURN_ON = f"{_UPS}.6.2.1.0", f"{_UPS}.6.2.6.0"
"""upsAdvControlUpsOff, upsAdvControlTurnOnUPS; both are set off by :data:`NOW`."""
NOW = 2
GROUP_STATE, GROUP_COMMAND = f"{_UPS}.12.1.2.1.3", f"{_UPS}.12.3.2.1.3"
"""upsOutletGroupStatusGroupState, upsOutletGroupControlCommand"""
GROUP_ON, GROUP_OFF = 1, 2

_OUTPUTS = {2: Power.ON, 3: Power.ON, 4: Power.ON, 6: Power.ON, 7: Power.OFF, 9: Power.ON, 10: Power.ON, 12: Power.ON}
"""On line, battery, boost, the three bypasses and trim are on; 7 is off. Not here: a UPS that sleeps (5, 11) or
restarts (8) has no output, but comes back by itself, so that is not off."""
_GROUPS = {1: Power.ON, 2: Power.OFF}


class ApcUpsDevice:
    """One unit; ``plug`` is the number of an outlet group, None = its whole output."""

    def __init__(self, driver: ApcUps) -> None:
        self._agent = Agent(driver.snmp)

    async def status(self, plug: str | None) -> Power:
        if plug is None:
            return _OUTPUTS.get(await self._agent.read(OUTPUT), Power.UNKNOWN)
        return _GROUPS.get(await self._agent.read(f"{GROUP_STATE}.{outlet(plug)}"), Power.UNKNOWN)

    async def off(self, plug: str | None) -> None:
        if plug is None:
            await self._agent.write(TURN_OFF, NOW)
        else:
            await self._agent.write(f"{GROUP_COMMAND}.{outlet(plug)}", GROUP_OFF)

    async def on(self, plug: str | None) -> None:
        if plug is None:
            await self._agent.write(TURN_ON, NOW)
        else:
            await self._agent.write(f"{GROUP_COMMAND}.{outlet(plug)}", GROUP_ON)

    async def check(self, plug: str | None) -> list[str]:
        try:
            await self.status(plug)
        except DeviceError as error:
            return [str(error)]
        return []
