"""What a kind of check is in the slow lane: a coroutine that returns or raises.

docs/design/checks.md says how to add one.

A kind is a module with one function, :data:`Prepare`, entered in :mod:`vedette.health.slow.kinds`. Its coroutine

* returns :class:`Passed` when all is well, raises :class:`FailedError` when the server is at fault, and
  :class:`~vedette.health.aim.BlockedError` when the check cannot be made from here; ``OSError`` it may leave alone;
* needs no time-out: it is cancelled when its time is up, wherever it waits;
* closes in ``finally`` whatever it has opened, without waiting for the server;
* reads what the server says within bounds, whatever the server says;
* never blocks: what blocks goes through :func:`vedette.health.slow.threads.run`.
"""

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any

from vedette.kit.errors import VedetteError
from vedette.state.health import Advice, Target


@dataclass(frozen=True, slots=True)
class Passed:
    """All is well. ``reason`` is fit for an operator; ``advice`` is what it says about the weight, if it does."""

    reason: str
    advice: Advice | None = None


class FailedError(VedetteError):
    """The server is not as it should be; the text says why, and may quote it: it is cleaned and shortened later."""


class UnableError(VedetteError):
    """This machine lacks something that other checks need too, which says nothing of the server."""


class Progress:
    """How far a check has come. ``stage`` completes the sentence "no answer in 1s" when its time is up.

    ``passed``: there is a result, and what is still to do is politeness.
    """

    __slots__ = ("passed", "stage")

    def __init__(self) -> None:
        self.stage = ""
        self.passed: Passed | None = None


Check = Callable[[Progress], Coroutine[Any, Any, Passed]]
"""One check of one target; called anew for each."""

Prepare = Callable[[Target], Check]
"""Binds what stays the same from check to check; raises ``ValueError`` when the target cannot be checked."""
