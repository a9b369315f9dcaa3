"""All checks of a director: the fast lane and the slow one, each a process, seen as one.

The fast lane has the kinds that are ours (TCP, HTTP and their like) and runs always; the slow one has those that need
a library, a program or a file, and is started with the first check of such a kind.
"""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from types import MappingProxyType

from vedette.health.client import SLOW, CheckerClient
from vedette.kit.child import Child
from vedette.spec.probes import is_slow
from vedette.state.health import Target, Verdicts


class Checkers:
    """``changed`` is called when the health of a target or :attr:`complete` changes."""

    def __init__(self, changed: Callable[[], None]) -> None:
        self._fast = CheckerClient(changed)
        self._slow = CheckerClient(changed, lane=SLOW)
        self._slow_needed = asyncio.Event()

    async def run(self) -> None:
        """Keep the checkers running until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._fast.run())
            tasks.create_task(self._run_slow())

    async def _run_slow(self) -> None:
        await self._slow_needed.wait()
        await self._slow.run()

    def set_targets(self, targets: Iterable[Target], known: Verdicts = MappingProxyType({})) -> None:
        """Check exactly ``targets`` from now on; see :meth:`CheckerClient.set_targets`."""
        wanted = tuple(targets)
        slow = [target for target in wanted if is_slow(target.check.probe)]
        self._fast.set_targets((target for target in wanted if not is_slow(target.check.probe)), known)
        self._slow.set_targets(slow, known)
        if slow:
            self._slow_needed.set()

    @property
    def verdicts(self) -> Verdicts:
        """The last word on every target, as of now."""
        return {**self._fast.verdicts, **self._slow.verdicts}

    @property
    def complete(self) -> bool:
        """Whether every target has a verdict, or has had its time for one."""
        return self._fast.complete and self._slow.complete

    @property
    def problems(self) -> Sequence[str]:
        """Why checkers are away, fit for an operator."""
        return [client.problem for client in self._clients if client.problem]

    @property
    def children(self) -> Sequence[Child]:
        """The processes that have been started."""
        return [client.child for client in self._clients]

    @property
    def _clients(self) -> Sequence[CheckerClient]:
        return (self._fast, self._slow) if self._slow_needed.is_set() else (self._fast,)
