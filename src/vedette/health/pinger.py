"""Which of the document's ping nodes answer this node: ICMP echo once a second over raw sockets.

It belongs into a process with CAP_NET_RAW, the director: the sockets that need no privilege (ping_group_range) are
switched off on most machines. What comes in is filtered by the kernel, bounded in size, and matched by a secret token.
"""

import asyncio
import contextlib
import secrets
import socket
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from ipaddress import ip_address

from vedette.health import echo, icmp
from vedette.kit import clock
from vedette.kit.net import IPAddress
from vedette.kit.units import SECOND, seconds

INTERVAL = SECOND
"""Between two requests to one address (ns)."""
PATIENCE = 3 * SECOND + SECOND // 2
"""An address that has not answered for so long (ns) is not reached: three requests in a row were lost."""
AT_ONCE = 64
"""Packets read before the loop may do something else."""


@dataclass(frozen=True, slots=True)
class Reached:
    """``last_answer``: CLOCK_BOOTTIME ns, 0 = never."""

    address: IPAddress
    reached: bool
    last_answer: int


class Pinger:
    """``changed`` is called when another number of addresses is reached; ``problem`` says why none can be asked."""

    def __init__(self, changed: Callable[[], None], *, now: Callable[[], int] = clock.boottime) -> None:
        self._changed, self._now = changed, now
        self._answered: dict[IPAddress, int] = {}
        self._identifier, self._token = secrets.randbits(16), secrets.token_bytes(echo.TOKEN)
        self._sockets: dict[int, socket.socket] = {}
        self._sequence = 0
        self._told: int | None = None
        self._prompt = asyncio.Event()
        self.problem = ""

    def set_targets(self, addresses: Iterable[IPAddress]) -> None:
        """Ask these from now on; what is new counts as not reached until it has answered."""
        self._answered = {address: self._answered.get(address, 0) for address in addresses}
        self._prompt.set()

    @property
    def targets(self) -> list[Reached]:
        return [Reached(address, self._reached(answer), answer) for address, answer in self._answered.items()]

    @property
    def missing(self) -> int:
        """How many do not answer."""
        return sum(not self._reached(answer) for answer in self._answered.values())

    async def run(self) -> None:
        """Ask until cancelled."""
        try:
            while True:
                self._prompt.clear()
                self._ask()
                self._tell()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(seconds(INTERVAL)):
                        await self._prompt.wait()
        finally:
            for version in list(self._sockets):
                self._close(version)

    def _reached(self, answer: int) -> bool:
        return answer > 0 and self._now() - answer <= PATIENCE

    def _tell(self) -> None:
        if self.missing != self._told:
            self._told = self.missing
            self._changed()

    def _ask(self) -> None:
        self._sequence += 1
        self.problem = ""
        for address in self._answered:
            packet = echo.request(address, identifier=self._identifier, sequence=self._sequence, token=self._token)
            try:
                self._socket(address.version).sendto(packet, (str(address), 0))
            except PermissionError as error:
                self.problem = f"ping nodes cannot be asked: {error.strerror}"
            except OSError:  # no route now: it is not reached, and that is all
                continue

    def _socket(self, version: int) -> socket.socket:
        if version not in self._sockets:
            opened = icmp.open_echo(version)
            asyncio.get_running_loop().add_reader(opened, self._read, version)
            self._sockets[version] = opened
        return self._sockets[version]

    def _close(self, version: int) -> None:
        closing = self._sockets.pop(version)
        asyncio.get_running_loop().remove_reader(closing)
        closing.close()

    def _read(self, version: int) -> None:
        for _ in range(AT_ONCE):
            try:
                packet, source = self._sockets[version].recvfrom(icmp.LARGEST)
            except OSError:  # nothing left, or an error of an earlier request
                break
            if echo.answers(packet, version=version, identifier=self._identifier, token=self._token):
                address = ip_address(source[0].partition("%")[0])
                if address in self._answered:
                    self._answered[address] = self._now()
        self._tell()
