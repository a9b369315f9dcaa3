"""Documents between nodes: only who has a cluster key asks and answers, and an answer is good for one request."""

import asyncio
import socket
import struct
import zlib
from collections.abc import Awaitable, Callable
from dataclasses import replace
from ipaddress import ip_address
from typing import TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as some

from vedette.sources import exchange, parcel
from vedette.sources.exchange import Offer, Received, Server
from vedette.sources.parcel import Contents, Request
from vedette.spec.carried_names import is_carried
from vedette.spec.resolved import Key, key_id

T = TypeVar("T")

SECRETS = (b"first secret of sixteen bytes up", b"another secret, also long enough")
KEY, OTHER = (Key(key_id(secret), secret) for secret in SECRETS)
ASKED = Request(KEY, b"n" * parcel.NONCE, b"digest88")
TEXT = b"kind: HACluster\n" * 40
WHOLE = Contents(TEXT, {"lists/app.txt": b"10.0.0.11\n" * 9, "ca.pem": b""})
LOCAL = ip_address("127.0.0.1")


def answered(data: bytes, request: Request = ASKED, cluster: str = "web") -> Contents | None:
    head = parcel.header(data[: parcel.HEADER_SIZE])
    assert head is not None
    return parcel.unpack(head, data[parcel.HEADER_SIZE :], request=request, cluster=cluster)


def test_a_request_is_read_by_who_has_its_key_and_by_nobody_else() -> None:
    data = parcel.ask(ASKED, cluster="web")
    assert len(data) == parcel.REQUEST_SIZE
    assert parcel.asked(data, cluster="web", keys=[OTHER, KEY]) == ASKED
    assert parcel.asked(data, cluster="web", keys=[OTHER]) is None
    assert parcel.asked(data, cluster="shop", keys=[KEY]) is None


@given(some.integers(0, parcel.REQUEST_SIZE - 1), some.integers(0, 7))
def test_a_changed_request_is_nobodys(place: int, bit: int) -> None:
    data = bytearray(parcel.ask(ASKED, cluster="web"))
    data[place] ^= 1 << bit
    assert parcel.asked(bytes(data), cluster="web", keys=[KEY]) is None


@given(some.binary(max_size=200))
def test_no_bytes_whatever_are_a_request(data: bytes) -> None:
    assert parcel.asked(data, cluster="web", keys=[KEY]) is None


def test_an_answer_is_the_text_and_its_revision() -> None:
    data = parcel.pack(ASKED, parcel.compress(WHOLE), revision=7, cluster="web")
    head = parcel.header(data[: parcel.HEADER_SIZE])
    assert head is not None
    assert (head.revision, answered(data)) == (7, WHOLE)
    assert len(data) < len(TEXT)


def test_an_answer_to_another_request_does_not_count() -> None:
    data = parcel.pack(ASKED, parcel.compress(WHOLE), revision=7, cluster="web")
    assert answered(data, replace(ASKED, nonce=b"m" * parcel.NONCE)) is None
    assert answered(data, replace(ASKED, key=OTHER)) is None
    assert answered(data, cluster="shop") is None


@given(some.data())
def test_a_changed_answer_does_not_count(data: some.DataObject) -> None:
    whole = bytearray(parcel.pack(ASKED, parcel.compress(WHOLE), revision=7, cluster="web"))
    place = data.draw(some.integers(4, len(whole) - 1).filter(lambda at: not 4 <= at < 8))  # the key's id is not read
    whole[place] ^= 1
    head = parcel.header(bytes(whole[: parcel.HEADER_SIZE]))
    body = bytes(whole[parcel.HEADER_SIZE :])
    assert head is None or parcel.unpack(head, body, request=ASKED, cluster="web") is None


@given(some.binary(max_size=300), some.integers(0, 2**32 - 1), some.data())
def test_a_body_that_is_no_document_is_refused_also_from_who_has_the_key(
    text: bytes, revision: int, data: some.DataObject
) -> None:
    """Never compressed, cut short, or with something behind it."""
    whole = zlib.compress(parcel.frame(Contents(text, {})))
    body = data.draw(some.sampled_from([text, whole[: data.draw(some.integers(0, len(whole) - 1))], whole + b"more"]))
    head = struct.pack(">4s4sII", b"VDa2", bytes.fromhex(KEY.id), revision, len(body))
    signed = head + parcel._mac(KEY, head, b"web", ASKED.nonce, body)
    read = parcel.header(signed)
    assert read is not None
    assert (read.revision, read.length) == (revision, len(body))
    assert parcel.unpack(read, body, request=ASKED, cluster="web") is None


@given(some.binary(min_size=parcel.HEADER_SIZE, max_size=parcel.HEADER_SIZE))
def test_no_bytes_whatever_announce_more_than_a_document_may_be(data: bytes) -> None:
    head = parcel.header(data)
    assert head is None or head.length <= parcel.LARGEST


def test_what_would_be_larger_than_a_document_may_be_is_not_unpacked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parcel, "LARGEST", 1000)
    bomb = parcel.pack(ASKED, parcel.compress(Contents(bytes(100_000))), revision=7, cluster="web")
    assert len(zlib.compress(bytes(100_000))) < 1000
    assert answered(bomb) is None
    assert (
        parcel.header(parcel.pack(ASKED, parcel.compress(Contents(bytes(range(256)) * 30)), revision=7, cluster="web"))
        is not None
    )


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def fetched(offer: Offer | None, *, key: Key = KEY, digest: bytes = b"digest88") -> Received | None:
    """Ask a server that offers this."""

    async def scenario() -> Received | None:
        port, server = free_port(), Server(lambda: offer)
        await server.listen(LOCAL, port)
        try:
            return await exchange.fetch(LOCAL, name="web", key=key, digest=digest, port=port)
        finally:
            server.close()

    return asyncio.run(scenario())


OFFER = Offer("web", (KEY,), 7, b"digest88", WHOLE)


def test_who_runs_a_document_hands_it_over_to_who_has_the_key() -> None:
    assert fetched(OFFER) == Received(7, WHOLE)


def test_without_the_key_with_another_digest_or_without_an_offer_nothing_is_handed_over() -> None:
    assert fetched(OFFER, key=OTHER) is None
    assert fetched(OFFER, digest=b"another8") is None
    assert fetched(None) is None


def served(scenario: Callable[[int], Awaitable[T]]) -> T:
    """Run a scenario beside a server, whose port it gets."""

    async def whole() -> T:
        port, server = free_port(), Server(lambda: OFFER)
        await server.listen(LOCAL, port)
        try:
            return await scenario(port)
        finally:
            server.close()

    return asyncio.run(whole())


def test_a_request_is_answered_once_however_often_it_is_played_again() -> None:
    async def scenario(port: int) -> list[int]:
        sizes = []
        for _ in range(3):
            reader, writer = await asyncio.open_connection(str(LOCAL), port)
            writer.write(parcel.ask(ASKED, cluster="web"))
            sizes.append(len(await reader.read()))
            writer.close()
        return sizes

    assert [bool(size) for size in served(scenario)] == [True, False, False]


def test_who_says_nothing_takes_no_place_from_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exchange, "ASKING", 0.2)

    async def scenario(port: int) -> tuple[list[bytes], Received | None]:
        idle = [await asyncio.open_connection(str(LOCAL), port) for _ in range(exchange.MOST)]
        ends = [await reader.read() for reader, _ in idle]  # all are closed before they have said anything
        for _, writer in idle:
            writer.close()
        return ends, await exchange.fetch(LOCAL, name="web", key=KEY, digest=b"digest88", port=port)

    ends, received = served(scenario)
    assert ends == [b""] * exchange.MOST
    assert received == Received(7, WHOLE)


def test_a_node_that_is_not_there_is_no_error() -> None:
    assert asyncio.run(exchange.fetch(LOCAL, name="web", key=KEY, digest=b"digest88", port=free_port())) is None


names = some.text(min_size=1, max_size=30) | some.sampled_from(
    ["../x", "/etc/passwd", "a/../b", ".hidden", "a//b", "a/"]
)


@given(some.binary(max_size=200), some.dictionaries(names, some.binary(max_size=50), max_size=4))
def test_a_document_and_its_files_come_out_as_they_went_in_or_not_at_all(text: bytes, files: dict[str, bytes]) -> None:
    contents = Contents(text, files)
    found = parcel.unframe(parcel.frame(contents))
    assert found == (contents if all(map(is_carried, files)) else None)


@given(some.binary(max_size=300))
def test_no_bytes_whatever_break_the_reader(data: bytes) -> None:
    found = parcel.unframe(data)
    assert found is None or parcel.frame(found) == data


@given(some.data())
def test_no_document_is_found_in_a_part_of_one(data: some.DataObject) -> None:
    whole = parcel.frame(WHOLE)
    assert parcel.unframe(whole[: data.draw(some.integers(0, len(whole) - 1))]) is None
    assert parcel.unframe(whole + b"x") is None
