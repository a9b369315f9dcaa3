"""Management controllers that speak IPMI 2.0, through ipmitool: it has met every controller there is.

The password is in the environment of that one process (``-E``): ``-P`` would show it to everybody.
"""

from vedette.fencing.device import DeviceError, Power, RefusedError, UnreachableError
from vedette.fencing.drivers import program
from vedette.spec.resolved import Ipmi

PROGRAM = "/usr/bin/ipmitool"
CIPHERS = (17, 3)
"""Tried in this order where the document says none: SHA-256 since 2014, SHA-1 before."""
_SECONDS, _TRIES = "2", "2"
"""Of one datagram: an unreachable controller costs 5 s instead of ipmitool's 20 s."""
_ANSWERS = {"Chassis Power is on": Power.ON, "Chassis Power is off": Power.OFF}


class IpmiDevice:
    """One controller. ``plug`` means nothing: it is one node's own."""

    def __init__(self, driver: Ipmi) -> None:
        self._driver = driver
        self._cipher = driver.cipher

    async def status(self, plug: str | None) -> Power:
        answer = await self._ask("status")
        return _ANSWERS.get(answer.strip(), Power.UNKNOWN)

    async def off(self, plug: str | None) -> None:
        await self._ask("off")

    async def on(self, plug: str | None) -> None:
        await self._ask("on")

    async def check(self, plug: str | None) -> list[str]:
        try:
            await self.status(plug)
        except DeviceError as error:
            return [str(error)]
        return []

    async def _ask(self, word: str) -> str:
        """Say one word of `chassis power`, with the cipher suite that the controller is known to take."""
        failed = "no cipher suite was tried"
        for cipher in CIPHERS if self._cipher is None else (self._cipher,):
            answer = await self._run(word, cipher)
            if answer.status == 0:
                self._cipher = cipher
                return answer.output
            failed = answer.complaint([self._driver.password.text])
            if "Unable to establish" in answer.errors and "no response" in answer.errors:
                break
        # ipmitool has one exit status for every failure, and only its words tell a refusal from silence.
        kind = RefusedError if "HMAC" in failed or "privilege" in failed.lower() else UnreachableError
        raise kind(f"ipmitool: {failed}")

    async def _run(self, word: str, cipher: int) -> program.Answer:
        driver = self._driver
        command = [PROGRAM, "-I", "lanplus", "-H", str(driver.address), "-p", str(driver.port), "-U", driver.username]
        command += ["-C", str(cipher), "-N", _SECONDS, "-R", _TRIES, "-E", "chassis", "power", word]
        environment = {"IPMITOOL_PASSWORD": driver.password.text}
        return await program.run(command, environment=environment, package="ipmitool")
