"""What survives: the plain form of the durable state (/var/lib) and of this boot's state (/run).

The shell writes and reads the files; here they are bytes. Both are JSON with a checksum, since a file that was cut
short must read as absent and not as a smaller truth.
"""

import hashlib
import json
from dataclasses import dataclass, field
from typing import Any

from vedette.cluster.ballot import NOTHING, Ballot, Record
from vedette.cluster.charter import MAJORITY, Charter, Rule
from vedette.cluster.events import FOREVER
from vedette.cluster.messages import About, Wish
from vedette.cluster.voter import Vote
from vedette.spec.resolved import SplitBrainPolicy

_FORMAT = 1
_PLAIN = json.JSONEncoder(separators=(",", ":"), check_circular=False)


@dataclass(frozen=True, slots=True)
class Durable:
    """``incarnation``: of the last start. ``boot_id``: the boot in which it started.

    ``written`` (own clock of that boot): from when the time that remains of the wishes counts.
    ``charter``: what the voters of the ``cluster`` (its id) agreed on last, with the ``voters`` by name, and
    ``firm`` to ``accepted`` as in :class:`vedette.cluster.choice.Choice`; ``None``: no such thing.
    """

    name: str
    incarnation: int
    boot_id: str
    config: str
    wishes: tuple[Wish, ...] = ()
    written: int = 0
    charter: Charter | None = None
    voters: tuple[str, ...] = ()
    cluster: str = ""
    firm: bool = False
    settled: bool = True
    met: bool = True
    solo: bool = False
    promised: Ballot = NOTHING
    accepted: tuple[Ballot, Charter] | None = None


@dataclass(frozen=True, slots=True)
class Owned:
    """A lease that this node owned: kept until ``end`` (own clock of this boot)."""

    ballot: Ballot
    end: int


@dataclass(frozen=True, slots=True)
class Volatile:
    """``votes`` and ``own`` by group tag; ``dead`` and ``seen`` as in :class:`vedette.cluster.fallen.Fallen`.

    ``incarnation``: in case /var/lib is rolled back in this boot. ``silent_until`` outlives a restart: a state that was
    begun in silence does not end it.
    """

    boot_id: str
    incarnation: int
    highest: int
    silent_until: int = 0
    votes: dict[int, Vote] = field(default_factory=dict)
    own: dict[int, Owned] = field(default_factory=dict)
    dead: dict[int, int] = field(default_factory=dict)
    seen: dict[int, int] = field(default_factory=dict)


def dump_durable(state: Durable) -> bytes:
    return _seal(
        {
            "name": state.name,
            "incarnation": state.incarnation,
            "boot": state.boot_id,
            "config": state.config,
            "charter": _plain(state.charter),
            "voters": list(state.voters),
            "cluster": state.cluster,
            "firm": state.firm,
            "settled": state.settled,
            "met": state.met,
            "solo": state.solo,
            "promised": list(state.promised),
            "accepted": [list(state.accepted[0]), _plain(state.accepted[1])] if state.accepted else None,
            "wishes": [_wish_row(wish) for wish in state.wishes],
            "written": state.written,
        }
    )


def load_durable(data: bytes) -> Durable | None:
    """Read a durable state; ``None`` when it is damaged or not of this format."""
    try:
        body = _open(data)
        return Durable(
            name=str(body["name"]),
            incarnation=int(body["incarnation"]),
            boot_id=str(body["boot"]),
            config=str(body["config"]),
            wishes=tuple(map(_wish, body["wishes"])),
            written=int(body.get("written", 0)),
            charter=_charter(body.get("charter")),
            voters=tuple(map(str, body.get("voters", ()))),
            cluster=str(body.get("cluster", "")),
            firm=bool(body.get("firm")),
            settled=bool(body.get("settled", True)),
            met=bool(body.get("met", True)),
            solo=bool(body.get("solo")),
            promised=Ballot(*map(int, body.get("promised", NOTHING))),
            accepted=_accepted(body.get("accepted")),
        )
    except (KeyError, TypeError, ValueError):
        return None


def _wish_row(wish: Wish) -> list[int | str]:
    numbers = [int(wish.kind), wish.about, wish.version, wish.origin, wish.value, int(wish.ended), wish.remaining]
    return [*numbers, wish.author, wish.reason]


def _wish(row: list[Any]) -> Wish:
    kind, about, version, origin, value, ended, remaining = map(int, (*row[:7], *[0] * (7 - len(row[:7]))))
    author, reason = map(str, row[7:9]) if len(row) >= 9 else ("", "")
    return Wish(About(kind), about, version, origin, value, bool(ended), remaining, author, reason)


def dump_volatile(state: Volatile) -> bytes:
    votes = [
        [group, vote.touched, *vote.promised, *([*vote.record.ballot, vote.record.deadline] if vote.record else [])]
        for group, vote in sorted(state.votes.items())
    ]
    own = [[group, *owned.ballot, min(owned.end, FOREVER)] for group, owned in sorted(state.own.items())]
    return _seal(
        {
            "boot": state.boot_id,
            "incarnation": state.incarnation,
            "highest": state.highest,
            "silent": state.silent_until,
            "votes": votes,
            "own": own,
            "dead": sorted(state.dead.items()),
            "seen": sorted(state.seen.items()),
        }
    )


def load_volatile(data: bytes) -> Volatile | None:
    """Read a boot's state; ``None`` when it is damaged or not of this format."""
    try:
        body = _open(data)
        return Volatile(
            boot_id=str(body["boot"]),
            incarnation=int(body["incarnation"]),
            highest=int(body["highest"]),
            silent_until=int(body["silent"]),
            votes={int(row[0]): _vote([int(value) for value in row]) for row in body["votes"]},
            own={int(row[0]): Owned(Ballot(*map(int, row[1:4])), int(row[4])) for row in body["own"]},
            dead={int(node): int(incarnation) for node, incarnation in body["dead"]},
            seen={int(node): int(incarnation) for node, incarnation in body["seen"]},
        )
    except (KeyError, TypeError, ValueError, IndexError):
        return None


def _plain(charter: Charter | None) -> list[Any] | None:
    if charter is None:
        return None
    head = [charter.epoch, charter.parent.hex(), charter.interval, charter.dead_after, charter.before]
    rule = [charter.rule.policy.value, charter.rule.assume_watchdog]
    return [*head, list(charter.voters), list(charter.elders), *rule]


def _charter(row: list[Any] | None) -> Charter | None:
    if row is None:
        return None
    epoch, parent, interval, dead_after, before, voters, elders, *rule = row
    return Charter(
        epoch=int(epoch),
        parent=bytes.fromhex(parent),
        voters=tuple(map(int, voters)),
        interval=int(interval),
        dead_after=int(dead_after),
        elders=tuple(map(int, elders)),
        before=int(before),
        rule=Rule(SplitBrainPolicy(rule[0]), bool(rule[1])) if rule else MAJORITY,
    )


def _accepted(row: list[Any] | None) -> tuple[Ballot, Charter] | None:
    charter = _charter(row[1]) if row is not None else None
    return (Ballot(*map(int, row[0])), charter) if row is not None and charter is not None else None


def _vote(row: list[int]) -> Vote:
    record = Record(Ballot(*row[5:8]), row[8]) if len(row) > 5 else None
    return Vote(promised=Ballot(*row[2:5]), record=record, touched=row[1])


def _seal(body: dict[str, Any]) -> bytes:
    text = _PLAIN.encode({"format": _FORMAT} | body).encode()
    return hashlib.sha256(text).hexdigest()[:16].encode() + b"\n" + text + b"\n"


def _open(data: bytes) -> dict[str, Any]:
    head, _, text = data.partition(b"\n")
    text = text.removesuffix(b"\n")
    if hashlib.sha256(text).hexdigest()[:16].encode() != head:
        return {}
    body = json.loads(text)
    return body if isinstance(body, dict) and body.get("format") == _FORMAT else {}
