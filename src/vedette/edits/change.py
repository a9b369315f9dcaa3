"""The words in which an edit is told: what changes, and what that means for clients."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum

Connections = Mapping[tuple[str, str, int], int]
"""Open connections by virtual service, real server's address and its port."""


class Severity(Enum):
    """What the worst consequence of a change is, the gravest first."""

    REFUSED = "refused"
    CUT = "cut"
    MOVE = "move"
    DRAIN = "drain"
    STEER = "steer"
    QUIET = "quiet"

    @property
    def rank(self) -> int:
        return list(Severity).index(self)


HEADINGS = {
    Severity.REFUSED: "Refused while the daemons run",
    Severity.CUT: "Connections end, or clients are not served",
    Severity.MOVE: "Addresses move, or who may hold them changes",
    Severity.DRAIN: "Open connections finish, new ones go elsewhere",
    Severity.STEER: "New connections are placed differently",
    Severity.QUIET: "No traffic is touched",
}


@dataclass(frozen=True, slots=True)
class Change:
    """One line: ``action`` is what changes about ``subject``, ``consequence`` what clients notice of it."""

    severity: Severity
    subject: str
    action: str
    consequence: str


@dataclass(frozen=True, slots=True)
class Live:
    """What is known of the running cluster; empty when two files are compared.

    ``holders`` of groups (None: nobody), ``ready`` nodes, open ``connections``; the names of real servers that are
    ``drained`` by order.
    """

    holders: Mapping[str, str | None] = field(default_factory=dict)
    ready: frozenset[str] = frozenset()
    connections: Connections = field(default_factory=dict)
    drained: frozenset[str] = frozenset()


def listed(items: Iterable[object], *, most: int = 6) -> str:
    """A list in words, cut short: ``a, b and 4 more``."""
    words = [str(item) for item in items]
    if len(words) > most + 1:
        return f"{', '.join(words[:most])} and {len(words) - most} more"
    return ", ".join(words[:-1]) + (" and " if len(words) > 1 else "") + words[-1] if words else ""


def in_order(changes: Iterable[Change]) -> tuple[Change, ...]:
    """The gravest first; otherwise as they came."""
    return tuple(sorted(dict.fromkeys(changes), key=lambda change: change.severity.rank))


def worst(changes: Sequence[Change]) -> Severity | None:
    return min((change.severity for change in changes), key=lambda severity: severity.rank, default=None)
