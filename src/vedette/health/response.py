"""Enough of HTTP/1.1 responses (RFC 9112) to judge a status and the beginning of a body.

Everything here comes from a server that may be broken or hostile: every line, count and body is bounded, lengths
are read by strict patterns (no signs, no underscores, no endless digits), and no input raises.
"""

import re
from typing import Protocol

HEAD = 16 << 10
"""Bytes of all heads together, interim responses included."""
BODY = 64 << 10
"""Bytes of a body that are looked at."""
DIGESTED = 16 << 20
"""Bytes of a body that is hashed."""
_CHUNK_LINE = 1 << 10

_FIRST_LINE = re.compile(rb"HTTP/1\.[0-9] ([2-9][0-9][0-9])(?: [^\r\n]*)?\r\n")
_FRAMING = re.compile(rb"\n(content-length|transfer-encoding):[ \t]*([^\n]*)", re.IGNORECASE)
_HEAD_END = re.compile(rb"\r?\n\r?\n")
_STATUS_LINE = re.compile(rb"HTTP/1\.[0-9] ([1-9][0-9][0-9])(?: [^\r\n]*)?\Z")
_LENGTH = re.compile(rb"[0-9]{1,18}\Z")
_CHUNK_SIZE = re.compile(rb"([0-9A-Fa-f]{1,15})[ \t]*(?:;[^\r\n]*)?\r?\Z")
_CR = 0x0D
_BODILESS = frozenset({101, 204, 304})

NOT_HTTP = "not an HTTP answer"
MALFORMED = "malformed HTTP answer"
INCOMPLETE = "incomplete answer"
EMPTY = "connection closed without an answer"
TOO_LONG = "the body is too long for a digest"


class Hash(Protocol):
    """A hash of :mod:`hashlib`."""

    def update(self, data: bytes | bytearray, /) -> None: ...

    def hexdigest(self) -> str: ...


class Body:
    """The beginning of a body, and a hash of all of it where one is wanted. ``room``: bytes still of interest."""

    __slots__ = ("_hash", "room", "start")

    def __init__(self, hashing: Hash | None = None) -> None:
        self._hash = hashing
        self.start = bytearray()
        self.room = BODY if hashing is None else DIGESTED + 1

    def take(self, data: bytes | bytearray) -> None:
        """Take at most ``room`` bytes."""
        self.room -= len(data)
        if self._hash is None:
            self.start += data
        else:
            self.start += data[: BODY - len(self.start)]
            self._hash.update(data)

    @property
    def problem(self) -> str:
        """Why the hash is not that of the whole body, or empty."""
        return TOO_LONG if self._hash is not None and self.room <= 0 else ""


class Response:
    """Feed it what arrives until :attr:`done`. ``status`` is 0 until known; ``problem`` is empty while all is well."""

    __slots__ = (
        "_bodiless",
        "_body",
        "_buffer",
        "_chunked",
        "_head",
        "_heads",
        "_in_body",
        "_left",
        "done",
        "problem",
        "status",
    )

    def __init__(self, *, bodiless: bool, hashing: Hash | None = None) -> None:
        """``bodiless``: the body is of no interest, or there is none because the request was a HEAD."""
        self._bodiless = bodiless
        self._body = Body(hashing)
        self._head = b""
        """The bytes that begin with the head of the response; what follows it may be behind it."""
        self._buffer = bytearray()
        self._heads = 0
        self._in_body = self._chunked = False
        self._left: int | None = None
        """Bytes still to come of the body or of this chunk (-1: its line end is next); None: up to the end."""
        self.status = 0
        self.problem = ""
        self.done = False

    @property
    def body(self) -> bytearray:
        """The beginning of the body, as far as it has arrived."""
        return self._body.start

    def unsent(self) -> bytes:
        """What is to be sent because of what has arrived: in this version of HTTP nothing."""
        return b""

    def values(self, name: str) -> list[str]:
        """The values of a header field, in their order."""
        end = _HEAD_END.search(self._head)
        lines = self._head[: end.start()].split(b"\n") if end else []
        wanted, parts = name.lower().encode(), (line.partition(b":") for line in lines)
        return [value.strip().decode("latin-1") for found, _, value in parts if found.lower() == wanted]

    def feed(self, data: bytes) -> None:
        """Take some bytes."""
        if not (self._heads or self._buffer) and self._take_simple(data):
            return
        searched = max(0, len(self._buffer) - 3)
        self._buffer += data
        while not (self._in_body or self.done):
            if not self._take_head(searched):
                return
            searched = 0
        if self.done:
            return
        if self._chunked:
            self._take_chunks()
        else:
            self._take_plain()

    def _take_simple(self, data: bytes) -> bool:
        """Parse what nearly every server sends: a whole head in one piece, with one length. False: read with care.

        A third of the time of the careful way, with the same result (a property test).
        """
        end = data.find(b"\n\r\n", 0, HEAD) - 1
        first = _FIRST_LINE.match(data, 0, end + 2) if end >= 0 else None
        if first is None or data[end] != _CR or data.find(b"\n\n", 0, end) >= 0:
            return False
        code = int(first[1])
        if not (self._bodiless or code in _BODILESS):
            framing = _FRAMING.findall(data, first.end() - 1, end)
            if len(framing) != 1 or len(framing[0][0]) != len(b"content-length"):
                return False
            length = framing[0][1].strip()
            if not _LENGTH.match(length):
                return False
            self._in_body, self._left = True, int(length)
        self.status, self._heads, self._head = code, end + 4, data
        if self._in_body:
            self._buffer += data[end + 4 :]
            self._take_plain()
        else:
            self.done = True
        return True

    def close(self) -> None:
        """The server has closed the connection."""
        if self.done:
            return
        if self._in_body and self._left is None and not self._chunked:
            self.done = True
        else:
            self._fail(INCOMPLETE if self._buffer or self._heads else EMPTY)

    def _fail(self, problem: str) -> None:
        self.problem, self.done = problem, True

    def _take_head(self, searched: int) -> bool:
        """Parse one head off the buffer; False when it has not arrived whole."""
        buffer = self._buffer
        end = _HEAD_END.search(buffer, searched)
        size = end.end() if end else len(buffer)
        if not buffer.startswith(b"HTTP/1."[: len(buffer)]):
            self._fail(NOT_HTTP)
        elif self._heads + size > HEAD:
            self._fail("HTTP answer with an endless head")
        if end is None or self.done:
            return False
        head = bytes(buffer[: end.end()])
        lines = head[: end.start()].split(b"\n")
        del buffer[:size]
        self._heads += size
        status = _STATUS_LINE.match(lines[0].rstrip(b"\r"))
        if status is None:
            self._fail(NOT_HTTP)
            return False
        code = int(status[1])
        if 100 <= code < 200 and code != 101:
            return True  # an interim response: the real one follows (RFC 9110 section 15.2)
        self.status, self._head = code, head
        if self._bodiless or code in _BODILESS:
            self.done = True
        else:
            self._in_body = True
            self._take_framing(lines[1:])
        return True

    def _take_framing(self, lines: list[bytes]) -> None:
        """Find out how the body ends (RFC 9112 section 6.3)."""
        lengths = set()
        for line in lines:
            name, _, value = line.partition(b":")
            match name.lower():
                case b"content-length":
                    lengths.add(value.strip())
                case b"transfer-encoding":
                    self._chunked = value.strip().lower().endswith(b"chunked")
        if self._chunked:
            self._left = None
        elif lengths:
            length = lengths.pop()
            if lengths or not _LENGTH.match(length):
                self._fail(MALFORMED)
            else:
                self._left = int(length)

    def _take_plain(self) -> None:
        wanted = self._body.room
        if self._left is not None:
            wanted = min(wanted, self._left)
        taken = self._buffer[:wanted]
        self._buffer.clear()
        self._take_body(taken)
        if self._left is not None:
            self._left -= len(taken)
            self.done = self.done or self._left == 0

    def _take_body(self, data: bytearray) -> None:
        self._body.take(data)
        if self._body.room <= 0:
            self.done, self.problem = True, self._body.problem

    def _take_chunks(self) -> None:
        buffer, at = self._buffer, 0
        while not self.done:
            if self._left is None or self._left < 0:
                end = buffer.find(b"\n", at)
                if end < 0:
                    if len(buffer) - at > _CHUNK_LINE:
                        self._fail(MALFORMED)
                    break
                self._take_chunk_line(bytes(buffer[at:end]))
                at = end + 1
                continue
            taken = buffer[at : at + min(self._left, self._body.room)]
            if not taken:
                break
            at += len(taken)
            self._take_body(taken)
            self._left = self._left - len(taken) or -1
        del buffer[:at]

    def _take_chunk_line(self, line: bytes) -> None:
        """A line between chunks: the end of the last one (``_left`` is -1) or the size of the next (None)."""
        if self._left is not None:
            self._left = None
            if line.rstrip(b"\r"):
                self._fail(MALFORMED)
            return
        size = _CHUNK_SIZE.match(line)
        if size is None:
            self._fail(MALFORMED)
            return
        self._left = int(size[1], 16)
        self.done = self._left == 0
