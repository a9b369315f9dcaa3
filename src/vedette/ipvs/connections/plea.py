"""Asking a director to send its connections, as bytes: who asks, and how many were sent. Pure.

All numbers big-endian; ``mac`` is HMAC-SHA256 by the cluster key whose id the question names::

    question    4 magic · 4 key id · 16 nonce
    challenge   4 magic · 16 nonce
    proof       32 mac of all before and the cluster's name
    answer      4 magic · 4 connections · 4 datagrams · 4 milliseconds · 32 mac of all before and the cluster's name

The asked one's nonce makes a proof good once: whoever repeats what was heard causes no dump. The connections are not
in the answer. They go to the multicast group before it, as the kernel's own do.
"""

import hashlib
import hmac
import struct
from collections.abc import Iterable
from dataclasses import dataclass

from vedette.spec.resolved import Key

_ASK, _CHALLENGE, _SENT = b"VDc1", b"VDc2", b"VDc3"
_QUESTION, _NONCE, _ANSWER = struct.Struct(">4s4s16s"), struct.Struct(">4s16s"), struct.Struct(">4sIII")
_MAC = 32
NONCE = 16
QUESTION_SIZE, CHALLENGE_SIZE, PROOF_SIZE, ANSWER_SIZE = _QUESTION.size, _NONCE.size, _MAC, _ANSWER.size + _MAC


@dataclass(frozen=True, slots=True)
class Sent:
    """What was sent: connections, datagrams, and how long (ms) that took."""

    connections: int
    datagrams: int
    took: int


@dataclass(frozen=True, slots=True)
class Talk:
    """One conversation, as both sides know it: the key it is under and what has been said so far."""

    key: Key
    cluster: str
    said: bytes

    def then(self, data: bytes) -> "Talk":
        return Talk(self.key, self.cluster, self.said + data)

    def mac(self, label: bytes) -> bytes:
        """Each part with its length before it, so that none can lend bytes to the next."""
        parts = (b"vedette connections", label, self.cluster.encode(), self.said)
        framed = b"".join(len(part).to_bytes(8) + part for part in parts)
        return hmac.digest(self.key.secret, framed, hashlib.sha256)


def question(key: Key, nonce: bytes) -> bytes:
    return _QUESTION.pack(_ASK, bytes.fromhex(key.id), nonce)


def asked(data: bytes, *, cluster: str, keys: Iterable[Key]) -> Talk | None:
    """Begin the conversation of a question; None when it is none, or under no key of ours."""
    magic, key_id, _ = _QUESTION.unpack(data)
    key = next((key for key in keys if key.id == key_id.hex()), None)
    return Talk(key, cluster, data) if magic == _ASK and key is not None else None


def challenge(nonce: bytes) -> bytes:
    return _NONCE.pack(_CHALLENGE, nonce)


def challenged(data: bytes) -> bool:
    return data[: len(_CHALLENGE)] == _CHALLENGE


def proof(talk: Talk) -> bytes:
    """By whoever asks, once it has been challenged."""
    return talk.mac(b"proof")


def proven(talk: Talk, data: bytes) -> bool:
    return hmac.compare_digest(talk.mac(b"proof"), data)


def answer(talk: Talk, sent: Sent) -> bytes:
    head = _ANSWER.pack(_SENT, sent.connections, sent.datagrams, sent.took)
    return head + talk.then(head).mac(b"answer")


def answered(talk: Talk, data: bytes) -> Sent | None:
    """Read an answer; None when it is not to this question."""
    head, mac = data[: _ANSWER.size], data[_ANSWER.size :]
    magic, connections, datagrams, took = _ANSWER.unpack(head)
    if magic != _SENT or not hmac.compare_digest(talk.then(head).mac(b"answer"), mac):
        return None
    return Sent(connections, datagrams, took)
