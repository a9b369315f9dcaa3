"""The HTTP check: requests, each over a new connection, in the clear or over TLS."""

import socket
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from vedette.health import aim as aims
from vedette.health import certificate, tcp, tls
from vedette.health.aim import Aim, BlockedError
from vedette.health.attempt import Finished, Start
from vedette.health.judge import Outcome
from vedette.health.poller import Poller
from vedette.health.requests import NOBODY, Answer, Headers, Identity, Request, fields, headers, requests, write
from vedette.health.response import Hash, Response
from vedette.spec.resolved import HttpProbe, Tls
from vedette.state.health import Target

_RECEIVE = 16 << 10
_UNAUTHORIZED = 401


@dataclass(slots=True)
class Plan:
    """What stays the same from check to check of one target, and what one learns for the next."""

    aim: Aim
    requests: tuple[Request, ...]
    headers: Headers
    version: str
    identity: Identity
    tls: Tls | None
    name: str
    """What the server's certificate must be for."""
    exchange: Callable[[Request, str, Headers, Hash | None], Answer] | None = None
    """What speaks HTTP/2; None: HTTP/1 is spoken."""
    plain: bytes | None = None
    """The only request's bytes, where they are the same every time."""
    _certificate: bytes = b""
    _not_after: int | None = None

    def notice(self, shown: bytes) -> str:
        """What to say of the end of a certificate; it is parsed when it is another than the last time."""
        if self.tls is None:
            return ""
        if shown != self._certificate:
            self._certificate, self._not_after = shown, certificate.not_after(shown)
        return "" if self._not_after is None else tls.expiry_notice(self._not_after, self.tls.expiry_warning)


def prepare(target: Target) -> Start:
    """Bind everything that stays the same from check to check; raises ``ValueError`` on what cannot be sent."""
    probe = target.check.probe
    assert isinstance(probe, HttpProbe)
    wanted, over_all = requests(probe), headers(target, probe)
    plan = Plan(
        aim=aims.at(target),
        requests=wanted,
        headers=over_all,
        version=probe.version,
        identity=NOBODY if probe.credentials is None else Identity(probe.credentials),
        tls=probe.tls,
        name=(probe.tls and probe.tls.server_name) or str(target.address),
    )
    if probe.version == "2":
        from vedette.health import http2  # its library is large, and few documents need it

        plan.exchange = http2.Exchange
    elif plan.identity is NOBODY and len(wanted) == 1:
        plan.plain = write(wanted[0], fields(wanted[0], over_all, None), probe.version)
        plan.headers = ()
    return partial(HttpAttempt, plan)


class HttpAttempt(tcp.TcpAttempt):
    """The requests of one check, in their order, until one is not answered as expected."""

    __slots__ = ("_answer", "_hashing", "_notice", "_plan", "_step", "_tls", "_tried", "_unsent", "_writing")

    def __init__(self, plan: Plan, poller: Poller, finished: Finished) -> None:
        super().__init__(plan.aim, poller, finished)
        self._plan = plan
        self._step = 0
        self._tried = False
        """Whether this request is the second try, in answer to a challenge."""
        self._unsent = b""
        self._answer: Answer | None = None
        self._hashing: Hash | None = None
        self._tls: tls.Connection | None = None
        self._notice = ""
        self._writing = True
        """Whether the socket is watched for room to write, not for what there is to read."""

    def connected(self, connection: socket.SocketType) -> None:
        plan = self._plan
        if plan.tls is None:
            self._ask()
        else:
            try:
                self._tls = tls.Connection(
                    tls.context(plan.tls, "h2" if plan.version == "2" else "http/1.1"), plan.name
                )
            except (BlockedError, tls.TlsError) as error:
                outcome = Outcome.BLOCKED if isinstance(error, BlockedError) else Outcome.FAILED
                self.finish(outcome, str(error))
                return
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._unsent = self._tls.unsent()
        self._writing = True
        self._send(connection)

    def overdue(self, duration: str) -> str:
        if self._socket is None or (self._answer is None and self._tls is None):
            return f"no answer in {duration}"
        if self._answer is None:
            return f"connected, but no TLS handshake in {duration}"
        return f"connected, but no whole answer in {duration}"

    def _ask(self) -> None:
        """Write the request of this step; what is to be sent is in ``_unsent`` then, or in the TLS connection."""
        plan, request = self._plan, self._plan.requests[self._step]
        if request.digest is not None:
            self._hashing = request.hashing()
        if plan.plain is not None:
            self._answer = Response(bodiless=request.bodiless, hashing=self._hashing)
            if self._tls is None:
                self._unsent = plan.plain
            else:
                self._say(plan.plain)
            return
        found = fields(request, plan.headers, plan.identity.authorization(request))
        if plan.exchange is None:
            self._answer = Response(bodiless=request.bodiless, hashing=self._hashing)
            self._say(write(request, found, plan.version))
        else:
            self._answer = plan.exchange(request, "http" if plan.tls is None else "https", found, self._hashing)
            self._say(self._answer.unsent())

    def _say(self, data: bytes) -> None:
        if self._tls is None:
            self._unsent += data
        else:
            self._tls.send(data)
            self._unsent += self._tls.unsent()

    def _writable(self) -> None:
        assert self._socket is not None
        self._send(self._socket)

    def _send(self, connection: socket.SocketType) -> None:
        """Send as much as the kernel takes; while it takes no more, nothing is read."""
        if self._unsent:
            try:
                self._unsent = self._unsent[connection.send(self._unsent) :]
            except BlockingIOError:
                pass
            except OSError as error:
                self.fail(error.errno or 0)
                return
        if self._unsent:
            if not self._writing:
                self._poller.remove_reader(self._descriptor)
            self._poller.add_writer(self._descriptor, self._writable)
            self._writing = True
        elif self._writing:
            self._poller.read_only(self._descriptor, self._readable)
            self._writing = False

    def _readable(self) -> None:
        connection = self._socket
        assert connection is not None
        try:
            data = connection.recv(_RECEIVE)
        except BlockingIOError:
            return
        except OSError as error:
            self.fail(error.errno or 0)
            return
        if self._tls is None:
            self._take(data, over=not data)
        else:
            try:
                self._decrypt(self._tls, data)
            except tls.TlsError as error:
                self.finish(Outcome.FAILED, str(error))
        if not self.done and self._socket is connection:
            self._send(connection)

    def _decrypt(self, connection: tls.Connection, data: bytes) -> None:
        """Take what has arrived over TLS; raises :class:`tls.TlsError`."""
        plain, over = connection.receive(data)
        if self._answer is None and connection.established:
            self._notice = self._plan.notice(connection.certificate or b"")
            if self._plan.version == "2" and connection.protocol != "h2":
                self.finish(Outcome.FAILED, "the server does not speak HTTP/2", self._notice)
                return
            self._ask()
        self._unsent += connection.unsent()
        if self._answer is not None:
            self._take(plain, over=over)

    def _take(self, plain: bytes, *, over: bool) -> None:
        """Take what has arrived of the answer, and judge it."""
        answer = self._answer
        assert answer is not None
        if plain:
            answer.feed(plain)
        if over:
            answer.close()
        plan = self._plan
        if plan.exchange is not None:
            self._say(answer.unsent())
        if answer.status == _UNAUTHORIZED and not self._tried and plan.identity.challenged(answer):
            self._tried = True
            self._go_on()
            return
        result = plan.requests[self._step].judge(answer, self._hashing)
        if result is None:
            return
        outcome, reason = result
        if self._step + 1 < len(plan.requests) and outcome is Outcome.PASSED:
            self._step, self._tried = self._step + 1, False
            self._go_on()
        else:
            self.finish(outcome, self._told(reason), self._notice)

    def _told(self, reason: str) -> str:
        """A reason; of several requests, with the path of the one that it is about."""
        several = len(self._plan.requests) > 1
        return f"{self._plan.requests[self._step].target}: {reason}" if several else reason

    def _go_on(self) -> None:
        """The next request, over a new connection; the time that is left goes on too."""
        self.close()
        self._answer, self._tls, self._unsent = None, None, b""
        self.begin()
