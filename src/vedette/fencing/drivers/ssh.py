"""The node itself, told by ssh to switch itself off. The weakest device: it needs a node that still obeys.

There is nobody to ask whether it is off. It counts as off when it accepted the command, and nothing answers for its
address on the link any more; it never does when the command could not be given, nor after a restart of the process that
gave it, nor behind a router, whose silence says nothing of the node.
"""

import asyncio
import errno
from collections.abc import Callable

from vedette.fencing.device import DeviceError, Power, RefusedError, UnreachableError
from vedette.fencing.drivers import login, neighbour
from vedette.fencing.drivers.neighbour import Neighbour
from vedette.kit import clock
from vedette.kit.units import MINUTE, SECOND, seconds
from vedette.spec.resolved import Ssh

PATIENCE = 4 * SECOND
"""How long (ns) the node may take to answer: the kernel asks three times for a neighbour, a second apart."""
ORDER = 5 * SECOND
"""How long (ns) the node has from the order until it is without power; :data:`MARK` and its pause included."""
STANDS = 2 * MINUTE
"""How long (ns) an order need not be given again to a node that is silent: one that answered a moment ago is asked
for its address again only when it has been silent for up to a minute."""
ASK, MARK = "echo vedette-$((4711*7))", "vedette-32977"
"""What is printed by a shell that runs our command, and by no menu or forced command that only repeats it. In an order
a pause behind it lets it reach us: without, a busy node loses its power before its sshd has sent it."""
_ROUTED = "it is not on a link of ours: over a router it never counts as off"


class SshDevice:
    """One node. ``plug`` means nothing."""

    def __init__(self, driver: Ssh, *, now: Callable[[], int] = clock.boottime) -> None:
        self._driver, self._now = driver, now
        self._order: int | None = None
        """When the node took an order (BOOTTIME ns) that it has not been seen on after."""

    async def status(self, plug: str | None) -> Power:
        order = self._order
        if order is not None and not await self._answers():
            return self._silent()
        answer = await login.command(self._driver.login, ASK)
        if self._order == order:  # not one that was given meanwhile
            self._order = None
        return Power.ON if _took(answer) else Power.UNKNOWN

    async def off(self, plug: str | None) -> None:
        """Give the command. Raises when the node did not take it.

        A machine that loses its power says nothing any more, not even goodbye: that the command has no end is as good
        as its success, and what became of it is for the status to say.
        """
        if self._order is not None and self._now() - self._order < STANDS and not await self._answers():
            return
        self._order = None
        command = f"{ASK}; sleep 1; {self._driver.command}"
        answer = await login.command(self._driver.login, command, patience=ORDER)
        if not _took(answer) or answer.status not in (None, 0):
            raise RefusedError(f"the node refuses the command (status {answer.status})")
        self._order = self._now()

    async def on(self, plug: str | None) -> None:
        raise RefusedError("a node that is off cannot be told to switch itself on")

    async def check(self, plug: str | None) -> list[str]:
        try:
            await self.status(plug)
        except DeviceError as error:
            return [str(error)]
        return [_ROUTED] if self._neighbour() is Neighbour.ELSEWHERE else []

    def _silent(self) -> Power:
        """What it means that its port does not answer, after it took the order."""
        match self._neighbour():
            case Neighbour.GONE:
                return Power.OFF
            case Neighbour.ELSEWHERE:
                raise UnreachableError(f"ssh: nobody answers, and {_ROUTED}")
        raise UnreachableError("ssh: nobody answers, but that nobody has its address any more is not known yet")

    def _neighbour(self) -> Neighbour:
        try:
            return neighbour.look(self._driver.login.address)
        except OSError as error:
            raise UnreachableError(f"the neighbour table cannot be read: {error.strerror}") from None

    async def _answers(self) -> bool:
        """Whether anything comes back from its port. A refused connection is an answer: a kernel that runs gave it."""
        address, port = str(self._driver.login.address), self._driver.login.port
        try:
            async with asyncio.timeout(seconds(PATIENCE)):
                _, writer = await asyncio.open_connection(address, port)
        except TimeoutError:
            return False
        except OSError as error:
            # That no neighbour answers, or some firewall's word: the neighbour table knows. Others are our own trouble.
            return error.errno != errno.EHOSTUNREACH
        writer.close()
        return True


def _took(answer: login.Answer) -> bool:
    return MARK in (line.strip() for line in answer.output.splitlines())
