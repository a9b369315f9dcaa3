"""Management controllers that speak IPMI 2.0, through ipmitool: it has met every controller there is.

The password is in the environment of that one process (``-E``): ``-P`` would show it to everybody.
"""

from vedette.fencing.device import DeviceError, Power, UnreachableError
from vedette.fencing.drivers import program
from vedette.spec.resolved import Ipmi

PROGRAM = "/usr/bin/ipmitool"
CIPHERS = (17, 3)
"""Tried in this order where the document says none, the one that was taken last before the others: SHA-256 since 2014,
SHA-1 before."""
OTHER_CIPHER = "open session response"
"""What ipmitool complains of when a controller answers that it does not take the suite. Its exit status is always 1."""
_SECONDS, _RETRIES = "1", "2"
"""Of one datagram: an unreachable controller costs 6 s instead of ipmitool's 20 s."""
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
        """Say one word of `chassis power`, with the cipher suite that the controller takes."""
        answer = program.Answer(1, "", "")
        for cipher in self._ciphers():
            answer = await self._run(word, cipher)
            if answer.status == 0:
                self._cipher = cipher
                return answer.output
            if OTHER_CIPHER not in answer.errors:
                break
        raise UnreachableError(f"ipmitool: {_explain(answer.complaint([self._driver.password.text]))}")

    def _ciphers(self) -> tuple[int, ...]:
        """The suites to try: a controller may take others after an update, or be another one since it was replaced."""
        if self._driver.cipher is not None:
            return (self._driver.cipher,)
        return tuple(sorted(CIPHERS, key=lambda cipher: cipher != self._cipher))

    async def _run(self, word: str, cipher: int) -> program.Answer:
        driver = self._driver
        command = [PROGRAM, "-I", "lanplus", "-H", str(driver.address), "-p", str(driver.port), "-U", driver.username]
        command += ["-C", str(cipher), "-N", _SECONDS, "-R", _RETRIES, "-E", "chassis", "power", word]
        environment = {"IPMITOOL_PASSWORD": driver.password.text}
        return await program.run(command, environment=environment, package="ipmitool")


def _explain(complaint: str) -> str:
    """Say what may be meant: ipmitool has the same words for silence and for a wrong password."""
    return f"{complaint} (no answer, or a wrong user or password)" if "Unable to establish" in complaint else complaint
