"""What a step of an endpoint's life takes and gives, and what is remembered of servers between two steps."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from vedette.ipvs.damping import Penalty
from vedette.ipvs.model import DestinationKey
from vedette.state.health import Advice, Health


@dataclass(slots=True)
class Candidate:
    """A real server of the document. ``out``: a person has taken it out of service. ``measured``: its checks say what
    weight it should have, as ``advice`` once they have said it."""

    key: DestinationKey
    weight: int
    health: Health
    out: bool = False
    advice: Advice | None = None
    measured: bool = False


@dataclass(frozen=True, slots=True)
class Drain:
    """A destination that takes no new connections, and is deleted when it has none or time is up.

    ``since``: CLOCK_BOOTTIME ns; ``served``: it had a weight before; ``left``: connections when last counted, None =
    not yet; ``over``: it may be deleted.
    """

    since: int
    served: bool
    left: int | None = None
    over: bool = False


class Away(Enum):
    """Why a server of the document was not in service at the last step."""

    UNDECIDED = "undecided"
    DOWN = "down"
    HELD = "held"
    OUT = "out"
    ASIDE = "aside"


class Turn(Enum):
    """What an operator may want to read about afterwards."""

    DRAINED = "drained"
    HELD = "held"
    RELEASED = "released"
    QUORUM_LOST = "quorum-lost"
    QUORUM_GAINED = "quorum-gained"


@dataclass(frozen=True, slots=True)
class Note:
    """A turn, of one server or (``key`` None) of the endpoint; ``detail`` in words."""

    turn: Turn
    key: DestinationKey | None
    detail: str


@dataclass(slots=True)
class Result:
    """``weights`` by destination; ``sorry``: the sorry server stands in. ``due`` (ns): when time changes it, if ever.

    ``leaving``: destinations that the document does not have.
    """

    weights: dict[DestinationKey, int] = field(default_factory=dict)
    leaving: list[DestinationKey] = field(default_factory=list)
    sorry: bool = False
    due: int | None = None
    notes: list[Note] = field(default_factory=list)

    def wake(self, instant: int) -> None:
        """Note an instant at which time alone changes something."""
        self.due = instant if self.due is None else min(self.due, instant)


@dataclass(frozen=True, slots=True)
class Memory:
    """What a restart of the daemon must not forget, by destination; instants are of this boot."""

    drains: Mapping[DestinationKey, Drain] = field(default_factory=dict)
    ramps: Mapping[DestinationKey, int] = field(default_factory=dict)
    penalties: Mapping[DestinationKey, Penalty] = field(default_factory=dict)
    lost: bool | None = None
