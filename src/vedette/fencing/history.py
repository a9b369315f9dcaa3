"""What was fenced, when, on whose word, and what the devices said: a file of one JSON object a line.

Bounded in entries and bytes, readable by its owner only, and either the old file or the new one. What did not switch
anything off goes first: devices that fail all night must not push out who was switched off the day before. That it
cannot be written stops nothing: the entry is kept in memory and written with the next one.
"""

import contextlib
import json
import threading
from pathlib import Path

from vedette.fencing.records import Ended, Entry
from vedette.kit import files

NAME = "fencing.jsonl"
MOST_ENTRIES = 200
MOST_BYTES = 1 << 20
LASTING = frozenset({Ended.OFF.value, Ended.CONFIRMED.value})
"""Results that are pushed out by their like only."""


class History:
    """The file's only writer."""

    def __init__(self, state_dir: Path) -> None:
        self._path = state_dir / NAME
        self._unwritten: list[str] = []
        self._one_writer = threading.Lock()

    def add(self, entry: Entry) -> None:
        """Write an entry; raises ``OSError`` (a full disk), and tries again with the next one then."""
        with self._one_writer:
            self._unwritten = _bounded([*self._unwritten, json.dumps(entry, separators=(",", ":"))])
            kept = _bounded([*_lines(self._path), *self._unwritten])
            files.replace(self._path, "".join(f"{line}\n" for line in kept).encode(), durable=True)
            self._unwritten = []


def read(state_dir: Path) -> list[Entry]:
    """All entries, oldest first; a line that is not one is left out. Raises ``OSError``, but not for a missing file."""
    return [entry for line in _lines(state_dir / NAME) if (entry := _entry(line)) is not None]


def _entry(line: str) -> Entry | None:
    with contextlib.suppress(ValueError):
        entry = json.loads(line)
        return entry if isinstance(entry, dict) else None
    return None


def _lines(path: Path) -> list[str]:
    data = files.read(path)
    return [] if data is None else data.decode(errors="replace").split("\n")[:-1]


def _bounded(lines: list[str]) -> list[str]:
    """The lines that fit: the last one, then those that are lasting, then the others, of each kind the latest."""
    last = len(lines) - 1
    lasting = [(_entry(line) or {}).get("result") in LASTING for line in lines]
    kept, size = set[int](), 0
    for number in sorted(range(len(lines)), key=lambda number: (number == last, lasting[number], number), reverse=True):
        size += len(lines[number].encode()) + 1
        if len(kept) == MOST_ENTRIES or size > MOST_BYTES:
            break
        kept.add(number)
    return [line for number, line in enumerate(lines) if number in kept]
