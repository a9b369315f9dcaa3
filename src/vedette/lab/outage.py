"""What the client saw of a fault, from its attempts: pure, so that every rule of measuring is a unit test.

The rules (each one corrects a way in which outages once looked shorter than they were):

* A gap runs from the start of one answered attempt to the start of the next, so that it contains every attempt
  that failed in between, and the time before the first of them.
* The last answered attempt before the fault opens it, and the end of the watch closes it: an outage that has not
  ended when the watch ends counts in full.
* An answer that came later than :data:`PROMPT` does not end a gap. A lost SYN is sent again after a second and then
  answered; counted by its start it would fall in the middle of the outage and cut it in two.
* Where nothing was tried nothing is known: a pause in which the *client* did not send (the host was busy) is not
  an outage. It is told apart because no attempt failed inside.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from vedette.kit.units import MILLISECOND
from vedette.lab.attempts import Attempt, Kind, Outcome

PROMPT = 500 * MILLISECOND
"""Shorter than the first retransmission of a SYN (1 s, RFC 6298), longer than any delay of a busy host."""

Accept = Callable[[Attempt], bool]


def any_answer(attempt: Attempt) -> bool:
    """Accept whatever a server says, but not what it says about its own failure."""
    return attempt.answered and attempt.status < 500


@dataclass(frozen=True, slots=True)
class Gap:
    """The longest time without a prompt answer; ``missed`` attempts began inside it (0: the client paused)."""

    start: int
    length: int
    missed: int


@dataclass(frozen=True, slots=True)
class Experience:
    """What the client saw through one probe from ``since`` to ``until``.

    ``failures`` counts attempts without an acceptable answer by outcome (``ANSWERED``: an answer that was an
    error). ``last_failure`` is the start of the last of them. ``broken`` counts long-lived connections that broke.
    """

    attempts: int
    answered: int
    gap: Gap
    failures: Mapping[Outcome, int] = field(default_factory=dict)
    last_failure: int | None = None
    slowest: int = 0
    broken: int = 0
    statuses: Mapping[int, int] = field(default_factory=dict)
    servers: frozenset[str] = frozenset()

    @property
    def failed(self) -> int:
        return sum(self.failures.values())


def experience(attempts: Sequence[Attempt], *, since: int, until: int, accept: Accept = any_answer) -> Experience:
    """Judge one probe's attempts (by start, some from before ``since``) over a watch."""
    single = [attempt for attempt in attempts if attempt.kind is not Kind.HELD and attempt.start <= until]
    watched = [attempt for attempt in single if attempt.start >= since]
    good = [attempt for attempt in watched if accept(attempt)]
    bad = [attempt for attempt in watched if not accept(attempt)]
    held = [attempt for attempt in attempts if attempt.kind is Kind.HELD and since <= attempt.start <= until]
    return Experience(
        attempts=len(watched),
        answered=len(good),
        gap=longest_gap(single, since=since, until=until, accept=accept),
        failures=dict(Counter(attempt.outcome for attempt in bad)),
        last_failure=max((attempt.start for attempt in bad), default=None),
        slowest=max((attempt.end - attempt.start for attempt in good), default=0),
        broken=sum(1 for attempt in held if not attempt.answered),
        statuses=dict(Counter(attempt.status for attempt in watched if attempt.answered)),
        servers=frozenset(attempt.server for attempt in good if attempt.server),
    )


def longest_gap(attempts: Sequence[Attempt], *, since: int, until: int, accept: Accept = any_answer) -> Gap:
    """The longest gap that reaches into the watch; one with failed attempts inside beats any without."""
    begun, missed = since, 0
    longest = Gap(since, 0, 0)
    for attempt in attempts:
        if attempt.start > until:
            break
        prompt = accept(attempt) and attempt.end - attempt.start <= PROMPT
        if attempt.start < since:
            begun, missed = (attempt.start, 0) if prompt else (begun, missed)
        elif prompt:
            longest = _longer(longest, Gap(begun, attempt.start - begun, missed))
            begun, missed = attempt.start, 0
        else:
            missed += 1
    return _longer(longest, Gap(begun, until - begun, missed))


def _longer(one: Gap, other: Gap) -> Gap:
    return max(one, other, key=lambda gap: (gap.missed > 0, gap.length))
