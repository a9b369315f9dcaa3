"""What the drills about connections have running at the client: connections that stay, and a hail of new ones."""

import json
import select
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vedette.kit.errors import TransientError
from vedette.kit.units import SECOND, seconds
from vedette.lab import clinging, traffic
from vedette.lab.attempts import Attempt, Recording
from vedette.lab.observers import Place
from vedette.lab.probes import Probe

OPENING = 30 * SECOND
"""How long (ns) opening may take."""
FINISHING = 8 * SECOND
"""How long (ns) the last of a hail's attempts may take to be on record."""


@dataclass(frozen=True, slots=True)
class Still:
    """Of the connections through one endpoint: how many active and idle ones work, the longest stall of an active one
    since the last question (ns), and why others do not."""

    probe: Probe
    active: int
    idle: int
    stall: int
    why: tuple[str, ...]


class Clingers:
    """Connections through each probe's endpoint, ``number`` active and as many idle ones."""

    def __init__(self, place: Place, probes: Sequence[Probe], number: int) -> None:
        """Open them; raises :class:`TransientError` when that does not work."""
        self._probes = probes
        command = [sys.executable, "-P", "-m", clinging.__name__]
        self._process = place.popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        endpoints = [[str(probe.address), probe.port] for probe in probes]
        self._ask({"endpoints": endpoints, "number": number}, OPENING)

    def ask(self) -> list[Still]:
        """Raises :class:`TransientError` when the process does not answer."""
        answer = self._ask({}, clinging.PATIENCE + 2 * SECOND)
        return [
            Still(probe, told["active"], told["idle"], told["stall"], tuple(told["why"]))
            for probe, told in zip(self._probes, answer["endpoints"], strict=True)
        ]

    def end(self) -> None:
        self._process.terminate()
        self._process.communicate()

    def _ask(self, request: dict[str, Any], patience: int) -> dict[str, Any]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        line = b""
        try:
            self._process.stdin.write(json.dumps(request).encode() + b"\n")
            self._process.stdin.flush()
            if select.select([self._process.stdout], [], [], seconds(patience))[0]:
                line = self._process.stdout.readline()
            answer: dict[str, Any] = json.loads(line)
        except (OSError, ValueError) as error:
            self.end()
            raise TransientError("the process that holds the connections does not answer") from error
        if "error" in answer:
            self.end()
            raise TransientError(answer["error"])
        return answer


class Hail:
    """New connections and datagrams, as fast as the probes' periods say, until :meth:`end`."""

    def __init__(self, place: Place, probes: Sequence[Probe], directory: Path) -> None:
        self.probes = probes
        path, records = directory / "hail.json", directory / "hail.records"
        path.write_text(traffic.dump(tuple(probes), patience=SECOND))
        records.unlink(missing_ok=True)
        self._recording = Recording(records, keep=120 * SECOND)
        command = [sys.executable, "-P", "-m", traffic.__name__, str(path), str(records)]
        self._process = place.popen(command, stdin=subprocess.DEVNULL)

    def complete_at(self, instant: int) -> bool:
        """Whether every attempt that began before ``instant`` has ended."""
        self._recording.read()
        return self._recording.complete_until >= instant

    def attempts(self, since: int, until: int) -> list[Attempt]:
        self._recording.read()
        return [attempt for attempt in self._recording.since(since) if attempt.start < until]

    def end(self) -> None:
        self._process.terminate()
        self._process.wait()
