"""The machine of a real server, kept right: a small daemon of its own, which needs no keys and talks to nobody.

It follows the document, the names in it, and the kernel. A broken document changes nothing. Stopping it changes nothing
either: a server whose addresses vanish drops its clients; ``undo`` puts everything back.
"""

import asyncio
import contextlib
import logging
import os
import signal
from collections.abc import Collection
from dataclasses import dataclass, replace
from pathlib import Path

from vedette.kit import log, notify
from vedette.kit.errors import PermanentError
from vedette.kit.net import IPAddress
from vedette.kit.units import SECOND, seconds
from vedette.realserver import desired, diagnosis, journal, kernel, surroundings
from vedette.realserver.diagnosis import Finding, Level
from vedette.realserver.model import Observed, Record, Wanted
from vedette.realserver.reconciler import Outcome, Reconciler
from vedette.sources import file
from vedette.sources.names import Names
from vedette.spec import load
from vedette.spec.resolved import ClusterSpec
from vedette.state.names import Need, Question, questions, with_names

logger = logging.getLogger("vedette.realserver")

NAMES = "names.json"
"""In the run directory: the last answers to the document's names."""
LOOK = 2 * SECOND
"""Between two looks without an event (ns): the kernel tells nobody when a setting changes."""


@dataclass(frozen=True, slots=True)
class State:
    """How the machine is. ``process`` keeps it right, None: nobody does; ``record`` is what was changed here."""

    own: tuple[IPAddress, ...]
    wanted: Wanted
    findings: tuple[Finding, ...]
    record: Record
    process: int | None


def wanted_here(spec: ClusterSpec, observed: Observed, addresses: Collection[IPAddress]) -> Wanted:
    """What the document asks of this machine; ``addresses`` empty: find out which it has."""
    return desired.wanted(spec, _own(spec, observed, addresses), named=bool(addresses))


def _own(spec: ClusterSpec, observed: Observed, addresses: Collection[IPAddress]) -> tuple[IPAddress, ...]:
    if addresses:
        return tuple(addresses)
    virtual = {item.address for group in spec.groups for item in group.addresses}
    found = (
        item.address for item in observed.addresses if not (item.address.is_loopback or item.address.is_link_local)
    )
    return tuple(dict.fromkeys(address for address in found if address not in virtual))


def read(path: Path) -> ClusterSpec:
    """Read the document once. Raises :class:`vedette.spec.load.Problems` with all that is wrong."""
    return load.load(path, secrets=False)


def understand(path: Path, content: bytes | OSError) -> ClusterSpec | tuple[str, ...]:
    """A spec, or the problems that keep it from being one. No secret is read: a machine that is no node has none."""
    if isinstance(content, OSError):
        return (f"{path}: cannot be read: {content.strerror}",)
    report = load.check_bytes(content, name=str(path), directory=path.parent, secrets=load.Secrets.IGNORED)
    return report.spec or tuple(str(problem) for problem in report.problems)


def look(spec: ClusterSpec, addresses: Collection[IPAddress], run_dir: Path) -> State:
    """See how the machine is; changes nothing. Raises ``PermanentError``."""
    spec, troubles = asyncio.run(_look_up(spec, run_dir))
    driver = _kernel()
    try:
        observed = driver.observe()
    finally:
        driver.close()
    return _state(spec, addresses, observed, run_dir, troubles)


def once(spec: ClusterSpec, addresses: Collection[IPAddress], run_dir: Path) -> tuple[Outcome, State]:
    """Set the machine up, as far as the kernel lets us. Raises ``PermanentError``."""
    with journal.alone(run_dir):
        spec, troubles = asyncio.run(_look_up(spec, run_dir))
        driver = _kernel()
        try:
            outcome = Reconciler(driver, run_dir).run(wanted_here(spec, driver.observe(), addresses))
        except OSError as error:
            raise PermanentError(f"the kernel does not answer: {error}") from error
        finally:
            driver.close()
    return outcome, _state(spec, addresses, outcome.observed, run_dir, troubles)


def undo(run_dir: Path) -> Outcome:
    """Take away what is ours, and put settings back. Raises ``PermanentError``."""
    with journal.alone(run_dir):
        driver = _kernel()
        try:
            return Reconciler(driver, run_dir).run(Wanted())
        except OSError as error:
            raise PermanentError(f"the kernel does not answer: {error}") from error
        finally:
            driver.close()


def _kernel() -> kernel.Kernel:
    try:
        return kernel.Kernel()
    except OSError as error:
        raise PermanentError(f"the kernel does not answer: {error}") from error


async def _look_up(spec: ClusterSpec, run_dir: Path) -> tuple[ClusterSpec, tuple[Finding, ...]]:
    """The document with what its names stand for now, and what cannot be looked up; nothing is stored."""
    names = Names(run_dir / NAMES, lambda: None, store=False)
    names.set_questions(_questions(spec))
    await names.look()
    return with_names(spec, names.answers), _troubles(names)


def _questions(spec: ClusterSpec) -> dict[Question, Need]:
    """Only what something must be set up for: behind masquerade a real server need not know that it is one."""
    return questions(replace(spec, virtual_services=desired.asking(spec)))


def _troubles(names: Names) -> tuple[Finding, ...]:
    """A name whose last answer goes on is no fault of this machine."""
    known = {question.name for question in names.answers}
    return tuple(
        Finding(Level.HINT if name in known else Level.WRONG, f"name {name}", problem)
        for name, problem in names.problems
    )


def _state(
    spec: ClusterSpec,
    addresses: Collection[IPAddress],
    observed: Observed,
    run_dir: Path,
    troubles: tuple[Finding, ...],
) -> State:
    wanted = wanted_here(spec, observed, addresses)
    return State(
        own=_own(spec, observed, addresses),
        wanted=wanted,
        findings=(*troubles, *diagnosis.diagnose(wanted, observed, surroundings.look())),
        record=journal.read(run_dir),
        process=journal.holder(run_dir),
    )


class Keeper:
    """Follows document and kernel until cancelled."""

    def __init__(self, *, path: Path, addresses: Collection[IPAddress], run_dir: Path) -> None:
        self._path, self._addresses = path, addresses
        self._kernel = _kernel()
        self._reconciler = Reconciler(self._kernel, run_dir)
        self._spec: ClusterSpec | None = None
        self._woken = asyncio.Event()
        self._names = Names(run_dir / NAMES, self._woken.set)
        self._told: frozenset[Finding] = frozenset()
        self._trouble = ""

    async def run(self) -> None:
        loop = asyncio.get_running_loop()
        events = kernel.subscribe()

        def hear() -> None:
            kernel.stirred(events)
            self._woken.set()

        loop.add_reader(events.fileno(), hear)
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._follow())
                tasks.create_task(self._keep())
                tasks.create_task(self._names.run())
        finally:
            loop.remove_reader(events.fileno())
            events.close()
            self._kernel.close()

    async def _follow(self) -> None:
        async for content in file.versions(self._path):
            outcome = await asyncio.to_thread(understand, self._path, content)
            if isinstance(outcome, ClusterSpec):
                log.event(logger, logging.INFO, "document.applied", digest=outcome.digest)
                self._spec = outcome
                self._names.set_questions(_questions(outcome))
                self._woken.set()
            else:
                log.event(logger, logging.ERROR, "document.refused", problems=len(outcome), first=outcome[0])
                notify.notify(notify.status(f"document refused, the former one goes on: {outcome[0]}"))

    async def _keep(self) -> None:
        while True:
            self._woken.clear()
            if self._spec is not None:
                self._pass(self._spec)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(seconds(LOOK)):
                    await self._woken.wait()

    def _pass(self, spec: ClusterSpec) -> None:
        try:
            known = with_names(spec, self._names.answers)
            wanted = wanted_here(known, self._kernel.observe(), self._addresses)
            outcome = self._reconciler.run(wanted)
        except (PermanentError, OSError) as error:
            if str(error) != self._trouble:
                self._trouble = str(error)
                log.event(logger, logging.ERROR, "realserver.trouble", reason=error)
            return
        self._trouble = ""
        self._tell(wanted, (*_troubles(self._names), *diagnosis.diagnose(wanted, outcome.observed)))

    def _tell(self, wanted: Wanted, findings: tuple[Finding, ...]) -> None:
        """Say what is wrong once, and how it stands to the service manager."""
        told = frozenset(finding for finding in findings if finding.level is not Level.RIGHT)
        for finding in findings:
            if finding in told - self._told:
                level = logging.WARNING if finding.level is Level.WRONG else logging.INFO
                log.event(
                    logger, level, f"realserver.{finding.level.value}", about=finding.subject, why=finding.message
                )
        self._told = told
        wrong = sum(finding.level is Level.WRONG for finding in findings)
        state = f"{len(wanted.vips)} virtual addresses" + (f", {wrong} problems" if wrong else "")
        notify.notify(notify.READY, notify.status(state))


def main(*, path: Path, addresses: Collection[IPAddress], run_dir: Path, log_level: str) -> int:
    """Keep the machine right until SIGTERM or SIGINT, which leave it as it is."""
    log.configure(log_level.upper())
    with journal.alone(run_dir):
        asyncio.run(_main(Keeper(path=path, addresses=addresses, run_dir=run_dir)))
    return 0


async def _main(keeper: Keeper) -> None:
    task = asyncio.ensure_future(keeper.run())
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    with contextlib.suppress(asyncio.CancelledError):
        await task
    log.event(logger, logging.INFO, "realserver.stopped", pid=os.getpid())
