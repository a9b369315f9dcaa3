"""One pass over the kernel: observe, plan, write down, perform, and again until nothing is left to do."""

import errno
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from vedette.kit.errors import PermanentError
from vedette.kit.log import event
from vedette.realserver import plan
from vedette.realserver.journal import Journal
from vedette.realserver.model import Make, Observed, Open, Restore, Set, Step, Wanted, describe, dotted

_log = logging.getLogger("vedette.realserver")

ROUNDS = 6
"""A new device needs four: settings, device, its own settings, its address."""


class Driver(Protocol):
    """What :class:`vedette.realserver.kernel.Kernel` does; both methods may raise ``OSError``."""

    def observe(self) -> Observed: ...
    def perform(self, step: Step) -> None: ...


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a pass did, what the kernel refused and why, and how it is now."""

    done: tuple[Step, ...]
    refused: dict[Step, str]
    observed: Observed


class Reconciler:
    """Knows nothing of events, timers or documents."""

    def __init__(self, driver: Driver, run_dir: Path) -> None:
        self._driver, self._journal = driver, Journal(run_dir)
        self._told: dict[Step, str] = {}

    def run(self, wanted: Wanted) -> Outcome:
        """Make the kernel be as wanted, as far as it lets us. Raises ``PermanentError``, ``OSError``."""
        done: list[Step] = []
        refused: dict[Step, str] = {}
        for _ in range(ROUNDS):
            observed = self._driver.observe()
            self._journal.keep(plan.forget(self._journal.record, wanted, observed))
            steps = [step for step in plan.plan(wanted, observed, self._journal.record) if step not in refused]
            if not steps:
                break
            self._write_down(steps)
            for step in steps:
                if reason := self._try(step):
                    refused[step] = reason
                else:
                    done.append(step)
        else:
            observed = self._driver.observe()
            self._journal.keep(plan.forget(self._journal.record, wanted, observed))
        self._tell(done, refused)
        return Outcome(tuple(done), refused, observed)

    def _write_down(self, steps: list[Step]) -> None:
        """Before anything is changed: what is not written down cannot be undone."""
        try:
            self._journal.keep(plan.remember(self._journal.record, steps))
        except OSError as error:
            raise PermanentError(f"what is changed cannot be written down, so nothing is: {error}") from error

    def _try(self, step: Step) -> str:
        """Perform a step; returns why it failed."""
        try:
            self._driver.perform(step)
        except OSError as error:
            return refusal(step, error)
        return ""

    def _tell(self, done: list[Step], refused: dict[Step, str]) -> None:
        for step in done:
            event(_log, logging.INFO, "realserver.changed", step=describe(step))
        for step, reason in refused.items():
            if self._told.get(step) != reason:
                event(_log, logging.WARNING, "realserver.refused", step=describe(step), reason=reason)
        self._told = refused


def refusal(step: Step, error: OSError) -> str:
    """Why the kernel refuses a step, and what to do."""
    match step, error.errno:
        case _, errno.EPERM | errno.EACCES if not isinstance(step, Set | Restore):
            return "not permitted: this needs root, or CAP_NET_ADMIN"
        case ((Set(setting) | Restore(setting)), errno.EACCES | errno.EROFS | errno.EPERM):
            return f"{dotted(setting)} cannot be written here: this needs root, and in a container set it from outside"
        case Make(device), errno.EOPNOTSUPP | errno.ENODEV:
            module = {"gre": "ip_gre", "ip6gre": "ip6_gre", "ip6tnl": "ip6_tunnel"}.get(
                device.kind.value, device.kind.value
            )
            return f"this kernel has no tunnels of the kind {device.kind.value}: load the module {module}"
        case Make(device), errno.EEXIST:
            return f"another tunnel device has the end {device.local} already (`ip -d tunnel`): remove it, or this one"
        case Open(), errno.EOPNOTSUPP:
            return "this kernel cannot take GUE apart: load the module fou"
        case Open(port), errno.EADDRINUSE:
            return f"another program has UDP port {port.number} (`ss -lunp`)"
        case _:
            return error.strerror or str(error)
