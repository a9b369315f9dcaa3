"""All checks of a director: its lanes, each a process, seen as one.

Each is started with the first check that needs it. The fast lane has the kinds that are ours (TCP, HTTP and their
like), the slow one has what needs a library, a file or a dialogue, and the one for programs has
what is to run as another user, for which it keeps capabilities that nothing else here has.
"""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from types import MappingProxyType

from vedette.health.client import FAST, CheckerClient, Process
from vedette.kit.child import Child
from vedette.spec.probes import Lane, lane
from vedette.state.health import Target, Verdicts

_SLOW = "vedette.health.slow.process"
PROCESSES = {
    Lane.FAST: FAST,
    Lane.SLOW: Process(_SLOW, "slow checker"),
    Lane.PROGRAMS: Process(_SLOW, "program checker", ("programs",)),
}


class Checkers:
    """``changed`` is called when the health of a target or :attr:`complete` changes."""

    def __init__(self, changed: Callable[[], None]) -> None:
        self._clients = {name: CheckerClient(changed, process=process) for name, process in PROCESSES.items()}
        self._needed = {name: asyncio.Event() for name in Lane}

    async def run(self) -> None:
        """Keep the checkers running until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            for name in Lane:
                tasks.create_task(self._run(name))

    async def _run(self, name: Lane) -> None:
        await self._needed[name].wait()
        await self._clients[name].run()

    def set_targets(self, targets: Iterable[Target], known: Verdicts = MappingProxyType({})) -> None:
        """Check exactly ``targets`` from now on; see :meth:`CheckerClient.set_targets`."""
        wanted: dict[Lane, list[Target]] = {name: [] for name in Lane}
        for target in targets:
            wanted[lane(target.check.probe)].append(target)
        for name, found in wanted.items():
            self._clients[name].set_targets(found, known)
            if found:
                self._needed[name].set()

    @property
    def verdicts(self) -> Verdicts:
        """The last word on every target, as of now."""
        return {target: verdict for client in self._clients.values() for target, verdict in client.verdicts.items()}

    @property
    def guesses(self) -> Verdicts:
        """Those of them that are guesses, because their checks cannot be made here."""
        return {target: verdict for client in self._clients.values() for target, verdict in client.guesses.items()}

    @property
    def complete(self) -> bool:
        """Whether every target has a verdict, or has had its time for one."""
        return all(client.complete for client in self._clients.values())

    @property
    def problems(self) -> Sequence[str]:
        """Why checkers are away, fit for an operator."""
        return [client.problem for client in self._started if client.problem]

    def notices(self) -> list[tuple[str, str]]:
        """What an operator should know of targets though it is no failure: of which, and what."""
        return [notice for client in self._clients.values() for notice in client.notices()]

    @property
    def children(self) -> Sequence[Child]:
        """The processes that have been started."""
        return [client.child for client in self._started]

    @property
    def _started(self) -> Sequence[CheckerClient]:
        return [client for name, client in self._clients.items() if self._needed[name].is_set()]
