"""The datagram: what is written is read again, and no bytes whatever raise or change anything."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some
from tests.cluster.bench import KEY, LINK, OTHER_KEY, Bench, config

from vedette.cluster import wire
from vedette.cluster.ballot import Ballot
from vedette.cluster.charter import Charter
from vedette.cluster.events import Datagram, Reason
from vedette.cluster.messages import (
    About,
    Accept,
    Accepted,
    Echo,
    Flag,
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
from vedette.kit.units import HOUR, MICROSECOND, MILLISECOND, MINUTE, SECOND

CLUSTER = bytes(range(8))
SECRETS = {wire.fingerprint(KEY.secret): KEY.secret}

u32 = some.integers(0, 2**32 - 1)
u64 = some.integers(0, 2**64 - 1)
rounds = some.integers(0, wire.HIGHEST_ROUND)
ballots = some.builds(Ballot, rounds, u32, u32)
waits = some.integers(0, 2**32 - 1).map(lambda value: value * MICROSECOND)
tags = some.sets(u32, min_size=3, max_size=wire.MOST_VOTERS).map(lambda found: tuple(sorted(found)))
charters = some.builds(
    lambda interval, factor, **others: Charter(interval=interval, dead_after=interval * factor, **others),
    interval=some.integers(20 * MILLISECOND, SECOND),
    factor=some.integers(4, 100),
    epoch=u32,
    parent=some.binary(min_size=8, max_size=8),
    voters=tags,
    elders=some.just(()) | tags,
    before=some.integers(0, MINUTE),
)
items: some.SearchStrategy[Item] = some.one_of(
    some.builds(Motion, some.sampled_from(Stage), ballots, some.none() | ballots, some.none() | charters, u32),
    some.builds(Teach, charters, some.booleans(), ballots, u32),
    some.builds(Prepare, u32, ballots, some.none() | ballots),
    some.builds(Promise, u32, ballots, some.none() | ballots),
    some.builds(Accept, u32, ballots, some.none() | ballots),
    some.builds(Accepted, u32, ballots),
    some.builds(Nack, u32, ballots, waits, ballots),
    some.builds(Release, u32, ballots, u32),
)
echoes = some.builds(Echo, u32, u64, u64, some.just(0), some.just(0)) | some.builds(
    lambda node, session, sequence, behind, groups: Echo(node, session, sequence, sequence - behind, groups),
    u32,
    u64,
    some.integers(2**16, 2**64 - 1),
    some.integers(0, 2**16 - 1),
    u64,
)
texts = some.text(max_size=20).map(wire.clip)
millis = u32.map(lambda count: count * MILLISECOND)
wishes = some.builds(Wish, some.sampled_from(About), u32, u32, u32, u32, some.booleans(), millis, texts, texts)
tables = some.builds(Wishes, some.lists(wishes, max_size=8).map(tuple))
messages = some.builds(
    Message,
    config=some.binary(min_size=8, max_size=8),
    keys=some.lists(some.binary(min_size=4, max_size=4), max_size=wire.MOST_KEYS).map(tuple),
    sender=some.just(77),
    session=u64,
    incarnation=u32,
    sequence=u64,
    flags=some.frozensets(some.sampled_from(Flag)),
    to=u32,
    score=some.integers(-(2**15), 2**15 - 1),
    wishes=u32,
    revision=u32,
    digest=some.binary(min_size=8, max_size=8),
    watchdog=u32.map(lambda value: value * MILLISECOND),
    echoes=some.lists(echoes, max_size=4).map(tuple),
    own=some.lists(some.tuples(u32, some.builds(Ballot, rounds, u32, some.just(77))), max_size=8).map(tuple),
    holds=some.lists(u32, max_size=8).map(tuple),
    items=some.lists(items, max_size=8).map(tuple),
    table=some.none() | tables,
    ethernet=some.lists(some.binary(min_size=6, max_size=6), max_size=wire.MOST_INTERFACES).map(tuple),
)


def encode(message: Message) -> bytes:
    return wire.encode(message, cluster=CLUSTER, secret=KEY.secret)


def decode(data: bytes) -> Message | Reason:
    return wire.decode(data, cluster=CLUSTER, secrets=SECRETS)


@settings(max_examples=150, deadline=None)
@given(messages)
def test_what_is_written_is_read_again(message: Message) -> None:
    assert decode(encode(message)) == message


@settings(max_examples=150, deadline=None)
@given(messages)
def test_the_size_is_never_underestimated(message: Message) -> None:
    assert len(encode(message)) <= wire.size(message) + sum(map(wire.item_size, message.items))


@settings(max_examples=300, deadline=None)
@given(some.binary(max_size=wire.LARGEST + 10))
def test_random_bytes_are_refused_with_a_reason(data: bytes) -> None:
    assert isinstance(decode(data), Reason)


@settings(max_examples=200, deadline=None)
@given(messages, some.data())
def test_a_flipped_bit_anywhere_is_refused(message: Message, data: some.DataObject) -> None:
    good = bytearray(encode(message))
    good[data.draw(some.integers(0, len(good) - 1))] ^= 1 << data.draw(some.integers(0, 7))
    assert isinstance(decode(bytes(good)), Reason)


@settings(max_examples=300, deadline=None)
@given(messages, some.data())
def test_an_authentic_body_of_another_mind_is_malformed_or_read_but_never_raises(
    message: Message, data: some.DataObject
) -> None:
    """A later release, or a bug, may sign anything."""
    import hashlib
    import hmac

    body = bytearray(encode(message)[:-16])
    kind = data.draw(some.sampled_from(["cut", "change", "append"]))
    if kind == "cut":
        del body[data.draw(some.integers(23, len(body))) :]
    elif kind == "change" and len(body) > 24:
        body[data.draw(some.integers(23, len(body) - 1))] = data.draw(some.integers(0, 255))
    else:
        body += data.draw(some.binary(min_size=1, max_size=40))
    signed = bytes(body) + hmac.digest(KEY.secret, bytes(body), hashlib.sha256)[:16]
    assert isinstance(decode(signed[: wire.LARGEST]), Message | Reason)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda data: data[:2] + b"\x09" + data[3:], Reason.MALFORMED),
        (lambda data: data[:3] + bytes(8) + data[11:], Reason.WRONG_CLUSTER),
        (lambda data: data[:19] + bytes(4) + data[23:], Reason.UNKNOWN_KEY),
        (lambda data: data[:-1] + bytes([data[-1] ^ 1]), Reason.BAD_MAC),
        (lambda data: data[:30], Reason.MALFORMED),
        (lambda data: data + bytes(wire.LARGEST), Reason.TOO_LARGE),
    ],
)
def test_each_refusal_has_its_reason(change: object, reason: Reason) -> None:
    message = Message(bytes(8), (), 1, 2, 3, 4, frozenset({Flag.STATE}))
    assert callable(change)
    assert decode(change(encode(message))) is reason


def test_a_heartbeat_of_16_nodes_and_32_groups_is_one_datagram() -> None:
    message = Message(
        config=bytes(8),
        keys=(b"abcd", b"efgh"),
        sender=1,
        session=2**63,
        incarnation=3,
        sequence=2**40,
        flags=frozenset({Flag.STATE, Flag.PERIODIC}),
        echoes=tuple(Echo(node, 2**60 + node, 2**40, 2**40 - 7, 2**32 - 1) for node in range(15)),
        own=tuple((group, Ballot(1000, 3, 1)) for group in range(32)),
        holds=tuple(range(32)),
    )
    assert len(encode(message)) <= 1100


def test_a_secret_is_not_in_what_is_sent() -> None:
    data = encode(Message(bytes(8), (), 1, 2, 3, 4, frozenset({Flag.STATE})))
    assert KEY.secret not in data
    assert wire.fingerprint(KEY.secret) not in KEY.secret


@settings(max_examples=40, deadline=None)
@given(some.lists(some.binary(max_size=200) | messages.map(encode), max_size=6))
def test_hostile_datagrams_change_no_state(datagrams: list[bytes]) -> None:
    """Forged, foreign and mangled bytes neither raise nor reach a file, the kernel or a peer."""
    bench = Bench(config())
    bench.start()
    bench.run(4 * SECOND)
    seat = bench.seats["a"]
    before = seat.durable, seat.volatile, dict(seat.kernel)
    for data in datagrams:
        ready = bench.handle("a", Datagram(LINK, data))
        assert not ready.send
        assert not ready.release
    assert (seat.durable, seat.volatile, dict(seat.kernel)) == before
    assert sum(bench.machine("a").refused.values()) == len(datagrams)


def test_a_datagram_signed_with_another_key_is_counted_and_told_once_a_minute() -> None:
    bench = Bench(config())
    bench.start("a")
    message = Message(bench.config.id, (), 1, 2, 3, 4, frozenset({Flag.STATE}))
    forged = wire.encode(message, cluster=bench.config.cluster_id, secret=OTHER_KEY.secret)
    told = [event for _ in range(50) for event in bench.handle("a", Datagram(LINK, forged)).events]
    assert bench.machine("a").refused == {"unknownKey": 50}
    assert [event.reason for event in told] == [Reason.UNKNOWN_KEY]


@pytest.mark.parametrize(
    "changes",
    [
        {"voters": ()},
        {"voters": (1, 2), "epoch": 0},
        {"voters": (1, 1, 2)},
        {"voters": (3, 2, 1)},
        {"interval": 0},
        {"dead_after": 3 * SECOND},
        {"dead_after": 1001 * HOUR},
        {"before": 1001 * HOUR},
        {"elders": (2, 1)},
    ],
    ids=str,
)
def test_a_charter_that_no_core_could_run_is_malformed(changes: dict[str, Any]) -> None:
    charter = Charter(1, bytes(8), (1, 2, 3), SECOND, 4 * SECOND, (1, 2, 3, 4), SECOND)
    for made, expected in ((charter, True), (replace(charter, **changes), False)):
        message = Message(bytes(8), (), 1, 1, 1, 1, frozenset({Flag.STATE}), items=(Teach(made, firm=True),))
        data = wire.encode(message, cluster=CLUSTER, secret=KEY.secret)
        assert (wire.decode(data, cluster=CLUSTER, secrets=SECRETS) == message) is expected
