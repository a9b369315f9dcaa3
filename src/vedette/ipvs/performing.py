"""Carrying a plan out: in bounded chunks, and each entry by itself, so that one that fails holds up no other."""

import asyncio
import logging
from collections.abc import Callable, Iterable, Sequence

from vedette.ipvs.drivers import TableDriver
from vedette.ipvs.model import DestinationId, ServiceKey
from vedette.ipvs.plan import Action
from vedette.kit.log import event
from vedette.kit.netlink import BATCH
from vedette.reconcile.outcome import Done, Outcome, RetryAfter, Stalled
from vedette.reconcile.plan import Create, Delete, Update
from vedette.reconcile.retry import Retries

_log = logging.getLogger("vedette.ipvs")

EntryKey = ServiceKey | DestinationId


class Performer:
    """Sends actions to the kernel and keeps what failed in ``entries``; ``sending`` is called before each chunk."""

    def __init__(
        self,
        *,
        driver: TableDriver,
        entries: Retries[EntryKey],
        sending: Callable[[], None],
        clock: Callable[[], int],
    ) -> None:
        self._driver, self._entries, self._sending, self._clock = driver, entries, sending, clock

    async def perform(self, actions: Sequence[Action]) -> list[Action]:
        """Perform what is due, in bounded chunks; return the actions that hold now."""
        held: list[Action] = []
        absent: set[ServiceKey] = set()
        for start in range(0, len(actions), BATCH):
            now = self._clock()
            chunk = [action for action in actions[start : start + BATCH] if self._due(action, absent, now)]
            if chunk:
                self._sending()
                held += self._sort_out(chunk, self._driver.perform(chunk), absent)
            await asyncio.sleep(0)
        return held

    def _due(self, action: Action, absent: set[ServiceKey], now: int) -> bool:
        """A destination waits for its service; all else waits only for itself."""
        if isinstance(action.key, DestinationId) and action.key.service in absent:
            return False
        if self._entries.due(action.key, now):
            return True
        _note_absent(action, absent)
        return False

    def _sort_out(self, chunk: list[Action], outcomes: list[Outcome], absent: set[ServiceKey]) -> list[Action]:
        held = []
        for action, outcome in zip(chunk, outcomes, strict=True):
            match outcome:
                case Done():
                    held.append(action)
                    if self._entries.succeeded(action.key):
                        event(_log, logging.INFO, "ipvs.recovered", entry=action.key)
                case _ if isinstance(action.key, DestinationId) and action.key.service in absent:
                    continue
                case RetryAfter() | Stalled():
                    _note_absent(action, absent)
                    if self._entries.failed(action.key, outcome, self._clock()):
                        event(_log, logging.WARNING, "ipvs.refused", entry=action.key, reason=outcome.reason)
        return held


def counts(performed: Iterable[Action]) -> dict[str, int]:
    """How many were created, updated and deleted."""
    words = {Create: "created", Update: "updated", Delete: "deleted"}
    found = dict.fromkeys(words.values(), 0)
    for action in performed:
        found[words[type(action)]] += 1
    return found


def _note_absent(action: Action, absent: set[ServiceKey]) -> None:
    if isinstance(action, Create) and not isinstance(action.key, DestinationId):
        absent.add(action.key)
