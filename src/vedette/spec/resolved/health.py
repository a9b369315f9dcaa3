"""Checks of real servers, and of the nodes themselves."""

from dataclasses import dataclass
from enum import Enum

from vedette.kit.net import IPAddress
from vedette.spec.probes import SlowProbe
from vedette.spec.secret import Secret
from vedette.spec.tls import Tls


@dataclass(frozen=True, slots=True)
class TcpProbe:
    """The connection must be accepted."""


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """One request. ``statuses`` are inclusive ranges; ``body`` and ``body_absent`` are regular expressions or None.

    ``digest``: of the whole body, ``md5:…`` or ``sha256:…``.
    """

    path: str = "/"
    method: str = "GET"
    send: str = ""
    statuses: tuple[tuple[int, int], ...] = ((200, 299),)
    body: str | None = None
    body_absent: str | None = None
    digest: str | None = None


class Authentication(Enum):
    """How user and password are sent (RFC 7617, RFC 7616)."""

    BASIC = "basic"
    DIGEST = "digest"


@dataclass(frozen=True, slots=True)
class Credentials:
    username: str
    password: Secret
    authentication: Authentication = Authentication.BASIC


@dataclass(frozen=True, slots=True)
class HttpProbe(HttpRequest):
    """Requests, each over a new connection: this one, then ``further``. ``tls`` None = in the clear."""

    host: str | None = None
    headers: tuple[tuple[str, str], ...] = ()
    version: str = "1.1"
    credentials: Credentials | None = None
    further: tuple[HttpRequest, ...] = ()
    tls: Tls | None = None

    @property
    def requests(self) -> tuple[HttpRequest, ...]:
        """All requests, in order."""
        return (self, *self.further)


@dataclass(frozen=True, slots=True)
class UdpProbe:
    """A datagram. ``expect``: a regular expression; None: any answer will do, and none at all too."""

    send: bytes = b""
    expect: str | None = None


@dataclass(frozen=True, slots=True)
class PingProbe:
    """An ICMP echo must be answered."""


Probe = TcpProbe | HttpProbe | UdpProbe | PingProbe | SlowProbe


class Via(Enum):
    """Where a check goes: to the real server's address, or to the virtual one as clients' packets do."""

    DIRECT = "direct"
    SERVICE = "service"


@dataclass(frozen=True, slots=True)
class HealthCheck:
    """``address`` and ``port`` override the real server's own; None = the real server's.

    ``source``: addresses to check from, the first that this machine has; none = the kernel's choice. ``mark`` 0 =
    none. ``jitter`` (ns) None = a share of the interval. ``via`` the service, ``port`` is one of the service's, and
    there is neither address nor mark.
    """

    probe: Probe
    interval: int
    timeout: int
    rise: int
    fall: int
    address: IPAddress | None = None
    port: int | None = None
    source: tuple[IPAddress, ...] = ()
    mark: int = 0
    jitter: int | None = None
    via: Via = Via.DIRECT
