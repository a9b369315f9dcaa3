"""What was fenced, when, on whose word, and what the devices said: a file of one JSON object a line.

Bounded in entries and bytes, readable by its owner only, and either the old file or the new one. That it cannot be
written stops nothing: the entry is kept in memory and written with the next one.
"""

import contextlib
import json
import threading
from pathlib import Path

from vedette.fencing.records import Entry
from vedette.kit import files

NAME = "fencing.jsonl"
MOST_ENTRIES = 200
MOST_BYTES = 1 << 20


class History:
    """The file's only writer."""

    def __init__(self, state_dir: Path) -> None:
        self._path = state_dir / NAME
        self._unwritten: list[Entry] = []
        self._one_writer = threading.Lock()

    def add(self, entry: Entry) -> None:
        """Write an entry; raises ``OSError`` (a full disk), and tries again with the next one then."""
        with self._one_writer:
            self._unwritten = [*self._unwritten, entry][-MOST_ENTRIES:]
            lines = [json.dumps(item, separators=(",", ":")) for item in self._unwritten]
            kept = _bounded([*_lines(self._path), *lines])
            files.replace(self._path, "".join(f"{line}\n" for line in kept).encode(), durable=True)
            self._unwritten = []


def read(state_dir: Path) -> list[Entry]:
    """All entries, oldest first; a line that is not one is left out. Raises ``OSError``, but not for a missing file."""
    entries = []
    for line in _lines(state_dir / NAME):
        with contextlib.suppress(ValueError):
            entry = json.loads(line)
            if isinstance(entry, dict):
                entries.append(entry)
    return entries


def _lines(path: Path) -> list[str]:
    data = files.read(path)
    return [] if data is None else data.decode(errors="replace").split("\n")[:-1]


def _bounded(lines: list[str]) -> list[str]:
    """The latest lines that fit."""
    kept, size = [], 0
    for line in reversed(lines[-MOST_ENTRIES:]):
        size += len(line.encode()) + 1
        if size > MOST_BYTES:
            break
        kept.append(line)
    return kept[::-1]
