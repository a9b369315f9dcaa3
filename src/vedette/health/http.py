"""The HTTP check: a request over a new connection, its status and, where asked for, its body."""

import re
import socket
from dataclasses import dataclass
from functools import partial
from urllib.parse import quote

from vedette.health import tcp
from vedette.health.attempt import Finished, Start
from vedette.health.body import Matcher, TooCostlyError
from vedette.health.judge import Outcome
from vedette.health.poller import Poller
from vedette.health.response import Response
from vedette.kit import net
from vedette.spec.resolved import HttpProbe
from vedette.state.health import Target

_RECEIVE = 16 << 10
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+\Z")
"""A method or header name (RFC 9110 section 5.6.2)."""
_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*\Z")


@dataclass(frozen=True, slots=True)
class Exchange:
    """What to send and what to expect. ``statuses`` are inclusive ranges."""

    request: bytes
    statuses: tuple[tuple[int, int], ...]
    bodiless: bool
    matcher: Matcher | None

    def judge(self, response: Response) -> tuple[Outcome, str] | None:
        """The result as far as the response has arrived; None while it is open."""
        if response.status and not any(low <= response.status <= high for low, high in self.statuses):
            return Outcome.FAILED, f"status {response.status}, expected {_show(self.statuses)}"
        if not response.done:
            return None
        if response.problem:
            return Outcome.FAILED, response.problem
        if self.matcher is not None:
            try:
                if not self.matcher.found_in(bytes(response.body)):
                    return Outcome.FAILED, "body does not match"
            except TooCostlyError:
                return Outcome.FAILED, "the pattern for the body takes too long: simplify it"
        return Outcome.PASSED, f"status {response.status}"


def prepare(target: Target) -> Start:
    """Bind everything that stays the same from check to check; raises ``ValueError`` on what cannot be sent."""
    probe = target.check.probe
    assert isinstance(probe, HttpProbe)
    family, peer = tcp.address(target)
    return partial(HttpAttempt, expectation(target, probe), family, peer)


def expectation(target: Target, probe: HttpProbe) -> Exchange:
    """What ``probe`` sends to ``target`` and expects of it; raises ``ValueError``."""
    return Exchange(
        request=request(target, probe),
        statuses=probe.statuses,
        bodiless=probe.body is None or probe.method == "HEAD",
        matcher=None if probe.body is None else Matcher(probe.body),
    )


def request(target: Target, probe: HttpProbe) -> bytes:
    """The bytes of the request; raises ``ValueError`` when a part of it would not be one line of HTTP."""
    host = probe.host or (str(target.address) if target.port == 80 else net.endpoint(target.address, target.port))
    if target.address.version == 6 and host == str(target.address):
        host = f"[{host}]"
    headers = {"host": ("Host", host), "user-agent": ("User-Agent", "vedette"), "accept": ("Accept", "*/*")}
    headers |= {name.lower(): (name, value) for name, value in probe.headers}
    headers["connection"] = ("Connection", "close")
    if not _TOKEN.match(probe.method):
        raise ValueError(f"{probe.method!r} is not an HTTP method")
    # What is percent-encoded already stays so.
    target_form = quote(probe.path if probe.path.startswith("/") else f"/{probe.path}", safe="/%?[]@!$&'()*+,;=:~")
    lines = [f"{probe.method} {target_form} HTTP/1.1"]
    for name, value in headers.values():
        if not _TOKEN.match(name) or not _VALUE.match(value):
            raise ValueError(f"{name!r} is not an HTTP header that can be sent")
        lines.append(f"{name}: {value}")
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


class HttpAttempt(tcp.TcpAttempt):
    """One request and its response."""

    __slots__ = ("_exchange", "_response", "_unsent")

    def __init__(
        self,
        exchange: Exchange,
        family: int,
        peer: tuple[str, int],
        poller: Poller,
        finished: Finished,
    ) -> None:
        super().__init__(family, peer, poller, finished)
        self._exchange = exchange
        self._unsent = exchange.request
        self._response: Response | None = None

    def connected(self, connection: socket.SocketType) -> None:
        self._response = Response(bodiless=self._exchange.bodiless)
        self._send(connection)
        if self.done:
            return
        if self._unsent:
            self._poller.add_reader(self._descriptor, self._readable, connection)
            self._poller.add_writer(self._descriptor, self._writable, connection)
        else:
            self._poller.read_only(self._descriptor, self._readable, connection)

    def overdue(self, duration: str) -> str:
        if self._response is None:
            return f"no answer in {duration}"
        return f"connected, but no whole answer in {duration}"

    def _writable(self, connection: socket.SocketType) -> None:
        self._send(connection)
        if not self.done and not self._unsent:
            self._poller.remove_writer(self._descriptor)

    def _send(self, connection: socket.SocketType) -> None:
        try:
            self._unsent = self._unsent[connection.send(self._unsent) :]
        except BlockingIOError:
            return
        except OSError as error:
            self.fail(error.errno or 0)

    def _readable(self, connection: socket.SocketType) -> None:
        response = self._response
        assert response is not None
        try:
            data = connection.recv(_RECEIVE)
        except BlockingIOError:
            return
        except OSError as error:
            self.fail(error.errno or 0)
            return
        if data:
            response.feed(data)
        else:
            response.close()
        result = self._exchange.judge(response)
        if result is not None:
            self.finish(*result)


def _show(statuses: tuple[tuple[int, int], ...]) -> str:
    return ", ".join(str(low) if low == high else f"{low}-{high}" for low, high in statuses)
