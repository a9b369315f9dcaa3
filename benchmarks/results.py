"""Figures as rows: printed for people, kept in ``benchmarks/results.json`` for machines.

The file has one row a line of work: ours, the peer's, the ratio of the two, and how many times each was measured.
Running one benchmark again replaces its rows and leaves the others.
"""

import json
import os
import platform
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FILE = Path(__file__).with_name("results.json")


@dataclass(frozen=True, slots=True)
class Row:
    """``ours`` and ``theirs`` are all the measurements, in ``unit``; no ``peer``: there is nobody to compare with.

    ``goal`` is what the ratio (with a peer) or our median (without) should be, in words.
    """

    work: str
    unit: str
    ours: Sequence[float]
    peer: str = ""
    theirs: Sequence[float] = ()
    goal: str = ""

    @property
    def ratio(self) -> float | None:
        """Our median in shares of the peer's: below 1 is less."""
        if not self.ours or not self.theirs:
            return None
        theirs = statistics.median(self.theirs)
        return statistics.median(self.ours) / theirs if theirs else None

    def plain(self, benchmark: str) -> dict[str, Any]:
        ratio = self.ratio
        return {
            "benchmark": benchmark,
            "work": self.work,
            "unit": self.unit,
            "ours": _summary(self.ours),
            "peer": self.peer or None,
            "theirs": _summary(self.theirs) if self.theirs else None,
            "ratio": None if ratio is None else round(ratio, 4),
            "n": len(self.ours),
            "goal": self.goal or None,
        }


def _summary(values: Sequence[float]) -> dict[str, float]:
    return {
        "median": round(statistics.median(values), 3),
        "least": round(min(values), 3),
        "most": round(max(values), 3),
    }


def keep(benchmark: str, rows: Sequence[Row], *, began: float) -> None:
    """Put the rows of one benchmark into the file. ``began``: the load of the machine before it."""
    found: dict[str, Any] = json.loads(FILE.read_text()) if FILE.exists() else {"benchmarks": {}, "rows": []}
    found["benchmarks"][benchmark] = {
        "day": time.strftime("%Y-%m-%d"),
        "machine": f"{os.cpu_count()} processors, {platform.system()} {platform.release()}, {platform.machine()}",
        "python": platform.python_version(),
        "load": {"before": round(began, 2), "after": round(os.getloadavg()[0], 2)},
    }
    others = [row for row in found["rows"] if row["benchmark"] != benchmark]
    found["rows"] = others + [row.plain(benchmark) for row in rows]
    text = json.dumps(found, indent=1, ensure_ascii=False) + "\n"
    fresh = FILE.with_suffix(".new")
    fresh.write_text(text)
    fresh.replace(FILE)


def show(rows: Sequence[Row]) -> str:
    """A table of medians."""
    lines = [f"{'':58} {'unit':>6} {'ours':>10} {'theirs':>10} {'ratio':>7}  n  peer; goal"]
    for row in rows:
        ours = f"{statistics.median(row.ours):10.3g}" if row.ours else f"{'-':>10}"
        theirs = f"{statistics.median(row.theirs):10.3g}" if row.theirs else f"{'-':>10}"
        ratio = f"{row.ratio:7.3g}" if row.ratio is not None else f"{'-':>7}"
        more = "; ".join(filter(None, (row.peer, row.goal)))
        lines.append(f"{row.work:58} {row.unit:>6} {ours} {theirs} {ratio} {len(row.ours):2}  {more}")
    return "\n".join(lines)
