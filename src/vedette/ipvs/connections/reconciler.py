"""The sync daemons as the document wants them, all the time: level-triggered, like the table.

The daemons outlive this process; one that is found as it should be is left alone. What is remembered in the run
directory is what we started, so that a document without ``connectionSync`` stops it and nobody else's, and whether
the table of the others has been learnt since.
"""

import json
import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from vedette.ipvs.connections.kernel import SyncKernel, has_carrier, index_of
from vedette.ipvs.connections.model import Daemon, Role
from vedette.ipvs.connections.plan import Start, Step, Stop, plan
from vedette.ipvs.refusal import NOT_PERMITTED
from vedette.kit import files, plain
from vedette.kit.errors import PermanentError
from vedette.kit.log import event

_log = logging.getLogger("vedette.ipvs")
_LEFT_ALONE = "the kernel's sync daemons differ from the document: left alone, the node is in maintenance"


class Driver(Protocol):
    """What :class:`vedette.ipvs.connections.kernel.SyncKernel` does for the daemons."""

    def daemons(self) -> tuple[Daemon, ...]: ...
    def perform(self, step: Step) -> str: ...
    def tune(self) -> tuple[str, ...]: ...
    def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Memory:
    """``learnt``: the backup daemon that runs has been given the others' whole table."""

    started: tuple[Daemon, ...] = ()
    learnt: bool = False


class SyncDaemons:
    """Keeps both daemons as ``wanted``; :meth:`look` is one pass."""

    def __init__(
        self, run_dir: Path, *, driver: Driver | None = None, carrier: Callable[[str], bool] = has_carrier
    ) -> None:
        self._driver, self._carrier = driver or SyncKernel(), carrier
        self._connected = True
        self.returned = False
        """Its wire was cut and is whole again: nothing that was told meanwhile came through. For the owner to reset."""
        self._path = run_dir / "connection-sync.json"
        self._memory = _read(self._path)
        self._indices: dict[str, int] = {}
        self._problem = ""
        self.running: tuple[Daemon, ...] = ()

    def close(self) -> None:
        self._driver.close()

    @property
    def problem(self) -> str:
        """Why connections are not kept in step here, "" while they are."""
        return self._problem

    @property
    def learnt(self) -> bool:
        return self._memory.learnt

    def learn(self) -> None:
        """The others' whole table has been taken in by the backup daemon that runs."""
        self._remember(replace(self._memory, learnt=True))

    def look(self, wanted: tuple[Daemon, ...], *, touch: bool = True) -> None:
        """One pass; without ``touch``, as in maintenance, nothing is changed.

        Where nothing is wanted and nothing was started, the kernel needs no IPVS and is not asked.
        """
        if not wanted and not self._memory.started:
            self._note("")
            self.running = ()
            return
        try:
            self._pass(wanted, touch=touch)
        except PermanentError as error:
            self._fail(str(error))
        except PermissionError:
            self._fail(NOT_PERMITTED)
        except OSError as error:
            self._fail(f"the kernel's sync daemons cannot be asked: {error.strerror}")

    def _pass(self, wanted: tuple[Daemon, ...], *, touch: bool) -> None:
        if wanted and touch:
            self._tune()
        found = self._driver.daemons()
        deaf = [daemon for daemon in found if wanted and self._is_deaf(daemon)]
        steps: list[Step] = [Stop(daemon.role) for daemon in deaf]
        steps += plan(wanted, [daemon for daemon in found if daemon not in deaf], owned=self._memory.started)
        if not touch:
            self.running = found
            self._note(_LEFT_ALONE if steps else "")
            return
        reasons = [reason for step in steps if (reason := self._perform(step))]
        self.running = self._driver.daemons() if steps else found
        self._indices = {it.interface: index_of(it.interface) or 0 for it in self.running}
        reasons += self._look_at_wire()
        if not wanted and not set(self.running) & set(self._memory.started):
            self._remember(Memory())
        self._note(reasons[0] if reasons else "")

    def _look_at_wire(self) -> list[str]:
        """After a cut, what is here and what the others have must be learnt anew; the kernel notices nothing."""
        interface = self.running[0].interface if self.running else ""
        former, self._connected = self._connected, not interface or self._carrier(interface)
        if self._connected and not former:
            self.returned = True
            self._remember(replace(self._memory, learnt=False))
        return (
            [] if self._connected else [f"interface {interface} has no carrier: connections are not told or heard of"]
        )

    def _is_deaf(self, daemon: Daemon) -> bool:
        """Its interface is gone, or has been made anew since it was seen: it hears and reaches nobody."""
        now = index_of(daemon.interface)
        return now is None or self._indices.get(daemon.interface, now) != now

    def _perform(self, step: Step) -> str:
        """Remembered before it is done: a crash leaves nothing of ours unlisted."""
        if isinstance(step, Start):
            others = tuple(it for it in self._memory.started if it.role is not step.daemon.role)
            fresh = step.daemon.role is Role.BACKUP
            memory = Memory((*others, step.daemon), learnt=self._memory.learnt and not fresh)
            self._remember(memory)
        reason = self._driver.perform(step)
        if not reason:
            role = step.role if isinstance(step, Stop) else step.daemon.role
            what = "ipvs.sync_stopped" if isinstance(step, Stop) else "ipvs.sync_started"
            event(_log, logging.INFO, what, role=role.name.lower())
        return reason

    def _tune(self) -> None:
        changed = self._driver.tune()
        if changed:
            event(_log, logging.INFO, "ipvs.tuned", names=",".join(changed))

    def _fail(self, reason: str) -> None:
        self._driver.close()
        self.running = ()
        self._note(reason)

    def _note(self, reason: str) -> None:
        if reason != self._problem and reason:
            event(_log, logging.ERROR, "ipvs.sync_trouble", reason=reason)
        self._problem = reason

    def _remember(self, memory: Memory) -> None:
        """A list that cannot be written costs no connection: only this process knows then."""
        if memory == self._memory:
            return
        self._memory = memory
        try:
            files.replace(self._path, json.dumps(plain.dump(memory)).encode())
        except OSError as error:
            event(_log, logging.WARNING, "ipvs.sync_not_noted", reason=error.strerror)


def _read(path: Path) -> Memory:
    data = files.read(path)
    if data is None:
        return Memory()
    try:
        return plain.load(Memory, json.loads(data))
    except (ValueError, TypeError, KeyError):
        return Memory()
