"""What the director and the checker process say to each other.

The director numbers its targets; a number is never used twice in its life, so a verdict that crosses with an edit
cannot be taken for another target's. Checks are sent once a message however many targets use them::

    director → checker   {"checks": [CHECK, ...], "remove": [NUMBER, ...],
                          "add": [[NUMBER, ADDRESS, PORT, BEHIND, index into checks, VERDICT], ...]}
    checker → director   {"verdicts": [[NUMBER, VERDICT], ...]}
    BEHIND               null, or [SERVER, MARK, NEAR]
    VERDICT              HEALTH, SINCE, REASON, NOTICE, and null or a weight as [VALUE, ABSOLUTE]

Every assignment is answered at once with what is known, which may be nothing: the checks have begun then.
A verdict in an addition is what an earlier checker found: it goes on from there.
Readers raise ``ValueError`` on any other shape.
"""

import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from vedette.kit import net, plain
from vedette.kit.channel import Message
from vedette.spec.resolved import HealthCheck
from vedette.state.health import Advice, Behind, Health, Target, Verdict


@dataclass(frozen=True, slots=True)
class Assignment:
    """A change to what is checked."""

    add: Mapping[int, tuple[Target, Verdict]] = field(default_factory=dict)
    remove: tuple[int, ...] = ()


def write_assignment(assignment: Assignment) -> Message:
    """Its message."""
    checks: dict[HealthCheck, int] = {}
    additions = [
        [
            number,
            str(target.address),
            target.port,
            _plain_behind(target.behind),
            checks.setdefault(target.check, len(checks)),
            *_plain(verdict),
        ]
        for number, (target, verdict) in assignment.add.items()
    ]
    return {"checks": [plain.dump(check) for check in checks], "add": additions, "remove": list(assignment.remove)}


def read_assignment(message: Message) -> Assignment:
    """The assignment of a message."""
    try:
        checks = [plain.load(HealthCheck, check) for check in message["checks"]]
        add = {
            int(number): (
                Target(net.parse(address), int(port), checks[index], _behind(behind)),
                _verdict(*verdict),
            )
            for number, address, port, behind, index, *verdict in message["add"]
        }
        return Assignment(add=add, remove=tuple(int(number) for number in message["remove"]))
    except (KeyError, TypeError, IndexError) as error:
        raise ValueError(f"not an assignment: {error}") from error


def write_verdicts(verdicts: Iterable[tuple[int, Verdict]]) -> Message:
    """Their message."""
    return {"verdicts": [[number, *_plain(verdict)] for number, verdict in verdicts]}


def read_verdicts(message: Message) -> list[tuple[int, Verdict]]:
    """The verdicts of a message, by number."""
    try:
        return [(int(number), _verdict(*verdict)) for number, *verdict in message["verdicts"]]
    except (KeyError, TypeError) as error:
        raise ValueError(f"not a list of verdicts: {error}") from error


def _plain(verdict: Verdict) -> tuple[str, int, str, str, tuple[int, bool] | None]:
    advice = verdict.advice
    weight = None if advice is None else (advice.value, advice.absolute)
    return verdict.health.value, verdict.since, verdict.reason, verdict.notice, weight


def _plain_behind(behind: Behind | None) -> tuple[str, int, bool] | None:
    return None if behind is None else (str(behind.server), behind.mark, behind.near)


def _behind(written: Any) -> Behind | None:
    return None if written is None else Behind(net.parse(written[0]), int(written[1]), near=bool(written[2]))


def _verdict(health: Any, since: Any, reason: Any, notice: Any, weight: Any) -> Verdict:
    return Verdict(
        health=Health(health),
        since=int(since),
        reason=sys.intern(str(reason)),  # thousands have the same
        notice=str(notice),
        advice=None if weight is None else Advice(int(weight[0]), absolute=bool(weight[1])),
    )
