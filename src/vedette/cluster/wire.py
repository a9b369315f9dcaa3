"""The datagram: messages to bytes and back (rule 4).

Layout, all numbers big-endian::

    2 magic "VD" · 1 format version · 8 cluster id · 8 config id · 4 key id
    keys    count, 4 each: fingerprints of the accepted keys
    sender  4 tag · 8 session · 4 incarnation · 8 sequence · 4 tag of the only receiver, or 0
    state   2 flags · 2 score · 4 digest of the preferences · 4 revision · 8 digest of the document · 4 watchdog, ms
    echoes  count, each 4 tag · 8 session · 8 sequence · 1 has-ack [· 2 how far back · 8 bitmap]
    own     count, each 4 group · 4 round · 4 incarnation (the node is the sender)
    holds   count, each 4 group
    items   count, each 1 kind · 4 group · 12 ballot · by kind
            a charter among them is 4 epoch · 8 parent · 8 interval · 8 deadAfter · 8 deadAfter before
            · count, 4 each: voters · likewise before
    table   1 present [· count, each 1 kind and whether it has ended · 4 about · 4 version · 4 origin · 4 value
            · 4 how long it lasts (ms) · author · reason]
    ethernet where bit 5 of the flags is set: count, 6 each: MACs
    16 HMAC-SHA256 of all before, truncated to half as RFC 2104 section 5 allows

16 nodes with 32 groups take less than 1,100 bytes. Decoding never raises: whatever is wrong with the bytes is a
:class:`vedette.cluster.events.Reason`, and nothing behind the header is looked at before the HMAC is right.
"""

import hashlib
import hmac
import struct
from collections.abc import Callable, Mapping

from vedette.cluster.ballot import Ballot
from vedette.cluster.charter import MAJORITY, PAIR, Charter, Rule
from vedette.cluster.events import Reason
from vedette.cluster.messages import (
    About,
    Accept,
    Accepted,
    Echo,
    Flag,
    Grant,
    Item,
    Message,
    Motion,
    Nack,
    Prepare,
    Promise,
    Release,
    Stage,
    Teach,
    Wish,
    Wishes,
)
from vedette.kit.units import HOUR, MICROSECOND, MILLISECOND
from vedette.spec.resolved import SplitBrainPolicy, key_id

LARGEST = 1400
"""Bytes of a datagram: fits every Ethernet, with room for tunnels' headers."""
MOST_ECHOES, MOST_GROUPS, MOST_ITEMS, MOST_WISHES, MOST_KEYS = 32, 64, 64, 240, 10
MOST_VOTERS = 7
MOST_INTERFACES = 8
LONGEST_TEXT = 96
HIGHEST_ROUND = 1 << 31
"""Beyond what any cluster reaches; what is above it must not push the rounds of all others over the edge."""

_MAGIC, _VERSION, _MAC = b"VD", 4, 16
_ETHERNET, _MAC_ADDRESS = 32, 6
_HEADER = struct.Struct(">2sB8s8s4s")
_SENDER = struct.Struct(">IQIQIHhII8sI")
_ECHO, _ACK = struct.Struct(">IQQB"), struct.Struct(">HQ")
_OWN, _TAG = struct.Struct(">III"), struct.Struct(">I")
_ITEM, _KIND, _BALLOT = struct.Struct(">BIIII"), struct.Struct(">BI"), struct.Struct(">III")
_WISH, _ENDED = struct.Struct(">BIIIII"), 0x80
_GRANT = struct.Struct(">IIQQ")
_CHARTER = struct.Struct(">I8sQQQB")
_RULES = (
    MAJORITY,
    Rule(SplitBrainPolicy.FENCE),
    Rule(SplitBrainPolicy.TOLERATE),
    Rule(SplitBrainPolicy.FENCE, assume_watchdog=True),
)
"""By their numbers on the wire."""
_LONGEST = 1000 * HOUR  # ns, beyond what anybody means by deadAfter
_MOST_U32 = (1 << 32) - 1

OVERHEAD = _HEADER.size + 1 + 4 * MOST_KEYS + _SENDER.size + 5 + _MAC
"""Bytes of a message with nothing in its lists, at most."""
ITEM_SIZE = _ITEM.size + _TAG.size + 1 + _GRANT.size
"""Bytes of the largest item."""
MOTION_SIZE = _ITEM.size + 3 + _BALLOT.size + _CHARTER.size + 2 * (1 + MOST_VOTERS * _TAG.size)
"""Bytes of the largest item about charters."""


def fingerprint(secret: bytes) -> bytes:
    """The key's id on the wire (:func:`vedette.spec.resolved.key_id`)."""
    return bytes.fromhex(key_id(secret))


def signer(data: bytes) -> bytes:
    """The fingerprint of the key with which a datagram that :func:`decode` accepted is signed."""
    return data[_HEADER.size - 4 : _HEADER.size]


def size(message: Message) -> int:
    """An upper bound of the encoded bytes without its items."""
    table = 0
    if message.table is not None:
        table = 1 + sum(map(wish_size, message.table.entries))
    echoes = len(message.echoes) * (_ECHO.size + _ACK.size)
    ethernet = 1 + _MAC_ADDRESS * len(message.ethernet) if message.ethernet else 0
    return OVERHEAD + ethernet + echoes + _OWN.size * len(message.own) + _TAG.size * len(message.holds) + table


def wish_size(wish: Wish) -> int:
    """Bytes of an entry of the table."""
    return _WISH.size + sum(1 + len(clip(text).encode()) for text in (wish.author, wish.reason))


def encode(message: Message, *, cluster: bytes, secret: bytes) -> bytes:
    """Write a message and sign it with ``secret``."""
    parts = [
        _HEADER.pack(_MAGIC, _VERSION, cluster, message.config, fingerprint(secret)),
        bytes([len(message.keys)]),
        *message.keys,
        _SENDER.pack(
            message.sender,
            message.session,
            message.incarnation,
            message.sequence,
            message.to,
            sum(message.flags) | (_ETHERNET if message.ethernet else 0),
            message.score,
            message.wishes,
            message.revision,
            message.digest,
            min(-(-message.watchdog // MILLISECOND), _MOST_U32),
        ),
        bytes([len(message.echoes)]),
        *map(_echo, message.echoes),
        bytes([len(message.own)]),
        *(_OWN.pack(group, ballot.round, ballot.incarnation) for group, ballot in message.own),
        bytes([len(message.holds)]),
        *map(_TAG.pack, message.holds),
        bytes([len(message.items)]),
        *map(_item, message.items),
        _table(message.table),
        _ethernet(message.ethernet),
    ]
    body = b"".join(parts)
    return body + hmac.digest(secret, body, hashlib.sha256)[:_MAC]


def _echo(echo: Echo) -> bytes:
    behind = echo.sequence - echo.acked
    if not echo.acked or not 0 <= behind <= 0xFFFF:
        return _ECHO.pack(echo.node, echo.session, echo.sequence, 0)
    return _ECHO.pack(echo.node, echo.session, echo.sequence, 1) + _ACK.pack(behind, echo.groups)


def _item(item: Item) -> bytes:
    match item:
        case Prepare(group, ballot, released):
            return _ITEM.pack(1, group, *ballot) + _optional(released)
        case Promise(group, ballot, record):
            return _ITEM.pack(2, group, *ballot) + _optional(record)
        case Accept(group, ballot, released):
            return _ITEM.pack(3, group, *ballot) + _optional(released)
        case Accepted(group, ballot):
            return _ITEM.pack(4, group, *ballot)
        case Nack(group, ballot, remaining, promised):
            wait = min(-(-remaining // MICROSECOND), _MOST_U32)
            return _ITEM.pack(5, group, *ballot) + _TAG.pack(wait) + _BALLOT.pack(*promised)
        case Release(group, ballot, successor, grant):
            return _ITEM.pack(6, group, *ballot) + _TAG.pack(successor) + _grant(grant)
        case Motion(stage, ballot, accepted, charter, group):
            return _ITEM.pack(7, group, *ballot) + bytes([stage]) + _optional(accepted) + _charter(charter)
        case Teach(charter, firm, ballot, group):
            return _ITEM.pack(8, group, *ballot) + bytes([firm]) + _charter(charter)


def item_size(item: Item) -> int:
    """An upper bound of an item's bytes."""
    return MOTION_SIZE if isinstance(item, Motion | Teach) else ITEM_SIZE


def _charter(charter: Charter | None) -> bytes:
    if charter is None:
        return b"\0"
    rule = _RULES.index(charter.rule)
    head = _CHARTER.pack(charter.epoch, charter.parent, charter.interval, charter.dead_after, charter.before, rule)
    lists = (bytes([len(names)]) + b"".join(map(_TAG.pack, names)) for names in (charter.voters, charter.elders))
    return b"\1" + head + b"".join(lists)


def _optional(ballot: Ballot | None) -> bytes:
    return b"\0" if ballot is None else b"\1" + _BALLOT.pack(*ballot)


def _grant(grant: Grant | None) -> bytes:
    """Whose ballot it is, the release says: its successor's."""
    if grant is None:
        return b"\0"
    return b"\1" + _GRANT.pack(grant.ballot.round, grant.ballot.incarnation, grant.session, grant.nonce)


def _table(table: Wishes | None) -> bytes:
    if table is None:
        return b"\0"
    return b"\1" + bytes([len(table.entries)]) + b"".join(map(_wish, table.entries))


def _ethernet(macs: tuple[bytes, ...]) -> bytes:
    return bytes([len(macs)]) + b"".join(macs) if macs else b""


def _wish(wish: Wish) -> bytes:
    kind = wish.kind | (_ENDED if wish.ended else 0)
    remaining = min(-(-wish.remaining // MILLISECOND), _MOST_U32)
    parts = [_WISH.pack(kind, wish.about, wish.version, wish.origin, wish.value, remaining)]
    for text in (wish.author, wish.reason):
        raw = clip(text).encode()
        parts += [bytes([len(raw)]), raw]
    return b"".join(parts)


def clip(text: str) -> str:
    """Cut a text to what fits on the wire, never inside a character."""
    return text.encode(errors="replace")[:LONGEST_TEXT].decode(errors="ignore")


def decode(data: bytes, *, cluster: bytes, secrets: Mapping[bytes, bytes]) -> Message | Reason:
    """Read a datagram; ``secrets`` maps fingerprints to the accepted keys. Returns a reason when it is refused."""
    if len(data) > LARGEST:
        return Reason.TOO_LARGE
    if len(data) < _HEADER.size + _MAC:
        return Reason.MALFORMED
    magic, version, its_cluster, config, key = _HEADER.unpack_from(data)
    if magic != _MAGIC or version != _VERSION:
        return Reason.MALFORMED
    if its_cluster != cluster:
        return Reason.WRONG_CLUSTER
    secret = secrets.get(key)
    if secret is None:
        return Reason.UNKNOWN_KEY
    body, mac = data[:-_MAC], data[-_MAC:]
    if not hmac.compare_digest(hmac.digest(secret, body, hashlib.sha256)[:_MAC], mac):
        return Reason.BAD_MAC
    try:
        return _message(config, _Reader(body, _HEADER.size))
    except (_MalformedError, UnicodeDecodeError):
        return Reason.MALFORMED


def named_sender(data: bytes) -> int:
    """The tag of the node that a datagram claims to come from, whatever its key; 0 when it has none to read."""
    at = _HEADER.size
    at += 1 + 4 * data[at] if len(data) > at else 0
    return int(_TAG.unpack_from(data, at)[0]) if len(data) >= at + _TAG.size else 0


class _MalformedError(Exception):
    """Stays inside this module."""


class _Reader:
    """Reads forward through bytes whose author is authentic, but perhaps of another mind about the format."""

    def __init__(self, data: bytes, offset: int) -> None:
        self._data, self._offset = data, offset

    def take(self, size: int) -> bytes:
        start = self._pass(size)
        return self._data[start : start + size]

    def unpack(self, layout: struct.Struct) -> tuple[int, ...]:
        return layout.unpack_from(self._data, self._pass(layout.size))

    def byte(self) -> int:
        return self._data[self._pass(1)]

    def _pass(self, size: int) -> int:
        start = self._offset
        self._offset = start + size
        if self._offset > len(self._data):
            raise _MalformedError
        return start

    def count(self, most: int) -> range:
        count = self.byte()
        if count > most:
            raise _MalformedError
        return range(count)

    def ballot(self) -> Ballot:
        ballot = Ballot(*self.unpack(_BALLOT))
        if ballot.round > HIGHEST_ROUND:
            raise _MalformedError
        return ballot

    def optional(self) -> Ballot | None:
        return self.ballot() if self.byte() else None

    def finish(self) -> None:
        if self._offset != len(self._data):
            raise _MalformedError


def _message(config: bytes, reader: _Reader) -> Message:
    keys = tuple(reader.take(4) for _ in reader.count(MOST_KEYS))
    sender, session, incarnation, sequence, to, flags, score, wishes, revision, digest, watchdog = _SENDER.unpack(
        reader.take(_SENDER.size)
    )
    message = Message(
        config=config,
        keys=keys,
        sender=sender,
        session=session,
        incarnation=incarnation,
        sequence=sequence,
        flags=_FLAGS[flags & 31],
        to=to,
        score=score,
        wishes=wishes,
        revision=revision,
        digest=digest,
        watchdog=watchdog * MILLISECOND,
        echoes=tuple(_read_echo(reader) for _ in reader.count(MOST_ECHOES)),
        own=tuple(_read_own(reader, sender) for _ in reader.count(MOST_GROUPS)),
        holds=tuple(reader.unpack(_TAG)[0] for _ in reader.count(MOST_GROUPS)),
        items=tuple(_read_item(reader) for _ in reader.count(MOST_ITEMS)),
        table=_read_table(reader),
        ethernet=_read_ethernet(reader) if flags & _ETHERNET else (),
    )
    reader.finish()
    return message


def _read_echo(reader: _Reader) -> Echo:
    node, session, sequence, acks = reader.unpack(_ECHO)
    if not acks:
        return Echo(node, session, sequence)
    behind, groups = reader.unpack(_ACK)
    return Echo(node, session, sequence, max(0, sequence - behind), groups)


def _read_own(reader: _Reader, sender: int) -> tuple[int, Ballot]:
    group, rounds, incarnation = reader.unpack(_OWN)
    if rounds > HIGHEST_ROUND:
        raise _MalformedError
    return group, Ballot(rounds, incarnation, sender)


def _read_item(reader: _Reader) -> Item:
    kind, group = reader.unpack(_KIND)
    read = _ITEMS.get(kind)
    if read is None:
        raise _MalformedError
    return read(reader, group, reader.ballot())


_ITEMS: Mapping[int, Callable[[_Reader, int, Ballot], Item]] = {
    1: lambda reader, group, ballot: Prepare(group, ballot, reader.optional()),
    2: lambda reader, group, ballot: Promise(group, ballot, reader.optional()),
    3: lambda reader, group, ballot: Accept(group, ballot, reader.optional()),
    4: lambda _reader, group, ballot: Accepted(group, ballot),
    5: lambda reader, group, ballot: Nack(group, ballot, reader.unpack(_TAG)[0] * MICROSECOND, reader.ballot()),
    6: lambda reader, group, ballot: _read_release(reader, group, ballot),
    7: lambda reader, group, ballot: Motion(
        _read_stage(reader), ballot, reader.optional(), _read_charter(reader), group
    ),
    8: lambda reader, group, ballot: _read_teach(reader, group, ballot),
}


def _read_stage(reader: _Reader) -> Stage:
    try:
        return Stage(reader.byte())
    except ValueError:
        raise _MalformedError from None


def _read_teach(reader: _Reader, group: int, ballot: Ballot) -> Teach:
    firm, charter = bool(reader.byte()), _read_charter(reader)
    if charter is None:
        raise _MalformedError
    return Teach(charter, firm, ballot, group)


def _read_charter(reader: _Reader) -> Charter | None:
    """What the core could not run is malformed, so that nothing behind this has to ask again."""
    if not reader.byte():
        return None
    epoch, parent, interval, dead_after, before, number = _CHARTER.unpack(reader.take(_CHARTER.size))
    voters, elders = (tuple(reader.unpack(_TAG)[0] for _ in reader.count(MOST_VOTERS)) for _ in range(2))
    if number >= len(_RULES) or max(before, dead_after) > _LONGEST or list(elders) != sorted(elders):
        raise _MalformedError
    charter = Charter(epoch, parent, voters, interval, dead_after, elders, before, _RULES[number])
    if not _sound(charter, interval, dead_after):
        raise _MalformedError
    return charter


def _sound(charter: Charter, interval: int, dead_after: int) -> bool:
    distinct = list(charter.voters) == sorted(set(charter.voters)) and charter.rule.fits(len(charter.voters))
    passing = charter.rule.policy is SplitBrainPolicy.MAJORITY and len(charter.voters) == PAIR  # never the first
    if passing and not charter.epoch:
        return False
    return distinct and interval > 0 and 4 * interval <= dead_after and dead_after >= 20 * MILLISECOND


def _read_release(reader: _Reader, group: int, ballot: Ballot) -> Release:
    (successor,) = reader.unpack(_TAG)
    if not reader.byte():
        return Release(group, ballot, successor)
    rounds, incarnation, session, nonce = reader.unpack(_GRANT)
    if rounds > HIGHEST_ROUND:
        raise _MalformedError
    return Release(group, ballot, successor, Grant(Ballot(rounds, incarnation, successor), session, nonce))


def _read_table(reader: _Reader) -> Wishes | None:
    if not reader.byte():
        return None
    return Wishes(tuple(_read_wish(reader) for _ in reader.count(MOST_WISHES)))


def _read_ethernet(reader: _Reader) -> tuple[bytes, ...]:
    return tuple(reader.take(_MAC_ADDRESS) for _ in reader.count(MOST_INTERFACES))


def _read_wish(reader: _Reader) -> Wish:
    kind, about, version, origin, value, remaining = reader.unpack(_WISH)
    author, reason = (reader.take(len(reader.count(LONGEST_TEXT))).decode() for _ in range(2))
    if kind & ~_ENDED not in _ABOUTS:
        raise _MalformedError
    return Wish(
        kind=About(kind & ~_ENDED),
        about=about,
        version=version,
        origin=origin,
        value=value,
        ended=bool(kind & _ENDED),
        remaining=remaining * MILLISECOND,
        author=author,
        reason=reason,
    )


_ABOUTS = frozenset(About)
_FLAGS = tuple(frozenset(flag for flag in Flag if flag & bits) for bits in range(32))
