"""Asking for a dump: only who has a key causes one, and nobody can repeat what was said."""

import asyncio
from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as some

from vedette.ipvs.connections import exchange, plea
from vedette.ipvs.connections.plea import Sent, Talk
from vedette.spec.resolved import Key, key_id

HERE = ip_address("127.0.0.1")
SECRET = b"a secret of the cluster"
KEY = Key(key_id(SECRET), SECRET)
STRANGER = Key(key_id(b"another"), b"another")
SENT = Sent(120, 4, 7)


def talk(key: Key = KEY, *, challenge: bytes = b"c" * 16, cluster: str = "web") -> Talk:
    return Talk(key, cluster, plea.question(key, b"q" * 16) + plea.challenge(challenge))


def test_a_question_names_its_key_and_begins_the_conversation() -> None:
    question = plea.question(KEY, b"q" * 16)
    begun = plea.asked(question, cluster="web", keys=(STRANGER, KEY))
    assert begun == Talk(KEY, "web", question)
    assert plea.asked(question, cluster="web", keys=(STRANGER,)) is None
    assert plea.asked(b"GET " + question[4:], cluster="web", keys=(KEY,)) is None


def test_a_proof_holds_for_one_challenge_one_cluster_and_one_key() -> None:
    proof = plea.proof(talk())
    assert plea.proven(talk(), proof)
    assert not plea.proven(talk(challenge=b"d" * 16), proof)
    assert not plea.proven(talk(cluster="other"), proof)
    assert not plea.proven(Talk(STRANGER, "web", talk().said), proof)


def test_an_answer_holds_for_one_conversation() -> None:
    answer = plea.answer(talk(), SENT)
    assert plea.answered(talk(), answer) == SENT
    assert plea.answered(talk(challenge=b"d" * 16), answer) is None
    assert plea.answered(talk(), bytes((answer[0] ^ 1,)) + answer[1:]) is None
    assert plea.answered(talk(), answer[:4] + b"\xff" + answer[5:]) is None


@given(some.binary(min_size=plea.QUESTION_SIZE, max_size=plea.QUESTION_SIZE), some.booleans())
def test_whatever_is_asked_a_conversation_begins_under_a_key_of_ours_or_not_at_all(data: bytes, known: bool) -> None:
    asked = plea.question(KEY, data[8:]) if known else data
    begun = plea.asked(asked, cluster="web", keys=(KEY,))
    assert begun == (Talk(KEY, "web", asked) if known else None)


@given(some.binary(min_size=plea.ANSWER_SIZE, max_size=plea.ANSWER_SIZE), some.binary(max_size=64))
def test_no_bytes_whatever_are_an_answer_or_a_proof(answer: bytes, proof: bytes) -> None:
    assert plea.answered(talk(), answer) is None
    assert not plea.proven(talk(), proof)
    assert plea.challenged(answer) == answer.startswith(b"VDc2")


@given(some.integers(0, plea.ANSWER_SIZE * 8 - 1))
def test_an_answer_with_a_flipped_bit_is_none(bit: int) -> None:
    data = bytearray(plea.answer(talk(), SENT))
    data[bit // 8] ^= 1 << bit % 8
    assert plea.answered(talk(), bytes(data)) is None


def test_a_proof_is_no_answer() -> None:
    """What one side says cannot be turned against it."""
    assert plea.proof(talk()) != plea.answer(talk(), SENT)[-32:]


@pytest.mark.parametrize("key", [KEY, STRANGER])
def test_a_director_sends_only_to_who_has_a_key(key: Key) -> None:
    async def converse() -> tuple[Sent | None, list[str]]:
        asked: list[str] = []

        async def dump(to: str) -> Sent:
            asked.append(to)
            return SENT

        server = exchange.Server(lambda: ("web", (KEY,)), dump)
        assert await server.listen((HERE,), 0) == {}
        try:
            port = server.ports[0]
            return await exchange.ask(HERE, port, cluster="web", key=key, patience=5), asked
        finally:
            server.close()

    sent, asked = asyncio.run(converse())
    assert (sent, asked) == ((SENT, ["127.0.0.1"]) if key == KEY else (None, []))


def test_who_is_not_there_does_not_answer() -> None:
    async def nobody() -> Sent | None:
        server = await asyncio.start_server(lambda _, __: None, str(HERE), 0)
        port = server.sockets[0].getsockname()[1]
        server.close()
        await server.wait_closed()
        return await exchange.ask(HERE, port, cluster="web", key=KEY, patience=5)

    assert asyncio.run(nobody()) is None
