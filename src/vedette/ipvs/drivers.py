"""What the reconciler needs of a kernel: the table, and the screen in front of it."""

from collections.abc import Iterable, Sequence
from typing import Protocol

from vedette.ipvs.model import DestinationKey, Observation, Service, ServiceKey, Tuning
from vedette.ipvs.plan import Action
from vedette.ipvs.screen.rules import Rules
from vedette.reconcile.outcome import Outcome


class TableDriver(Protocol):
    """What :class:`vedette.ipvs.kernel.KernelTable` does; every method may raise ``OSError`` or a VedetteError."""

    def observe(self) -> dict[ServiceKey, Service]: ...
    def inspect(self) -> Observation: ...
    def connections(self, services: Iterable[ServiceKey]) -> dict[ServiceKey, dict[DestinationKey, int]]: ...
    def fingerprint(self) -> bytes: ...
    def perform(self, actions: Sequence[Action]) -> list[Outcome]: ...
    def tune(self, tuning: Tuning) -> tuple[str, ...]: ...
    def close(self) -> None: ...


class ScreenDriver(Protocol):
    """What :class:`vedette.ipvs.screen.screen.Screen` does; both may raise ``OSError`` or a VedetteError."""

    def keep(self, rules: Rules) -> tuple[str, ...]: ...
    def close(self) -> None: ...


class NoScreen:
    """Leaves packets as they are."""

    def keep(self, rules: Rules) -> tuple[str, ...]:
        return ()

    def close(self) -> None:
        """Nothing is open."""
