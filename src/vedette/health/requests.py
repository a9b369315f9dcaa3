"""What an HTTP check sends, and when it is content with what comes back."""

import hashlib
import re
import secrets
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Protocol
from urllib.parse import quote

from vedette.health import authentication
from vedette.health.authentication import Challenge
from vedette.health.body import Matcher, TooCostlyError
from vedette.health.judge import Outcome
from vedette.health.response import Hash
from vedette.kit import net
from vedette.spec.resolved import Authentication, Credentials, HttpProbe, HttpRequest
from vedette.state.health import Target

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+\Z")
"""A method or header name (RFC 9110 section 5.6.2)."""
_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*\Z")
_SENDING = frozenset({"POST", "PUT", "PATCH"})
"""Methods that say how much they send, if that is nothing too (RFC 9110 section 8.6)."""

_FAILED, _PASSED = Outcome.FAILED, Outcome.PASSED

Headers = tuple[tuple[str, str], ...]


class Answer(Protocol):
    """A response that arrives bit by bit, whatever the version of HTTP."""

    @property
    def status(self) -> int:
        """0 until it is known."""

    @property
    def done(self) -> bool:
        """Whether as much has arrived as there will be, or as is of interest."""

    @property
    def problem(self) -> str:
        """What is wrong with it, or empty."""

    @property
    def body(self) -> bytearray:
        """The beginning of the body."""

    def values(self, name: str) -> list[str]:
        """The values of a header field."""

    def unsent(self) -> bytes:
        """What is to be sent because of what has arrived."""

    def feed(self, data: bytes) -> None:
        """Take what has arrived."""

    def close(self) -> None:
        """The server has closed the connection."""


@dataclass(frozen=True, slots=True)
class Request:
    """One request of a check, whatever the server, and what is expected of the answer."""

    method: str
    target: str
    body: bytes
    statuses: tuple[tuple[int, int], ...]
    accepted: frozenset[int]
    """All statuses of these ranges."""
    bodiless: bool
    present: Matcher | None
    absent: Matcher | None
    digest: tuple[str, str] | None
    """Name of a hash, and what it should come to."""

    def hashing(self) -> Hash | None:
        """A new hash for the answer's body, if one is wanted."""
        return None if self.digest is None else hashlib.new(self.digest[0], usedforsecurity=False)

    def judge(self, answer: Answer, hashing: Hash | None = None) -> tuple[Outcome, str] | None:
        """The result as far as the answer has arrived; None while it is open."""
        status = answer.status
        if status and status not in self.accepted:
            return _FAILED, f"status {status}, expected {_show(self.statuses)}"
        if not answer.done:
            return None
        problem = answer.problem or (not self.bodiless and self._fault(answer, hashing))
        return (_FAILED, problem) if problem else (_PASSED, f"status {status}")

    def _fault(self, answer: Answer, hashing: Hash | None) -> str:
        """What is wrong with the body, or empty."""
        try:
            if self.present is not None and not self.present.found_in(bytes(answer.body)):
                return "body does not match"
            if self.absent is not None and self.absent.found_in(bytes(answer.body)):
                return "body has what must be absent"
        except TooCostlyError:
            return "the pattern for the body takes too long: simplify it"
        if self.digest is not None and hashing is not None and hashing.hexdigest() != self.digest[1]:
            return f"the body's {self.digest[0]} is another"
        return ""


@lru_cache(maxsize=256)
def requests(probe: HttpProbe) -> tuple[Request, ...]:
    """What ``probe`` asks and expects, the same for all its servers; raises ``ValueError`` on what cannot be sent."""
    return tuple(_request(item) for item in probe.requests)


def _request(item: HttpRequest) -> Request:
    if not _TOKEN.match(item.method):
        raise ValueError(f"{item.method!r} is not an HTTP method")
    name, _, wanted = (item.digest or "").partition(":")
    reads = item.body is not None or item.body_absent is not None or item.digest is not None
    path = item.path if item.path.startswith("/") else f"/{item.path}"
    return Request(
        method=item.method,
        target=quote(path, safe="/%?[]@!$&'()*+,;=:~"),  # what is percent-encoded already stays so
        body=item.send.encode(),
        statuses=item.statuses,
        accepted=frozenset(code for low, high in item.statuses for code in range(low, high + 1)),
        bodiless=not reads or item.method == "HEAD",
        present=None if item.body is None else Matcher(item.body),
        absent=None if item.body_absent is None else Matcher(item.body_absent),
        digest=(name, wanted) if item.digest else None,
    )


def headers(target: Target, probe: HttpProbe) -> Headers:
    """What stands over every request to ``target``, the host first; raises ``ValueError`` on what cannot be sent."""
    port = 80 if probe.tls is None else 443
    host = probe.host or (str(target.address) if target.port == port else net.endpoint(target.address, target.port))
    if target.address.version == 6 and host == str(target.address):
        host = f"[{host}]"
    found = {"host": ("Host", host), "user-agent": ("User-Agent", "vedette"), "accept": ("Accept", "*/*")}
    found |= {name.lower(): (name, value) for name, value in probe.headers}
    for name, value in found.values():
        if not _TOKEN.match(name) or not _VALUE.match(value):
            raise ValueError(f"{name!r} is not an HTTP header that can be sent")
    return tuple(field for name, field in found.items() if name not in ("connection", "content-length"))


def fields(request: Request, over_all: Headers, authorization: str | None) -> Headers:
    """All headers of one request, the host first."""
    found = list(over_all)
    if request.body or request.method in _SENDING:
        found.append(("Content-Length", str(len(request.body))))
    if authorization is not None:
        found.append(("Authorization", authorization))
    return tuple(found)


def write(request: Request, found: Headers, version: str) -> bytes:
    """The bytes of a request in HTTP/1 (RFC 9112)."""
    lines = [f"{request.method} {request.target} HTTP/{version}"]
    lines += [f"{name}: {value}" for name, value in found]
    return "\r\n".join([*lines, "Connection: close", "", ""]).encode("latin-1") + request.body


@dataclass(slots=True)
class Identity:
    """Who a check is to its server. A digest's challenge is kept for later checks, which then need one request less."""

    credentials: Credentials | None
    _challenge: Challenge | None = None
    _count: int = 0
    _basic: str = field(init=False, repr=False, default="")

    def __post_init__(self) -> None:
        if self.credentials is not None and self.credentials.authentication is Authentication.BASIC:
            self._basic = authentication.basic(self.credentials)

    def authorization(self, request: Request) -> str | None:
        """The value of ``Authorization``; None where nothing is known to be wanted."""
        if self.credentials is None or self._basic:
            return self._basic or None
        if self._challenge is None:
            return None
        self._count += 1
        return authentication.digest(
            self._challenge,
            self.credentials,
            method=request.method,
            uri=request.target,
            count=self._count,
            client_nonce=secrets.token_hex(8),
        )

    def challenged(self, answer: Answer) -> bool:
        """Take the challenges of an answer; whether another try with the answer to them makes sense."""
        if self.credentials is None or self._basic:
            return False
        self._challenge, self._count = authentication.challenge(answer.values("www-authenticate")), 0
        return self._challenge is not None


NOBODY = Identity(None)
"""Who a check is that does not authenticate."""


def _show(statuses: tuple[tuple[int, int], ...]) -> str:
    return ", ".join(str(low) if low == high else f"{low}-{high}" for low, high in statuses)
