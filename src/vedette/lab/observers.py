"""The two observers of a rehearsal, the client's traffic and the wire watch, as running processes.

They run for the whole rehearsal, on the host's clock, and know nothing of drills. :meth:`Observers.refresh` takes in
what they have written; everything else answers from that.
"""

import subprocess
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from vedette.kit.errors import PermanentError
from vedette.kit.net import IPAddress
from vedette.kit.units import MILLISECOND, SECOND
from vedette.lab import traffic, wirewatch
from vedette.lab.attempts import Attempt, Kind, Recording
from vedette.lab.outage import Accept
from vedette.lab.probes import Probe
from vedette.lab.sightings import ANSWERS, Logbook
from vedette.lab.wirewatch import Segment

KEEP = 300 * SECOND
"""How long the observers' records are kept in memory: longer than any drill."""
RECENT = 400 * MILLISECOND
"""What was last seen on the wire within this time is taken for the present."""
STEADY = 400 * MILLISECOND
"""Traffic flows when every attempt of this long was answered."""
TRAIL = 100 * MILLISECOND
"""Attempts younger than this may still be on their way, and records in the observers' buffers."""


class Place(Protocol):
    """A network namespace in which a process of the host can be started."""

    def popen(self, argv: Sequence[str], **options: Any) -> "subprocess.Popen[bytes]": ...


class Observers:
    """``machines`` maps the MACs of the lab's machines to their names."""

    def __init__(self, probes: Sequence[Probe], machines: Mapping[str, str], directory: Path) -> None:
        self.probes, self.machines = probes, machines
        self._directory = directory
        directory.mkdir(parents=True, exist_ok=True)
        self.traffic = Recording(directory / "traffic.records", keep=KEEP)
        self.wire = Logbook(directory / "wire.records")
        self._processes: list[subprocess.Popen[bytes]] = []

    def start(self, client: Place, bridges: Place, segments: Sequence[Segment], *, patience: int) -> None:
        """Start both; ``patience`` (ns) is how long an exchange on a long-lived connection may take."""
        self._start(client, "traffic", traffic.dump(tuple(self.probes), patience=patience))
        self._start(bridges, "wire", wirewatch.dump(segments))

    def _start(self, place: Place, name: str, plan: str) -> None:
        module = {"traffic": traffic, "wire": wirewatch}[name].__name__
        path, records = self._directory / f"{name}.json", self._directory / f"{name}.records"
        path.write_text(plan)
        records.unlink(missing_ok=True)
        command = [sys.executable, "-P", "-m", module, str(path), str(records)]
        with (self._directory / f"{name}.log").open("wb") as log:
            process = place.popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self._processes.append(process)

    def stop(self) -> None:
        for process in self._processes:
            process.terminate()
        for process in self._processes:
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self._processes.clear()

    def refresh(self) -> None:
        """Take in what is new; raises :class:`PermanentError` when an observer is gone."""
        for process in self._processes:
            if process.poll() is not None:
                raise PermanentError(f"an observer ended by itself: see the logs in {self._directory}")
        self.traffic.read()
        self.wire.read()
        self.wire.forget(time.monotonic_ns() - KEEP)

    def complete_at(self, instant: int) -> bool:
        """Whether everything that began before ``instant`` is known."""
        return self.traffic.complete_until >= instant and self.wire.complete_until >= instant

    def holder(self, address: IPAddress) -> str | None:
        """The machine that answered last for ``address``, if it did so just now."""
        now = time.monotonic_ns()
        recent = self.wire.between(now - RECENT - TRAIL, now)
        for sighting in reversed(recent):
            machine = self.machines.get(sighting.mac)
            if sighting.address == address and sighting.speech in ANSWERS and machine is not None:
                return machine
        return None

    def latest(self) -> dict[Probe, list[Attempt]]:
        """The attempts of the last steady stretch, by probe; those that can still be answered are left out."""
        until = time.monotonic_ns() - TRAIL
        slowest = max((probe.period for probe in self.probes), default=0)
        found: dict[Probe, list[Attempt]] = {probe: [] for probe in self.probes}
        for attempt in self.traffic.since(until - max(STEADY, 2 * slowest)):
            probe = self.probes[attempt.probe]
            recent = attempt.start >= until - max(STEADY, 2 * probe.period)
            if attempt.kind is not Kind.HELD and recent and attempt.start <= until:
                found[probe].append(attempt)
        return found

    def flowing(self, probes: Iterable[Probe], accept: Accept) -> bool:
        """Whether every recent attempt through ``probes`` was answered, there were some, and none still waits."""
        latest, now = self.latest(), time.monotonic_ns()
        waiting = {self.probes[index] for index, seen in self.traffic.pending.items() if now - seen < 2 * TRAIL}
        return all(
            latest[probe] and probe not in waiting and all(accept(attempt) for attempt in latest[probe])
            for probe in probes
        )
