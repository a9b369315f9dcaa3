"""Any fence agent of ClusterLabs: options on stdin, the answer in the exit status (FenceAgentAPI.md) and in words.

The exit status alone proves nothing: 2 is also how an interpreter ends that cannot open its script, a shell that does
not understand it, and a program that is called with the wrong options. So it counts only beside the line that goes with
it; all agents that are made of ClusterLabs' library print that.

An agent's "off" is worth what its author made of it: several take whatever is not the word for on as off, an outlet
that does not exist included. So an outlet that reads off is believed only when it was seen on before, or when the
agent lists it among those that exist.
"""

import stat
from pathlib import Path

from vedette.fencing.device import DeviceError, Power, RefusedError, UnreachableError
from vedette.fencing.drivers import metadata, program
from vedette.fencing.drivers.metadata import Metadata
from vedette.spec.resolved import Agent

FOLDER = Path("/usr/sbin")
PACKAGE = "fence-agents"
STATES = {0: ("Status: ON", Power.ON), 2: ("Status: OFF", Power.OFF)}
"""Exit statuses of `action=status` with the line that goes with each; everything else is a failure."""


class AgentDevice:
    """One agent with its options; ``plug`` where the agent has such an option."""

    def __init__(self, driver: Agent, *, folder: Path = FOLDER) -> None:
        self._driver = driver
        self._program = folder / driver.program
        self._secrets = [secret.text for secret in driver.secrets.values()]
        self._metadata: Metadata | None = None
        self._exists: set[str] = set()

    async def status(self, plug: str | None) -> Power:
        answer = await self._run("status", plug)
        power = read(answer)
        if power is None:
            raise self._failure("status", answer, unsaid=STATES.get(answer.status))
        if plug is None:
            return power
        if power is Power.ON or plug in self._exists or await self._lists(plug):
            self._exists.add(plug)
            return power
        return Power.UNKNOWN

    async def off(self, plug: str | None) -> None:
        await self._do("off", plug)

    async def on(self, plug: str | None) -> None:
        await self._do("on", plug)

    async def check(self, plug: str | None) -> list[str]:
        try:
            known = await self._known()
            problems = self._faults(known, plug)
            if not problems and "validate-all" in known.actions:
                answer = await self._run("validate-all", plug)
                if answer.status != 0:
                    problems.append(f"validate-all: {answer.complaint(self._secrets)}")
        except DeviceError as error:
            return [str(error)]
        return problems

    def _look_at_program(self) -> None:
        """What anybody may change must not get our secrets. Raises :class:`RefusedError`."""
        try:
            status = self._program.stat()
        except OSError:
            raise RefusedError(f"{self._program} is missing: install the package {PACKAGE}") from None
        if status.st_uid != 0 or status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
            raise RefusedError(f"{self._program} may be changed by others than root")

    def _faults(self, known: Metadata, plug: str | None) -> list[str]:
        """What of the options does not fit the agent; values are not shown, they may be secret."""
        faults = []
        values = dict(self._driver.options) | {name: secret.text for name, secret in self._driver.secrets.items()}
        for name, value in values.items():
            option = known.options.get(name)
            fault = f"is not known to {self._driver.program}" if option is None else option.fault(value)
            if fault is not None:
                faults.append(f"the option `{name}` {fault}")
        faults += [
            f"{self._driver.program} has no action `{action}`"
            for action in ("off", "status")
            if action not in known.actions
        ]
        if plug is not None and known.plug is None:
            faults.append(f"{self._driver.program} has no outlets: leave `plug` out")
        return faults

    async def _do(self, action: str, plug: str | None) -> None:
        answer = await self._run(action, plug)
        if answer.status != 0:
            raise self._failure(action, answer)

    async def _lists(self, plug: str) -> bool:
        """Whether the agent names an outlet when it lists them: lines of name, separator, alias."""
        if "list" not in (await self._known()).actions:
            return False
        answer = await self._run("list", None)
        separator = self._driver.options.get("separator", ",")
        names = {line.partition(separator)[0].strip() for line in answer.output.splitlines()}
        return answer.status == 0 and plug in names

    async def _known(self) -> Metadata:
        """The agent's metadata, asked for once."""
        if self._metadata is None:
            self._look_at_program()
            answer = await program.run([str(self._program)], stdin=b"action=metadata\n", package=PACKAGE)
            try:
                self._metadata = metadata.parse(answer.output)
            except ValueError:
                raise RefusedError(f"{self._driver.program} does not say which options it has") from None
        return self._metadata

    async def _run(self, action: str, plug: str | None) -> program.Answer:
        self._look_at_program()
        options = dict(self._driver.options) | {name: secret.text for name, secret in self._driver.secrets.items()}
        options["action"] = action
        if plug is not None:
            known = await self._known()
            if known.plug is None:
                raise RefusedError(f"{self._driver.program} has no outlets: leave `plug` out")
            options[known.plug] = plug
        lines = "".join(f"{name}={value}\n" for name, value in options.items())
        return await program.run([str(self._program)], stdin=lines.encode(), package=PACKAGE)

    def _failure(
        self, action: str, answer: program.Answer, *, unsaid: tuple[str, Power] | None = None
    ) -> UnreachableError:
        """``unsaid``: the line that was missing where the exit status alone said something."""
        complaint = answer.complaint(self._secrets)
        if unsaid is not None:
            complaint = f"it ended with status {answer.status} and did not say `{unsaid[0]}` ({complaint})"
        return UnreachableError(f"{self._driver.program} {action}: {complaint}")


def read(answer: program.Answer) -> Power | None:
    """What an answer to `action=status` says; None where exit status and words are not the same."""
    line, power = STATES.get(answer.status, ("", None))
    said = {written.strip() for written in answer.output.splitlines()} & {line for line, _ in STATES.values()}
    return power if said == {line} else None
