"""What this node does about one group: owns it, tries for it, or is giving it up. Data only."""

from dataclasses import dataclass, field

from vedette.cluster.ballot import Ballot
from vedette.cluster.events import Reason

MOST_LITTER = 4


@dataclass(slots=True)
class Own:
    """A lease that is mine until ``end``.

    ``adopted``: of an older incarnation, or of the time when this node was alone: kept but not renewed (rule 14).

    ``kernel``: the kernel's deadline; it differs from ``end`` only where a lease has no end. When such a one was
    slept through, others may have claimed the group meanwhile: it is moved on only at ``resume_at``. ``proven``: until
    when most voters' records cover it; that is its end, where it has one.
    """

    ballot: Ballot
    end: int
    kernel: int
    since: int
    reason: Reason
    adopted: bool = False
    resume_at: int | None = None
    proven: int = 0


@dataclass(slots=True)
class Attempt:
    """One try. ``lease_end`` counts from the moment Prepare was sent; ``void_at`` ends it without a result."""

    ballot: Ballot
    lease_end: int
    void_at: int
    phase_began: int
    reason: Reason
    promised: set[str] = field(default_factory=set)
    accepted: set[str] = field(default_factory=set)
    refused: dict[str, int] = field(default_factory=dict)
    accepting: bool = False
    repeats: int = 0


@dataclass(frozen=True, slots=True)
class Granted:
    """A vote of ``voter`` that I did not ask for: as if I had, with what I sent at ``asked`` (rule 20a)."""

    voter: str
    ballot: Ballot
    asked: int


@dataclass(slots=True)
class Releasing:
    """Given up, but the kernel has not been seen empty yet. ``ballots``: everything to be released then."""

    ballots: tuple[Ballot, ...]
    successor: str | None
    reason: Reason
    asked: int


@dataclass(slots=True)
class Lease:
    """One group. ``litter``: ballots that voters may have taken down for me and that are not released.

    ``free_since``: since when nobody is known to hold it; ``None``: somebody is. ``invited``: a holder named me as
    its successor, and ``granted`` is the vote that came with it. ``seen``: the latest release seen. ``handed_to``:
    whom I gave it to last, until somebody owns it.
    """

    name: str
    tag: int
    own: Own | None = None
    attempt: Attempt | None = None
    releasing: Releasing | None = None
    litter: tuple[Ballot, ...] = ()
    free_since: int | None = None
    back_off: int = 0
    invited: bool = False
    granted: Granted | None = None
    seen: Ballot | None = None
    holder: str | None = None
    refused_by: str | None = None
    refused_for: Ballot | None = None
    moved: int | None = None
    handed_to: str | None = None
    failures: int = 0
    hold_down: dict[str, int] = field(default_factory=dict)

    def ballots(self) -> tuple[Ballot, ...]:
        """Every ballot of mine that a voter may have a record of."""
        mine = ((self.own.ballot,) if self.own is not None else ()) + self.litter
        return tuple(dict.fromkeys(mine))

    def litter_with(self, ballot: Ballot) -> tuple[Ballot, ...]:
        return (*self.litter, ballot)[-MOST_LITTER:]
