"""The node itself, told by ssh to switch itself off. The weakest device: it needs a node that still obeys.

There is nobody to ask whether it is off. It counts as off when it accepted the command and was not reachable from
then on; it never does when the command could not be given, nor after a restart of the process that gave it.
"""

import asyncio
import errno

from vedette.fencing.device import DeviceError, Power, RefusedError
from vedette.fencing.drivers import login
from vedette.kit.units import SECOND, seconds
from vedette.spec.resolved import Ssh

PATIENCE = 2 * SECOND
"""How long (ns) the node may take to answer; it also is what it gets to lose its power."""
MARK = "vedette"
"""Printed by a shell that runs our command, and by no menu or forced command in its place."""


class SshDevice:
    """One node. ``plug`` means nothing."""

    def __init__(self, driver: Ssh) -> None:
        self._driver = driver
        self._obeyed = False

    async def status(self, plug: str | None) -> Power:
        if self._obeyed and await self._silent():
            return Power.OFF
        answer = await login.command(self._driver.login, f"echo {MARK}")
        self._obeyed = False
        return Power.ON if MARK in answer.output else Power.UNKNOWN

    async def off(self, plug: str | None) -> None:
        """Give the command. Raises when the node did not take it.

        A machine that loses its power says nothing any more, not even goodbye: that the command has no end is as good
        as its success, and what became of it is for the status to say.
        """
        self._obeyed = False
        command = f"echo {MARK}; {self._driver.command}"
        answer = await login.command(self._driver.login, command, patience=PATIENCE)
        if MARK not in answer.output or answer.status not in (None, 0):
            raise RefusedError(f"the node refuses the command (status {answer.status})")
        self._obeyed = True

    async def on(self, plug: str | None) -> None:
        raise RefusedError("a node that is off cannot be told to switch itself on")

    async def check(self, plug: str | None) -> list[str]:
        try:
            await self.status(plug)
        except DeviceError as error:
            return [str(error)]
        return []

    async def _silent(self) -> bool:
        """Whether nothing answers at all. A refused connection is an answer: a kernel that still runs gave it."""
        address, port = str(self._driver.login.address), self._driver.login.port
        try:
            async with asyncio.timeout(seconds(PATIENCE)):
                _, writer = await asyncio.open_connection(address, port)
        except TimeoutError:
            return True
        except OSError as error:
            # No neighbour answers for the address (neighbour discovery failed). Everything else is our own trouble.
            return error.errno == errno.EHOSTUNREACH
        writer.close()
        return False
