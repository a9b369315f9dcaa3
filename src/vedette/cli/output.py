"""How the verbs print for people: colours only on a terminal, columns that line up, times as distances."""

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TextIO

_ESCAPES = re.compile(r"\x1b\[[0-9;]*m")
_GOOD = frozenset({"up", "held"})
_BAD = frozenset({"down", "dead", "failed"})


@dataclass(frozen=True, slots=True)
class Paint:
    """Colours, or their absence (https://no-color.org)."""

    enabled: bool

    @classmethod
    def of(cls, stream: TextIO) -> "Paint":
        return cls(enabled=stream.isatty() and "NO_COLOR" not in os.environ and os.environ.get("TERM") != "dumb")

    def good(self, text: str) -> str:
        return self._wrap("32", text)

    def bad(self, text: str) -> str:
        return self._wrap("31;1", text)

    def warn(self, text: str) -> str:
        return self._wrap("33", text)

    def strong(self, text: str) -> str:
        return self._wrap("1", text)

    def state(self, word: str) -> str:
        """Colour a state by what it means."""
        if word in _GOOD:
            return self.good(word)
        return self.bad(word) if word in _BAD else self.warn(word)

    def _wrap(self, code: str, text: str) -> str:
        return f"\x1b[{code}m{text}\x1b[0m" if self.enabled else text


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Line columns up; the last one is as long as it wants."""
    lines = [head, *rows]
    widths = [max(_width(line[column]) for line in lines) for column in range(len(head))]
    return "\n".join(
        "  ".join(cell + " " * (width - _width(cell)) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )


def _width(cell: str) -> int:
    return len(_ESCAPES.sub("", cell))


def ago(instant: str | None, now: datetime) -> str:
    """Print an RFC 3339 instant as a distance: ``12s ago``, ``3m ago``; ``-`` for never."""
    if instant is None:
        return "-"
    seconds = max(0, int((now - datetime.fromisoformat(instant)).total_seconds()))
    for size, unit in ((86400, "d"), (3600, "h"), (60, "m")):
        if seconds >= size:
            return f"{seconds // size}{unit} ago"
    return f"{seconds}s ago"
