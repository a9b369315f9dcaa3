"""Who is alive and who holds what, as one node sees it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum


class Liveness(Enum):
    """``UNKNOWN``: not heard since this daemon started, which is not the same as dead."""

    UP = "up"
    LATE = "late"
    DEAD = "dead"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class NodeView:
    """A node as seen from here. Times are CLOCK_BOOTTIME ns; 0 = never. ``links`` lists the links heard on
    within deadAfter, ``heard`` has when it was last heard on each. ``missing``: how many ping nodes do not answer it,
    and services of its table wait for a person.

    ``keys``: ids of the cluster keys that it accepts, the one that should sign first.
    ``ready``: may hold, hears a quorum, services and gate work. ``digest``/``revision``: the spec that it runs.
    ``watchdog`` (ns): how soon the watchdog that it said last is armed resets it when its daemon is late, 0 = none.
    ``off``: why it counts as off (policy ``fence``), in words. ``refused``: when a datagram last came that names it and
    is signed with a key that is not known here. ``ethernet``: the MACs with which it answers, in hex.
    """

    name: str
    liveness: Liveness
    since: int
    ready: bool
    holds: tuple[str, ...]
    links: tuple[str, ...]
    revision: int
    digest: str
    incarnation: int
    keys: tuple[str, ...] = ()
    heard: Mapping[str, int] = field(default_factory=dict)
    watchdog: int = 0
    off: str = ""
    missing: int = 0
    refused: int = 0
    ethernet: tuple[str, ...] = ()

    @property
    def living(self) -> bool:
        """Whether it was heard within deadAfter."""
        return self.liveness in (Liveness.UP, Liveness.LATE)


@dataclass(frozen=True, slots=True)
class LeaseView:
    """Who holds a group, as known here. ``until``: end of the lease on *this* node's clock (0 = unknown or for ever).

    ``reason`` explains the present state ("preferred node", "router1 is silent", "no quorum").
    """

    group: str
    holder: str | None
    mine: bool
    until: int
    reason: str


@dataclass(frozen=True, slots=True)
class KeysView:
    """The cluster's keys, by their ids: which one signs, and what a rotation still waits for.

    ``behind``: nodes that do not accept the document's first key yet. ``retired``: keys that the document has dropped
    and that some node still signs with.
    """

    signs: str = ""
    behind: tuple[str, ...] = ()
    retired: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


class Order(Enum):
    """What an operator may ask for at run time."""

    MOVE = "move"
    STANDBY = "standby"
    NODE_MAINTENANCE = "node maintenance"
    GROUP_MAINTENANCE = "group maintenance"
    SERVER_DRAIN = "server drain"


@dataclass(frozen=True, slots=True)
class OrderView:
    """An order that stands, as known here. ``about``: a node's or a group's name, or the tag of a real server, which
    only directors have a name for; ``to``: the target of a move.

    ``until``: CLOCK_BOOTTIME ns of this node, 0 = until it is taken back.
    """

    order: Order
    about: str
    to: str | None
    author: str
    reason: str
    until: int


@dataclass(frozen=True, slots=True)
class ConfigView:
    """Who votes now, and the timings (ns) that voters keep to; ``step`` counts what they have agreed on.

    ``pending``: what the document changes of it and is not agreed on yet; ``waits``: what that waits for.
    """

    step: int = 0
    voters: tuple[str, ...] = ()
    interval: int = 0
    dead_after: int = 0
    pending: str = ""
    waits: str = ""


@dataclass(frozen=True, slots=True)
class View:
    """Everything that one node's cluster core knows at ``now``."""

    me: str
    now: int
    quorum: bool
    nodes: tuple[NodeView, ...]
    leases: tuple[LeaseView, ...]
    keys: KeysView = field(default_factory=KeysView)
    orders: tuple[OrderView, ...] = ()
    config: ConfigView = field(default_factory=ConfigView)

    @property
    def left_alone(self) -> bool:
        """Whether somebody has ordered this node to be left alone; the document may say so, too."""
        return any(item.order is Order.NODE_MAINTENANCE and item.about == self.me for item in self.orders)
