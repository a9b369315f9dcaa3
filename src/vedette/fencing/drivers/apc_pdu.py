"""APC power distribution units over SNMP: three generations, three trees of PowerNet-MIB.

The newest numbers its states the other way round: in rPDU2 1 is off and 2 is on, while it takes 1 as the command for
on like all others.
"""

from dataclasses import dataclass

from vedette.fencing.device import DeviceError, Power, RefusedError
from vedette.fencing.drivers.snmp import Agent, MissingError
from vedette.spec.resolved import ApcPdu, ApcTree

_APC = "1.3.6.1.4.1.318.1.1"


@dataclass(frozen=True, slots=True)
class Tree:
    """Where a generation keeps state and command of an outlet; its number follows. ``states`` by what is read."""

    state: str
    command: str
    states: dict[int, Power]
    on: int = 1
    off: int = 2


TREES = {
    # rPDU2OutletSwitchedStatusState, rPDU2OutletSwitchedControlCommand
    ApcTree.RPDU2: Tree(f"{_APC}.26.9.2.3.1.5", f"{_APC}.26.9.2.4.1.5", {1: Power.OFF, 2: Power.ON}),
    # rPDUOutletStatusOutletState, rPDUOutletControlOutletCommand
    ApcTree.RPDU: Tree(f"{_APC}.12.3.5.1.1.4", f"{_APC}.12.3.3.1.1.4", {1: Power.ON, 2: Power.OFF}),
    # sPDUOutletCtl, read and written
    ApcTree.MASTER_SWITCH: Tree(f"{_APC}.4.4.2.1.3", f"{_APC}.4.4.2.1.3", {1: Power.ON, 2: Power.OFF}),
}
"""Newest first: units answer for older trees as well."""


class ApcPduDevice:
    """One unit; ``plug`` is the outlet's number."""

    def __init__(self, driver: ApcPdu) -> None:
        self._agent = Agent(driver.snmp)
        self._tree = TREES.get(driver.tree)

    async def status(self, plug: str | None) -> Power:
        tree, state = await self._look(plug)
        return tree.states.get(state, Power.UNKNOWN)

    async def off(self, plug: str | None) -> None:
        await self._switch(plug, on=False)

    async def on(self, plug: str | None) -> None:
        await self._switch(plug, on=True)

    async def check(self, plug: str | None) -> list[str]:
        try:
            await self._look(plug)
        except DeviceError as error:
            return [str(error)]
        return []

    async def _switch(self, plug: str | None, *, on: bool) -> None:
        tree, _ = await self._look(plug)
        await self._agent.write(f"{tree.command}.{outlet(plug)}", tree.on if on else tree.off)

    async def _look(self, plug: str | None) -> tuple[Tree, int]:
        """Read an outlet's state, and so find out which tree the unit has; that it keeps."""
        number = outlet(plug)
        for tree in TREES.values() if self._tree is None else (self._tree,):
            try:
                state = await self._agent.read(f"{tree.state}.{number}")
            except MissingError:
                continue
            self._tree = tree
            return tree, state
        raise RefusedError(f"the unit has no outlet {number}")


def outlet(plug: str | None) -> int:
    """The number of an outlet or group. Raises :class:`RefusedError`."""
    if plug is None or not (plug.isascii() and plug.isdigit() and int(plug) > 0):
        raise RefusedError("the plug must be a number, counted from 1")
    return int(plug)
