"""What goes into the cluster core and what comes out of it.

Every call of :class:`vedette.cluster.machine.Machine` takes one event and the time, and gives back one
:class:`Ready`. The shell performs a ``Ready`` in the order of its fields (rule 2)::

    durable, volatile   write both files, fsync the first, rename over the old one; when that fails, stop: send nothing
    release             take these groups from the kernel; when it *shows* them gone, hand in Emptied(group)
    send                every datagram on every link
    hold                complete: set each group's kernel deadline, then its addresses; what is not listed is not held
    fence               complete: have these nodes switched off, leave others in peace; hand in FenceResult
    wake_at             hand in Tick() then, at the latest
    events              for the log: a state change once, with its reason

Instants are CLOCK_BOOTTIME nanoseconds of this node, read after every receive and just before every call.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from types import MappingProxyType
from typing import NamedTuple

from vedette.cluster.charter import Rule
from vedette.cluster.config import CoreGroup, CoreNode, Timings
from vedette.spec.resolved import Key

FOREVER = (1 << 63) - 1
"""A kernel deadline that never comes."""


# Inputs


@dataclass(frozen=True, slots=True)
class Datagram:
    """``data`` came in on the link called ``link``; ``now`` of the call was read after it was received."""

    link: str
    data: bytes


@dataclass(frozen=True, slots=True)
class Tick:
    """Time has passed. Being early, late or superfluous does no harm."""


@dataclass(frozen=True, slots=True)
class Emptied:
    """The kernel was *seen* without the group's addresses, after its latest ``Ready.release`` (once for each)."""

    group: str


@dataclass(frozen=True, slots=True)
class Gate:
    """Whether addresses can be put on and taken off, and their deadline be kept, on this node."""

    working: bool


@dataclass(frozen=True, slots=True)
class Readiness:
    """Whether this node could serve what it would take.

    ``services``: everything behind the addresses works (IPVS table loaded, connections received). Without it what
    is held stays: helpers restart, and their death must cost no address. ``connected``: the clients' side is
    reachable (carriers up). Without it what is held goes to a node that is ready. Without either, a group is taken
    only when it stayed free for deadAfter, and after startupGrace: better here than nowhere.
    """

    services: bool
    connected: bool = True


@dataclass(frozen=True, slots=True)
class Reach:
    """How many of the document's ping nodes do not answer this node; of two nodes who misses fewer is preferred."""

    missing: int


@dataclass(frozen=True, slots=True)
class SpecRunning:
    """The document that this node runs now; other nodes see it in the heartbeats. ``digest``: hex SHA-256."""

    revision: int
    digest: str


@dataclass(frozen=True, slots=True)
class Move:
    """An operator wants ``group`` on ``to``; ``None`` takes an earlier wish back. Any node may be told.

    ``lasts`` (ns): after that it is as if it had been taken back; 0 = until it is.
    """

    group: str
    to: str | None
    author: str
    reason: str
    lasts: int = 0


@dataclass(frozen=True, slots=True)
class Standby:
    """An operator wants ``node`` to hold nothing (``on``), or to be as the document says (not ``on``).

    Any node may be told. ``lasts`` as with :class:`Move`.
    """

    node: str
    on: bool
    author: str
    reason: str
    lasts: int = 0


@dataclass(frozen=True, slots=True)
class Maintenance:
    """An operator wants a node, or with ``group`` a group, to be left alone: what is held stays, nothing moves.

    Not ``on``: as the document says. Any node may be told. ``lasts`` as with :class:`Move`.
    """

    name: str
    group: bool
    on: bool
    author: str
    reason: str
    lasts: int = 0


@dataclass(frozen=True, slots=True)
class DrainServer:
    """An operator wants a real server to take no new connections (``on``), or to be as the document says.

    ``server`` names it uniquely in the cluster. Any node may be told, and the directors do it: here it is only kept
    and passed on. ``lasts`` as with :class:`Move`.
    """

    server: str
    on: bool
    author: str
    reason: str
    lasts: int = 0


@dataclass(frozen=True, slots=True)
class Reconfigure:
    """A reload changed groups, preferences, standby, maintenance, timings, or which nodes there are and vote.

    Hand in the document's :class:`SpecRunning` first: voters agree when they have the same document.

    ``timings``, ``voters`` and ``rule``: ``None`` = as before. Other voters, another policy, interval and deadAfter
    come into force when the voters have agreed on them (rule 29). A node that is gone but holds something counts until
    it has handed it over.
    """

    groups: tuple[CoreGroup, ...]
    nodes: tuple[CoreNode, ...]
    timings: Timings | None = None
    voters: tuple[str, ...] | None = None
    rule: Rule | None = None


@dataclass(frozen=True, slots=True)
class Listed:
    """Whether this node's document still lists it. One that is not hands over what it holds, and takes nothing."""

    listed: bool


@dataclass(frozen=True, slots=True)
class ForceConfig:
    """A person says that the voters can agree on nothing any more: run what the document wants, without them."""

    author: str


@dataclass(frozen=True, slots=True)
class Rekey:
    """A reload changed the cluster keys: all are accepted, and the first signs once everyone heard lists it."""

    keys: tuple[Key, ...]


@dataclass(frozen=True, slots=True)
class FenceResult:
    """A fencing device's or a person's word that ``node`` (up to ``incarnation``) is off, or why it is not."""

    node: str
    incarnation: int
    confirmed: bool
    reason: str


@dataclass(frozen=True, slots=True)
class WatchdogArmed:
    """A watchdog resets this machine ``timeout`` (ns) after its daemon was last on time; ``None``: nothing does.

    The others hear of it. Hand it in when the device counts and can no longer be stopped by an accident, and ``None``
    before it is stopped.
    """

    timeout: int | None


@dataclass(frozen=True, slots=True)
class Ethernet:
    """With which MACs this node answers for its groups' addresses, as many as the wire has room for.

    The others hear of it, and know a stranger by it.
    """

    macs: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Stop:
    """Stop: hand over what a ready node can take, keep the rest as it is for the next daemon to adopt.

    ``in_place`` keeps everything: for a quick restart or an upgrade.
    """

    in_place: bool = False


Event = (
    Datagram
    | Tick
    | Emptied
    | Gate
    | Readiness
    | Reach
    | SpecRunning
    | Move
    | Standby
    | Maintenance
    | DrainServer
    | Reconfigure
    | Listed
    | ForceConfig
    | Rekey
    | FenceResult
    | WatchdogArmed
    | Ethernet
    | Stop
)


# Outputs


class What(Enum):
    """What has happened; the value is the name in the log."""

    STARTED = "core.started"
    STATE_LOST = "core.stateLost"
    SPEAKING = "core.speaking"
    STOPPED = "core.stopped"
    NODE_UP = "node.up"
    NODE_LATE = "node.late"
    NODE_DEAD = "node.dead"
    NODE_LEFT = "node.left"
    NODE_RESTARTED = "node.restarted"
    NODE_ADDED = "node.added"
    NODE_REMOVED = "node.removed"
    QUORUM_GAINED = "quorum.gained"
    QUORUM_LOST = "quorum.lost"
    GROUP_ACQUIRED = "group.acquired"
    GROUP_ADOPTED = "group.adopted"
    GROUP_RELEASING = "group.releasing"
    GROUP_RELEASED = "group.released"
    PREFERENCE_CHANGED = "preference.changed"
    DATAGRAM_REFUSED = "datagram.refused"
    FENCE_WANTED = "fence.wanted"
    FENCE_WITHDRAWN = "fence.withdrawn"
    FENCE_FAILED = "fence.failed"
    FENCE_VOID = "fence.void"
    NODE_OFF = "node.off"
    NODE_NOT_OFF = "node.notOff"
    CONFIG_DIFFERS = "config.differs"
    CONFIG_CHANGED = "config.changed"
    CONFIG_FORCED = "config.forced"
    KEYS_CHANGED = "keys.changed"
    KEY_SIGNS = "key.signs"
    KEY_FORGOTTEN = "key.forgotten"


class Reason(Enum):
    """Why; the same word in log, metric, condition and test."""

    NONE = ""
    # why a group came here
    PREFERRED = "preferred node"
    FREE = "nobody held it"
    HOLDER_SILENT = "the holder fell silent"
    HANDED_OVER = "handed over"
    ADOPTED = "held it before the restart"
    ONLY_NODE = "the only voter"
    # why a group leaves
    LEASE_ENDED = "lease ended without a quorum"
    BETTER_NODE = "a better node is ready"
    REACHES_MORE = "another node reaches more ping nodes"
    OPERATOR = "an operator moved it"
    STANDBY = "node is on standby"
    STOPPING = "daemon stops"
    NOT_ALLOWED = "the document does not place it here"
    REMOVED = "removed from the document"
    CUT_OFF = "clients cannot reach it here"
    HIGHER_CLAIM = "the other node has the higher claim"
    LEFTOVER = "the kernel holds it without a lease"
    # why a node is to be switched off
    SILENT = "not heard for deadAfter"
    ASSUMED = "assumed, not verified"
    # why state was not used
    UNREADABLE = "unreadable"
    OTHER_BOOT = "of another boot"
    ABSENT = "absent"
    # why a datagram was refused
    BAD_MAC = "badMac"
    UNKNOWN_KEY = "unknownKey"
    WRONG_CLUSTER = "wrongCluster"
    UNKNOWN_NODE = "unknownNode"
    REPLAY = "replay"
    STALE = "stale"
    MALFORMED = "malformed"
    TOO_LARGE = "tooLarge"


@dataclass(frozen=True, slots=True)
class CoreEvent:
    """One line for the log; ``detail`` is for a person."""

    what: What
    reason: Reason = Reason.NONE
    node: str | None = None
    group: str | None = None
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Outgoing:
    """``to`` None = every peer. The datagram goes out on every link."""

    data: bytes
    to: str | None = None


@dataclass(frozen=True, slots=True)
class FenceRequest:
    """Switch ``node`` off; what is confirmed is the end of its incarnations up to ``incarnation`` (rule 26).

    ``wait`` (ns) before the order, from when this was first asked for; a node that is seen off meanwhile is off.
    """

    node: str
    incarnation: int
    wait: int = 0


class Ready(NamedTuple):
    """What the shell does now, in this order. ``None`` for a file means: unchanged."""

    durable: bytes | None = None
    binding: bool = False
    """``durable`` must be on the disk before anything else is done; else it may be written beside it."""
    volatile: bytes | None = None
    release: tuple[str, ...] = ()
    send: tuple[Outgoing, ...] = ()
    hold: Mapping[str, int] = MappingProxyType({})
    fence: tuple[FenceRequest, ...] = ()
    wake_at: int = 0
    events: tuple[CoreEvent, ...] = ()
    unchanged: bool = False
    """Nothing is different from the last one: there is nothing to perform (a copy, a forgery)."""
    stopped: bool = False
    """The daemon may exit: all is given up and the goodbye is sent, or what is left is for the next daemon."""
