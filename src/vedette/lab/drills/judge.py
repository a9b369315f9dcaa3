"""Compares what was seen with what was promised. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from vedette.kit.units import MILLISECOND
from vedette.lab.attempts import Kind
from vedette.lab.drills.expectations import Expectation
from vedette.lab.outage import Experience
from vedette.lab.probes import FAST, Probe
from vedette.lab.sightings import Double


@dataclass(frozen=True, slots=True)
class Watch:
    """One stretch of a drill, from an act (``acted``, CLOCK_MONOTONIC ns) until all was calm again.

    ``expected`` and ``experiences`` are in the order of the probes; None expects nothing of a probe. ``exclusive``:
    no two machines may answer for one address.
    """

    name: str
    acted: int
    expected: Sequence[Expectation | None]
    experiences: Sequence[Experience]
    doubles: Sequence[Double]
    exclusive: bool


@dataclass(frozen=True, slots=True)
class Sums:
    """The figures of one line of the table: over all probes and watches of a drill. Times in ns."""

    gap: int
    lost: int
    broken: int
    double: int
    double_frames: int


def violations(watch: Watch, probes: Sequence[Probe]) -> list[str]:
    """Every promise that this watch saw broken, fit for a person."""
    found: list[str] = []
    for probe, expected, seen in zip(probes, watch.expected, watch.experiences, strict=True):
        if expected is not None:
            found += [f"{watch.name}: {probe.label}: {what}" for what in _of_probe(watch, probe, expected, seen)]
    if watch.exclusive:
        found += [f"{watch.name}: {describe(double)}" for double in watch.doubles]
    return found


def _of_probe(watch: Watch, probe: Probe, expected: Expectation, seen: Experience) -> list[str]:
    found: list[str] = []
    gap = outage(probe, seen)
    if gap > expected.gap:
        found.append(f"no answer for {milliseconds(gap)} ms ({milliseconds(expected.gap)} ms allowed)")
    allowed = _allowed(probe, expected)
    if allowed is not None and seen.failed > allowed:
        found.append(f"{seen.failed} of {seen.attempts} attempts failed ({allowed} allowed): {causes(seen)}")
    late = None if seen.last_failure is None else seen.last_failure - watch.acted
    if late is not None and expected.failed is None and late > expected.settled:
        found.append(f"an attempt {milliseconds(late)} ms after the fault still failed: {causes(seen)}")
    if (expected.held or probe.service in expected.unbroken) and seen.broken:
        found.append(f"long-lived connections broke {seen.broken} times")
    if not seen.attempts:
        found.append("the client made no attempt")
    return found


def outage(probe: Probe, seen: Experience) -> int:
    """How long (ns) nothing was answered, as far as it is proven, 0 when nothing failed: that was the client's pause.

    Of a probe that tries every 100 ms one missed attempt makes a gap of 200 ms and proves one of 20.
    """
    return max(0, seen.gap.length - 2 * max(0, probe.period - FAST)) if seen.gap.missed else 0


def _allowed(probe: Probe, expected: Expectation) -> int | None:
    """How many attempts may fail. Nobody repeats a datagram: what falls into the gap is lost."""
    if probe.service in expected.unbroken and probe.kind is Kind.REQUEST:
        return 0
    if expected.failed is None or not expected.retried or probe.kind is Kind.REQUEST:
        return expected.failed
    return max(expected.failed, expected.gap // probe.period + 1)


def sums(watches: Sequence[Watch], probes: Sequence[Probe]) -> Sums:
    """The worst gap and double, and the sum of what was lost, over all probes of which something was expected."""
    seen = [
        (probe, experience)
        for watch in watches
        for probe, experience, expected in zip(probes, watch.experiences, watch.expected, strict=True)
        if expected is not None
    ]
    doubles = [double for watch in watches for double in watch.doubles]
    return Sums(
        gap=max((outage(probe, one) for probe, one in seen), default=0),
        lost=sum(one.failed for _, one in seen),
        broken=sum(one.broken for _, one in seen),
        double=max((double.length for double in doubles), default=0),
        double_frames=sum(double.frames for double in doubles),
    )


def describe(double: Double) -> str:
    """``router1 and router2 both answered for 10.0.0.1: 12.3 ms, 4 frames``."""
    pair = f"{double.first} and {double.second}"
    return f"{pair} both answered for {double.address}: {milliseconds(double.length)} ms, {double.frames} frames"


def causes(seen: Experience) -> str:
    """``3 refused, 1 timed out``; an error that was answered shows its statuses."""
    words: Mapping[str, str] = {"ANSWERED": "answered with an error", "TIMED_OUT": "timed out"}
    parts = [
        f"{count} {words.get(outcome.name, outcome.name.lower())}" for outcome, count in sorted(seen.failures.items())
    ]
    return ", ".join(parts)


def milliseconds(duration: int) -> str:
    """``1234``, or ``0.8`` below ten."""
    value = duration / MILLISECOND
    return f"{value:.1f}" if 0 < value < 10 else f"{value:.0f}"
