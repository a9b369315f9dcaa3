"""The result of a rehearsal and its forms: rows for a table, JSON, JUnit's XML. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any
from xml.etree import ElementTree as Xml

from vedette.kit.units import MILLISECOND, SECOND
from vedette.lab.drills.judge import Sums, milliseconds


class Verdict(Enum):
    """``SKIPPED``: the document has nothing that this drill could be about."""

    HELD = "held"
    FAILED = "FAILED"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class Result:
    """One drill's outcome. ``reasons``: why it failed or was skipped; ``notes``: what was measured besides.

    ``tolerated``: two machines answering for one address was no failure here, because the document tolerates it.
    """

    drill: str
    summary: str
    verdict: Verdict
    expected: str = ""
    sums: Sums | None = None
    reasons: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    duration: int = 0
    tolerated: bool = False


@dataclass(frozen=True, slots=True)
class Report:
    """A whole rehearsal. ``resolution`` (ns) is the time between two attempts, the precision of a measured gap;
    ``logs`` the folder with the machines' logs where they were kept."""

    cluster: str
    document: str
    policy: str
    results: tuple[Result, ...]
    resolution: int
    duration: int
    logs: str | None = None

    @property
    def held(self) -> bool:
        """Whether every drill held; one that was skipped says nothing."""
        return all(result.verdict is not Verdict.FAILED for result in self.results)


HEAD = ("DRILL", "EXPECTED", "LONGEST GAP", "LOST", "DOUBLES", "VERDICT")


def row(result: Result) -> tuple[str, ...]:
    """The cells of one drill under :data:`HEAD`."""
    if result.sums is None:
        why = f"{result.verdict.value}: {result.reasons[0]}" if result.reasons else result.verdict.value
        return (result.drill, result.expected or "-", "-", "-", "-", why)
    sums = result.sums
    return (
        result.drill,
        result.expected,
        f"{milliseconds(sums.gap)} ms" if sums.gap else "none",
        str(sums.lost),
        doubles(sums) + (" (tolerated)" if result.tolerated and sums.double_frames else ""),
        result.verdict.value,
    )


def doubles(sums: Sums) -> str:
    """``0``, or for how long two machines answered for one address; a single frame has no length."""
    if not sums.double_frames:
        return "0"
    return f"{milliseconds(sums.double)} ms" if sums.double >= MILLISECOND else f"{sums.double_frames} frames"


def summary(report: Report) -> str:
    """``22 held, 1 failed, 3 skipped in 4 min 32 s``."""
    counts = [
        f"{count} {verdict.value.lower()}"
        for verdict in Verdict
        if (count := sum(result.verdict is verdict for result in report.results)) or verdict is Verdict.HELD
    ]
    minutes, rest = divmod(round(report.duration / SECOND), 60)
    return f"{', '.join(counts)} in " + (f"{minutes} min {rest} s" if minutes else f"{rest} s")


def as_plain(report: Report) -> dict[str, Any]:
    """What ``-o json`` prints. Times are milliseconds."""
    return {
        "cluster": report.cluster,
        "document": report.document,
        "policy": report.policy,
        "held": report.held,
        "durationSeconds": round(report.duration / SECOND, 1),
        "resolutionMs": report.resolution / MILLISECOND,
        "logs": report.logs,
        "drills": [_plain_result(result) for result in report.results],
    }


def _plain_result(result: Result) -> dict[str, Any]:
    measured: dict[str, Any] = {}
    if result.sums is not None:
        measured = {
            "longestGapMs": round(result.sums.gap / MILLISECOND, 1),
            "lostRequests": result.sums.lost,
            "brokenConnections": result.sums.broken,
            "longestDoubleMs": round(result.sums.double / MILLISECOND, 1),
            "doubleFrames": result.sums.double_frames,
        }
    return {
        "name": result.drill,
        "summary": result.summary,
        "verdict": result.verdict.value.lower(),
        "expected": result.expected,
        "measured": measured,
        "reasons": list(result.reasons),
        "notes": list(result.notes),
        "durationSeconds": round(result.duration / SECOND, 1),
    }


def as_junit(report: Report) -> str:
    """JUnit's XML, as CI systems read it: a test case a drill."""
    counts = {verdict: sum(result.verdict is verdict for result in report.results) for verdict in Verdict}
    suite = Xml.Element(
        "testsuite",
        name=f"vedette rehearse {report.cluster}",
        tests=str(len(report.results)),
        failures=str(counts[Verdict.FAILED]),
        skipped=str(counts[Verdict.SKIPPED]),
        errors="0",
        time=f"{report.duration / SECOND:.3f}",
    )
    for result in report.results:
        case = Xml.SubElement(
            suite, "testcase", classname="rehearse", name=result.drill, time=f"{result.duration / SECOND:.3f}"
        )
        text = _printable("\n".join(result.reasons))
        if result.verdict is Verdict.FAILED:
            Xml.SubElement(case, "failure", message=_first(result.reasons)).text = text
        elif result.verdict is Verdict.SKIPPED:
            Xml.SubElement(case, "skipped", message=_first(result.reasons))
        if result.sums is not None:
            Xml.SubElement(case, "system-out").text = _printable(_measured(result))
    Xml.indent(suite)
    return '<?xml version="1.0" encoding="utf-8"?>\n' + Xml.tostring(suite, encoding="unicode") + "\n"


def _measured(result: Result) -> str:
    _, expected, gap, lost, double, _ = row(result)
    return "\n".join([f"expected: {expected}", f"longest gap: {gap}, lost: {lost}, doubles: {double}", *result.notes])


def _first(reasons: Sequence[str]) -> str:
    return _printable(reasons[0]) if reasons else ""


def _printable(text: str) -> str:
    """XML 1.0 has no place for most control characters."""
    return "".join(character if character.isprintable() or character == "\n" else "?" for character in text)
