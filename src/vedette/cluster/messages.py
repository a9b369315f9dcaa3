"""What nodes say to each other, as values; :mod:`vedette.cluster.wire` turns them into bytes.

Groups and nodes are named by their tags (:func:`vedette.cluster.config.tag`), so that nodes whose documents differ
for a moment still understand each other.
"""

from dataclasses import dataclass
from enum import IntEnum
from typing import NamedTuple

from vedette.cluster.ballot import NOTHING, Ballot
from vedette.cluster.charter import Charter


@dataclass(frozen=True, slots=True)
class Prepare:
    """May I? ``released``: the latest release that I have seen for the group (rule 17)."""

    group: int
    ballot: Ballot
    released: Ballot | None


@dataclass(frozen=True, slots=True)
class Promise:
    """You may go on. ``record``: whose living record I have, if any."""

    group: int
    ballot: Ballot
    record: Ballot | None


@dataclass(frozen=True, slots=True)
class Accept:
    """Take down that the group is mine from now."""

    group: int
    ballot: Ballot
    released: Ballot | None


@dataclass(frozen=True, slots=True)
class Accepted:
    """Taken down."""

    group: int
    ballot: Ballot


@dataclass(frozen=True, slots=True)
class Nack:
    """No. ``remaining`` (ns): how long what stands against it lives; ``promised``: the ballot to beat."""

    group: int
    ballot: Ballot
    remaining: int
    promised: Ballot


@dataclass(frozen=True, slots=True)
class Grant:
    """A vote that its successor did not have to ask for (rule 20a): what the releaser's voter has taken down.

    ``ballot`` is the successor's. ``nonce``: the latest sequence number of the successor that had been heard then;
    the lease counts from when that was sent, as if it had asked for the vote with it. A number means nothing in another
    ``session``, and a disk that was rolled back brings an incarnation again.
    """

    ballot: Ballot
    session: int
    nonce: int


@dataclass(frozen=True, slots=True)
class Release:
    """The ballot's owner does not hold the group any more. ``successor``: who is to take it, 0 = anyone."""

    group: int
    ballot: Ballot
    successor: int
    grant: Grant | None = None


class Stage(IntEnum):
    """Of the voters' decision about the next charter."""

    ASK = 1
    PROMISE = 2
    PROPOSE = 3
    ACCEPTED = 4
    REFUSED = 5


@dataclass(frozen=True, slots=True)
class Motion:
    """One word in the decision. ``PROMISE``: ``accepted`` and ``charter`` are what was accepted before, if any.

    ``PROPOSE``: ``charter`` is to be accepted. ``REFUSED``: ``accepted`` is the ballot to beat.
    """

    stage: Stage
    ballot: Ballot
    accepted: Ballot | None = None
    charter: Charter | None = None
    group: int = 0


@dataclass(frozen=True, slots=True)
class Teach:
    """The charter that the sender runs; ``firm``: not only because its document says so."""

    charter: Charter
    firm: bool
    ballot: Ballot = NOTHING
    group: int = 0


Item = Prepare | Promise | Accept | Accepted | Nack | Release | Motion | Teach


class Echo(NamedTuple):
    """What I have heard of ``node``: the last sequence number of that session.

    ``acked`` is the sequence number of the latest renewal that I voted on (0 = none) and ``groups`` the set of
    positions in that renewal's ``own`` whose records I extended, bit 0 for the first.
    """

    node: int
    session: int
    sequence: int
    acked: int = 0
    groups: int = 0


class About(IntEnum):
    """What a wish is about: where a group should be, what a node should do, whether a group is left alone, whether a
    real server is drained.
    """

    PLACE = 0
    NODE = 1
    GROUP = 2
    SERVER = 3


class State(IntEnum):
    """The value of a wish about a node, group or server; 0 = as the document says. Of a place: a node's tag."""

    STANDBY = 1
    MAINTENANCE = 2


@dataclass(frozen=True, slots=True)
class Wish:
    """One entry of the preferences that operators set at run time (rule 25); see ``preferences``.

    ``about`` is the tag of a group, a node or a real server; ``value`` 0: taken back; ``ended``: its time was over.
    ``remaining`` (ns): how long it still lasts, 0 = until it is taken back.
    """

    kind: About
    about: int
    version: int
    origin: int
    value: int
    ended: bool = False
    remaining: int = 0
    author: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Wishes:
    """The table, or a part of it: it is merged entry by entry."""

    entries: tuple[Wish, ...]


class Flag(IntEnum):
    """``STATE``: the fields about the sender are filled in (absent from what did not fit into one datagram).

    The values are bits of the wire's.
    """

    STATE = 1
    PERIODIC = 2
    READY = 4
    SILENT = 8
    GOODBYE = 16


class Message(NamedTuple):
    """One datagram. ``to`` is the tag of the only node that it is for, 0 = everyone.

    ``keys``: fingerprints of all accepted keys (see ``keyring``); ``own``: the sender's leases, those that it adopted
    under the ballot of an older incarnation. ``holds`` is what its kernel holds, ``wishes`` the digest of its
    preferences, ``digest`` the first eight bytes of its document's, ``watchdog`` (ns) how soon its armed watchdog
    resets its machine, 0 = none is. ``ethernet``: the MACs with which it answers for addresses.
    """

    config: bytes
    keys: tuple[bytes, ...]
    sender: int
    session: int
    incarnation: int
    sequence: int
    flags: frozenset[Flag]
    to: int = 0
    score: int = 0
    wishes: int = 0
    revision: int = 0
    digest: bytes = bytes(8)
    watchdog: int = 0
    echoes: tuple[Echo, ...] = ()
    own: tuple[tuple[int, Ballot], ...] = ()
    holds: tuple[int, ...] = ()
    items: tuple[Item, ...] = ()
    table: Wishes | None = None
    ethernet: tuple[bytes, ...] = ()
