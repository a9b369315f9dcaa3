"""One request and its response in HTTP/2 (RFC 9113); framing and header compression are the library's.

Nothing is sent before the server has to: with prior knowledge in the clear, or once ALPN has chosen ``h2``.
"""

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import (
    ConnectionTerminated,
    DataReceived,
    Event,
    ResponseReceived,
    StreamEnded,
    StreamReset,
    TrailersReceived,
)
from h2.exceptions import ProtocolError

from vedette.health.requests import Headers, Request
from vedette.health.response import EMPTY, INCOMPLETE, Body, Hash

NOT_HTTP2 = "not an HTTP/2 answer"
_STREAM = 1
_FRAME_HEAD, _LONGEST_FRAME, _SETTINGS = 9, 16384, 4
"""Sections 4.1, 4.2 (what holds where we ask for nothing else) and 6.5."""
_DROPPED = frozenset({"host", "connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade"})
"""Headers of HTTP/1 that have no place here (section 8.2.2); the host is a pseudo-header."""
_TE = ("te", "trailers")
"""The only one of that name that has (section 8.2.2)."""


class _Frames:
    """Looks at the frames' lengths as they arrive: the library waits for up to 16 MiB before it does (section 4.1)."""

    __slots__ = ("_first", "_head", "_left")

    def __init__(self) -> None:
        self._head, self._left, self._first = b"", 0, True

    def fit(self, data: bytes) -> bool:
        """Whether what arrives can be HTTP/2: SETTINGS first (section 3.4), and no frame longer than we allow."""
        at = 0
        while at < len(data):
            if self._left:
                passed = min(self._left, len(data) - at)
                self._left -= passed
                at += passed
                continue
            part = data[at : at + _FRAME_HEAD - len(self._head)]
            self._head += part
            at += len(part)
            if len(self._head) == _FRAME_HEAD:
                self._left = int.from_bytes(self._head[:3])
                if self._left > _LONGEST_FRAME or (self._first and self._head[3] != _SETTINGS):
                    return False
                self._head, self._first = b"", False
        return True


class Exchange:
    """Give it what arrives, send what :meth:`unsent` returns, until :attr:`done`."""

    def __init__(self, request: Request, scheme: str, fields: Headers, hashing: Hash | None = None) -> None:
        """``fields``: the headers, that of the host first."""
        self._bodiless, self._body = request.bodiless, Body(hashing)
        self._fields: list[tuple[bytes, bytes]] = []
        self._connection = H2Connection(H2Configuration(client_side=True, header_encoding=None))
        self._connection.initiate_connection()
        self._connection.send_headers(_STREAM, _lines(request, scheme, fields), end_stream=not request.body)
        self._frames = _Frames()
        self._pending = request.body
        self._send_body()
        self.status = 0
        self.problem = ""
        self.done = False

    @property
    def body(self) -> bytearray:
        """The beginning of the body, as far as it has arrived."""
        return self._body.start

    def values(self, name: str) -> list[str]:
        """The values of a header or trailer field."""
        wanted = name.lower().encode()
        return [value.decode("latin-1") for found, value in self._fields if found == wanted]

    def unsent(self) -> bytes:
        """What is to be sent next, each byte once."""
        return self._connection.data_to_send()

    def feed(self, data: bytes) -> None:
        """Take some bytes."""
        if self.done:
            return
        if not self._frames.fit(data):
            self._fail(NOT_HTTP2)
            return
        try:
            for event in self._connection.receive_data(data):
                self._take(event)
                if self.done:
                    return
            self._send_body()
        except (ProtocolError, ValueError, LookupError):  # the library lets some of the latter through
            self._fail(NOT_HTTP2 if not self.status else "malformed HTTP/2 answer")

    def close(self) -> None:
        """The server has closed the connection."""
        if not self.done:
            self._fail(INCOMPLETE if self.status else EMPTY)

    def _fail(self, problem: str) -> None:
        self.problem, self.done = problem, True

    def _take(self, event: Event) -> None:
        match event:
            case ResponseReceived(headers=headers):
                self._fields = [(bytes(name), bytes(value)) for name, value in headers or ()]
                self.status = int(dict(self._fields)[b":status"])
                self.done = self._bodiless
            case TrailersReceived(headers=headers):
                self._fields += [(bytes(name), bytes(value)) for name, value in headers or ()]
            case DataReceived(data=data, flow_controlled_length=length):
                taken = bytes(data or b"")
                self._body.take(taken[: self._body.room])
                self.problem, self.done = self._body.problem, self._body.room <= 0
                self._connection.acknowledge_received_data(length or 0, _STREAM)
            case StreamEnded():
                self.done = True
            case StreamReset(error_code=code):
                self._fail(f"the server refuses the request (HTTP/2 error {int(code or 0)})")
            case ConnectionTerminated(error_code=code):
                self._fail(f"the server ends the connection (HTTP/2 error {int(code or 0)})")
            case _:
                pass

    def _send_body(self) -> None:
        """Send as much of the request's body as the server's window takes."""
        while self._pending:
            room = min(self._connection.local_flow_control_window(_STREAM), self._connection.max_outbound_frame_size)
            if room <= 0:
                return
            part, self._pending = self._pending[:room], self._pending[room:]
            self._connection.send_data(_STREAM, part, end_stream=not self._pending)


def _lines(request: Request, scheme: str, fields: Headers) -> list[tuple[bytes, bytes]]:
    host = fields[0][1]
    lines = [(":method", request.method), (":scheme", scheme), (":authority", host), (":path", request.target)]
    headers = [(name.lower(), value) for name, value in fields]
    lines += [field for field in headers if field[0] not in _DROPPED and (field[0] != "te" or field == _TE)]
    return [(name.encode("latin-1"), value.encode("latin-1")) for name, value in lines]
