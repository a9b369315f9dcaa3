"""What the client tried and what came of it: one fixed-size record an attempt.

The traffic process writes them to a file, the rehearsal reads them from it. All instants are CLOCK_MONOTONIC of
the host in nanoseconds; the client, the sniffers and the rehearsal run on the host, so they share one clock that
no fault can touch.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path

from vedette.lab.tail import Tail

_RECORD = struct.Struct("=QQHBBHx21s5x")
SIZE = _RECORD.size
_LONGEST_NAME = 21


class Kind(IntEnum):
    """What was tried. Two are no attempts: ``MARK`` says that everything started before its start is recorded,
    ``PENDING`` that the oldest attempt of a probe without an answer so far began at its start."""

    MARK = 0
    REQUEST = 1
    HELD = 2
    DATAGRAM = 3
    PING = 4
    PENDING = 5


class Outcome(IntEnum):
    """How it ended, as the client's kernel told it (errno of the socket)."""

    ANSWERED = 0
    REFUSED = 1
    RESET = 2
    TIMED_OUT = 3
    UNREACHABLE = 4
    CLOSED = 5


@dataclass(frozen=True, slots=True)
class Attempt:
    """``probe`` is the index in the plan; ``status`` the HTTP status or 0; ``server`` who answered, if it said so."""

    probe: int
    kind: Kind
    start: int
    end: int
    outcome: Outcome
    status: int = 0
    server: str = ""

    @property
    def answered(self) -> bool:
        return self.outcome is Outcome.ANSWERED


def encode(attempt: Attempt) -> bytes:
    """One record; a server's name longer than the field is cut."""
    name = attempt.server.encode()[:_LONGEST_NAME]
    return _RECORD.pack(attempt.start, attempt.end, attempt.probe, attempt.kind, attempt.outcome, attempt.status, name)


def decode(data: bytes) -> Iterator[Attempt]:
    """The attempts in whole records; an unfinished record at the end is left out."""
    whole = len(data) - len(data) % SIZE
    for start, end, probe, kind, outcome, status, name in _RECORD.iter_unpack(data[:whole]):
        server = name.rstrip(b"\0").decode(errors="replace")
        yield Attempt(probe, Kind(kind), start, end, Outcome(outcome), status, server)


class Recording:
    """Reads a growing file of records, once each; keeps those that started less than ``keep`` ns ago."""

    def __init__(self, path: Path, *, keep: int) -> None:
        self._tail, self._keep = Tail(path, SIZE), keep
        self._attempts: list[Attempt] = []
        self.complete_until = 0
        """Every attempt started before this instant is known."""
        self.pending: dict[int, int] = {}
        """When a probe was last seen to wait for an answer, by its index (CLOCK_MONOTONIC ns)."""

    def read(self) -> None:
        """Take in what was written since the last call."""
        for attempt in decode(self._tail.read()):
            if attempt.kind is Kind.MARK:
                self.complete_until = max(self.complete_until, attempt.start)
            elif attempt.kind is Kind.PENDING:
                self.pending[attempt.probe] = attempt.end
            else:
                self._attempts.append(attempt)
        oldest = self.complete_until - self._keep
        if self._attempts and self._attempts[0].start < oldest - self._keep:
            self._attempts = [attempt for attempt in self._attempts if attempt.start >= oldest]

    def since(self, instant: int) -> list[Attempt]:
        """The known attempts that started at or after ``instant``, in the order in which they began.

        Records are written as attempts end, so the search stops at the first that ended before ``instant``.
        """
        found = []
        for attempt in reversed(self._attempts):
            if attempt.end < instant:
                break
            if attempt.start >= instant:
                found.append(attempt)
        return sorted(found, key=lambda attempt: attempt.start)
