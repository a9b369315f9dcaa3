"""A document on its way between two nodes, as bytes: who asks, what is handed over, and who vouches for it.

All numbers big-endian; ``mac`` is HMAC-SHA256 by the cluster key whose id stands before it::

    request   4 magic · 4 key id · 16 nonce · 8 digest wanted · 32 mac of all before and the cluster's name
    answer    4 magic · 4 key id · 4 revision · 4 length · 32 mac of all before, the name, the nonce and the body · body

The body is compressed. Inside it stand the document's text and the files that belong to it
(:mod:`vedette.spec.carried_files`)::

    4 length · text · 2 files · for each: 2 length · name · 4 length · content

The nonce makes an answer good for one request only; nothing of an answer
is looked at, and nothing decompressed, before its mac is right.
"""

import hashlib
import hmac
import struct
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from vedette.spec.carried_names import MOST, is_carried
from vedette.spec.resolved import Key

_ASK, _GIVE = b"VDq1", b"VDa2"
_REQUEST, _ANSWER = struct.Struct(">4s4s16s8s"), struct.Struct(">4s4sII")
_MAC = 32
NONCE, DIGEST = 16, 8
REQUEST_SIZE = _REQUEST.size + _MAC
HEADER_SIZE = _ANSWER.size + _MAC
LARGEST = 49 << 20
"""Bytes of a document (32 MiB, :mod:`vedette.sources.file`) with its files (16 MiB) and their names; compressed, it is
never larger here."""
_LENGTH, _SHORT = struct.Struct(">I"), struct.Struct(">H")


@dataclass(frozen=True, slots=True)
class Contents:
    """A document's text, and the files that belong to it, by their names in it."""

    text: bytes
    files: Mapping[str, bytes] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Request:
    """Somebody who has ``key`` wants the document whose digest begins so."""

    key: Key
    nonce: bytes
    digest: bytes


@dataclass(frozen=True, slots=True)
class Header:
    """What stands before the body; not to be believed before :func:`unpack` has."""

    raw: bytes
    revision: int
    length: int


def ask(request: Request, *, cluster: str) -> bytes:
    head = _REQUEST.pack(_ASK, bytes.fromhex(request.key.id), request.nonce, request.digest)
    return head + _mac(request.key, head, cluster.encode())


def asked(data: bytes, *, cluster: str, keys: Iterable[Key]) -> Request | None:
    """Read a request; ``None`` when nobody who has one of ``keys`` has made it."""
    if len(data) != REQUEST_SIZE:
        return None
    head, mac = data[: _REQUEST.size], data[_REQUEST.size :]
    magic, key_id, nonce, digest = _REQUEST.unpack(head)
    key = next((key for key in keys if key.id == key_id.hex()), None)
    if magic != _ASK or key is None or not hmac.compare_digest(_mac(key, head, cluster.encode()), mac):
        return None
    return Request(key, nonce, digest)


def compress(contents: Contents) -> bytes:
    """The body of an answer, the same for all who ask."""
    return zlib.compress(frame(contents))


def pack(request: Request, body: bytes, *, revision: int, cluster: str) -> bytes:
    """Answer a request with the document, :func:`compressed <compress>`."""
    head = _ANSWER.pack(_GIVE, bytes.fromhex(request.key.id), revision, len(body))
    return head + _mac(request.key, head, cluster.encode(), request.nonce, body) + body


def header(data: bytes) -> Header | None:
    """Read how much follows; ``None`` when it is no answer, or one that is too large."""
    magic, _, revision, length = _ANSWER.unpack_from(data)
    return Header(data, revision, length) if magic == _GIVE and length <= LARGEST else None


def unpack(head: Header, body: bytes, *, request: Request, cluster: str) -> Contents | None:
    """The document; ``None`` when the answer is not to this request, not whole, or larger than a document may be."""
    fields, mac = head.raw[: _ANSWER.size], head.raw[_ANSWER.size :]
    if not hmac.compare_digest(_mac(request.key, fields, cluster.encode(), request.nonce, body), mac):
        return None
    inflate = zlib.decompressobj()
    try:
        whole = inflate.decompress(body, LARGEST + 1)
    except zlib.error:
        return None
    ended = inflate.eof and not inflate.unused_data
    return unframe(whole) if ended and len(whole) <= LARGEST else None


def frame(contents: Contents) -> bytes:
    """A document with its files in one piece."""
    parts = [_LENGTH.pack(len(contents.text)), contents.text, _SHORT.pack(len(contents.files))]
    for name, data in contents.files.items():
        encoded = name.encode()
        parts += [_SHORT.pack(len(encoded)), encoded, _LENGTH.pack(len(data)), data]
    return b"".join(parts)


def unframe(whole: bytes) -> Contents | None:
    """Take it apart again; ``None`` where it is none, or a file in it has a name that is never carried."""
    view, at = memoryview(whole), 0

    def take(size: int) -> bytes:
        nonlocal at
        if len(view) - at < size:
            raise ValueError
        at += size
        return bytes(view[at - size : at])

    try:
        text = take(_LENGTH.unpack(take(_LENGTH.size))[0])
        files: dict[str, bytes] = {}
        for _ in range(_SHORT.unpack(take(_SHORT.size))[0]):
            name = take(_SHORT.unpack(take(_SHORT.size))[0]).decode()
            if name in files or not is_carried(name):
                return None
            files[name] = take(_LENGTH.unpack(take(_LENGTH.size))[0])
    except ValueError:  # UnicodeDecodeError is one
        return None
    return Contents(text, files) if at == len(whole) and len(files) <= MOST else None


def _mac(key: Key, *parts: bytes) -> bytes:
    """Each part with its length before it, so that none can lend bytes to the next."""
    framed = b"".join(len(part).to_bytes(8) + part for part in (b"vedette document", *parts))
    return hmac.digest(key.secret, framed, hashlib.sha256)
