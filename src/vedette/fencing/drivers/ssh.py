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
"""How long (ns) the node may take to answer until it counts as silent."""
ORDER = 5 * SECOND
"""How long (ns) the node has from the order until it is without power; :data:`MARK` and its pause included."""
MARK = "vedette"
"""Printed by a shell that runs our command, and by no menu or forced command in its place. The pause behind it lets it
reach us: without, a busy node loses its power before its sshd has sent it."""


class SshDevice:
    """One node. ``plug`` means nothing."""

    def __init__(self, driver: Ssh) -> None:
        self._driver = driver
        self._order: object | None = None
        """The order that the node has taken and not been seen on after."""

    async def status(self, plug: str | None) -> Power:
        order = self._order
        if order is not None and await self._silent():
            return Power.OFF
        answer = await login.command(self._driver.login, f"echo {MARK}")
        if self._order is order:  # not one that was given meanwhile
            self._order = None
        return Power.ON if MARK in answer.output else Power.UNKNOWN

    async def off(self, plug: str | None) -> None:
        """Give the command. Raises when the node did not take it.

        A machine that loses its power says nothing any more, not even goodbye: that the command has no end is as good
        as its success, and what became of it is for the status to say.
        """
        self._order = None
        command = f"echo {MARK}; sleep 1; {self._driver.command}"
        answer = await login.command(self._driver.login, command, patience=ORDER)
        if MARK not in answer.output or answer.status not in (None, 0):
            raise RefusedError(f"the node refuses the command (status {answer.status})")
        self._order = object()

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
