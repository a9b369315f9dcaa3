"""The director's side of the sorry server: pages go in, where they are served comes out."""

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

from vedette.kit import log, net
from vedette.kit.channel import Channel, Message
from vedette.kit.child import Child
from vedette.sorry import messages
from vedette.sorry.page import Place
from vedette.spec.resolved import SorryPage

_log = logging.getLogger("vedette.sorry")


class SorryClient:
    """Keeps a sorry server running, from the first page on.

    ``changed`` is called when :attr:`listening` or :attr:`problems` changes.

    While the server is being restarted both stay as they are: it is back before anyone could do better.
    """

    def __init__(self, changed: Callable[[], None]) -> None:
        self._changed = changed
        self._needed = asyncio.Event()
        self._pages: dict[Place, SorryPage] = {}
        self._listening: frozenset[Place] = frozenset()
        self._problems: dict[Place, str] = {}
        self.problem = ""
        """Why the sorry server is away, fit for an operator; empty while it runs."""
        self.child = Child(
            module="vedette.sorry.process",
            name="sorry",
            receive=self._receive,
            started=self._started,
            died=self._died,
        )

    async def run(self) -> None:
        """Keep the server running until cancelled, once there is something to serve."""
        await self._needed.wait()
        await self.child.run()

    @property
    def children(self) -> Sequence[Child]:
        """The process, once it has been started."""
        return [self.child] if self._needed.is_set() else []

    def set_pages(self, pages: Mapping[Place, SorryPage]) -> None:
        """Serve exactly these pages, each at a virtual address and TCP port."""
        if pages == self._pages:
            return
        self._pages = dict(pages)
        self._needed.set()
        self._listening &= self._pages.keys()
        self._problems = {place: text for place, text in self._problems.items() if place in pages}
        self.child.send(messages.write_pages(self._pages))

    @property
    def listening(self) -> frozenset[Place]:
        """Where a page is served."""
        return self._listening

    @property
    def problems(self) -> Mapping[Place, str]:
        """Why a page is not served, with what to do about it."""
        return MappingProxyType(self._problems)

    def _started(self, channel: Channel) -> None:
        self.problem = ""
        channel.send(messages.write_pages(self._pages))

    def _died(self, reason: str) -> None:
        self.problem = f"the sorry server is being restarted: {reason}"

    def _receive(self, message: Message) -> None:
        listening, problems = messages.read_report(message)
        # A report that crosses with an edit may speak of pages that are no longer wanted.
        listening &= self._pages.keys()
        problems = {place: text for place, text in problems.items() if place in self._pages}
        if (listening, problems) == (self._listening, self._problems):
            return
        for place in problems.keys() - self._problems.keys():
            log.event(_log, logging.WARNING, "sorry.refused", place=net.endpoint(*place), reason=problems[place])
        self._listening, self._problems = listening, problems
        self._changed()
