"""Virtual services and their real servers."""

from dataclasses import dataclass
from enum import Enum

from vedette.kit.net import IPAddress
from vedette.kit.units import SECOND
from vedette.spec.resolved.health import HealthCheck


class Protocol(Enum):
    TCP = "tcp"
    UDP = "udp"
    SCTP = "sctp"


class Forwarding(Enum):
    """How IPVS passes a packet to a real server (ip_vs.h, IP_VS_CONN_F_*)."""

    MASQUERADE = "masquerade"
    DIRECT_ROUTING = "directRouting"
    TUNNEL = "tunnel"


class Encapsulation(Enum):
    """What a tunnel is made of: IP in IP (RFC 2003, RFC 2473), generic UDP encapsulation, or GRE (RFC 2784)."""

    IPIP = "ipip"
    GUE = "gue"
    GRE = "gre"


class TunnelChecksum(Enum):
    """``FULL``: over the whole packet. ``REMOTE``: the other end completes the inner one (GUE only)."""

    NONE = "none"
    FULL = "full"
    REMOTE = "remote"


@dataclass(frozen=True, slots=True)
class Tunnel:
    """``port`` is the UDP port of GUE; 0 for the others, which have none."""

    encapsulation: Encapsulation = Encapsulation.IPIP
    port: int = 0
    checksum: TunnelChecksum = TunnelChecksum.NONE


class OnFailure(Enum):
    """What a failed check does to a destination: delete it, or set its weight to 0 and keep its connections."""

    REMOVE = "remove"
    QUIESCE = "quiesce"


@dataclass(frozen=True, slots=True)
class RealServer:
    """``port`` None = the virtual port. ``max_connections`` and ``min_connections`` 0 = none, and the kernel's own."""

    address: IPAddress
    port: int | None = None
    weight: int = 1
    maintenance: bool = False
    description: str = ""
    max_connections: int = 0
    min_connections: int = 0
    origin: str = ""
    """The name in the document whose address this is; empty for one that is written as an address."""
    path: int = 0
    """The firewall mark of checks through the service; 0 until they are numbered (:mod:`vedette.state.paths`)."""


class NameKind(Enum):
    """What is looked up: A and AAAA records, or SRV records (RFC 2782) and the addresses of their hosts."""

    HOST = "hostname"
    SRV = "srv"


@dataclass(frozen=True, slots=True)
class ServerName:
    """A name instead of real servers. ``port`` and ``weight`` None: the virtual port and 1, or what SRV records say."""

    by: NameKind
    name: str
    port: int | None = None
    weight: int | None = None
    maintenance: bool = False
    description: str = ""
    max_connections: int = 0
    min_connections: int = 0


@dataclass(frozen=True, slots=True)
class SorryPage:
    status: int
    body: str
    headers: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class SorryServer:
    """Where clients go when no real server is up: exactly one of a remote server and a built-in page.

    ``checks`` are of the remote server; what they say is shown, and it is used all the same.
    """

    remote: RealServer | None = None
    page: SorryPage | None = None
    checks: tuple[HealthCheck, ...] = ()


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where clients connect: a port of an address, the ports up to ``last_port``, or every port (``port`` 0)."""

    address: IPAddress
    port: int
    protocol: Protocol
    last_port: int | None = None

    @property
    def single(self) -> bool:
        """Whether it is one port, and not a range or every port."""
        return self.port > 0 and self.last_port is None


@dataclass(frozen=True, slots=True)
class Mark:
    """The firewall mark by which IPVS finds a service's packets of one address family (``version``).

    ``ours``: Vedette sets it, on all packets to the service's endpoints; else rules of other people do.
    """

    version: int
    number: int
    ours: bool

    @property
    def port(self) -> int:
        """As of an endpoint that is every port."""
        return 0


Entry = Endpoint | Mark
"""What the IPVS service table knows a service by."""


@dataclass(frozen=True, slots=True)
class Damping:
    """A server that falls ``failures`` times close together stays out until its penalty, which halves in every
    ``half_life`` (ns), is low again; ``longest`` (ns) after its last fall at the latest.
    """

    failures: int
    half_life: int
    longest: int


@dataclass(frozen=True, slots=True)
class Quorum:
    """Sum of weights: lost below ``weight - hysteresis``, gained from ``weight + hysteresis`` on."""

    weight: int
    hysteresis: int = 0


@dataclass(frozen=True, slots=True)
class Life:
    """How the real servers of a virtual service come and go. Durations in ns.

    ``drain``: the longest wait for the connections of a server that a person takes out; ``slow_start``: how long the
    weight of one that comes back grows, 0 = not. ``quorum`` None: one server that is up is enough.
    """

    drain: int = 60 * SECOND
    slow_start: int = 0
    damping: Damping | None = None
    quorum: Quorum | None = None


@dataclass(frozen=True, slots=True)
class VirtualService:
    """A virtual service of the document and one address family: every endpoint gets every real server.

    ``persistence_timeout`` (ns) 0 = none; ``client_prefix_length`` None = clients are told apart by whole address.
    ``scheduler_flags`` are the document's words (``fallback``, ``port``). With a ``mark`` all endpoints are one entry
    of the kernel's table; a mark of other people's has no endpoints at all.
    ``names``: what else its real servers are, once they are looked up (:mod:`vedette.state.names`);
    ``unresolved``: for some of them that has never succeeded.
    ``checks_required`` 0 = all of them. ``checks_on_standby`` false: only the holder of the group checks.
    """

    name: str
    group: str
    endpoints: tuple[Endpoint, ...]
    real_servers: tuple[RealServer, ...]
    checks: tuple[HealthCheck, ...]
    scheduler: str = "wlc"
    scheduler_flags: tuple[str, ...] = ()
    forwarding: Forwarding = Forwarding.MASQUERADE
    persistence_timeout: int = 0
    on_failure: OnFailure = OnFailure.REMOVE
    checks_required: int = 0
    checks_on_standby: bool = True
    sorry: SorryServer | None = None
    maintenance: bool = False
    life: Life = Life()
    names: tuple[ServerName, ...] = ()
    unresolved: bool = False
    mark: Mark | None = None
    tunnel: Tunnel = Tunnel()
    client_prefix_length: int | None = None
    persistence_engine: str = ""
    one_packet: bool = False

    @property
    def entries(self) -> tuple[Entry, ...]:
        """What the kernel's table has for this service: one entry for the mark, or one for each endpoint."""
        return (self.mark,) if self.mark is not None else self.endpoints


@dataclass(frozen=True, slots=True)
class IpvsTimeouts:
    """Connection time-outs (ns); None leaves the kernel's own."""

    tcp: int | None = None
    tcp_fin: int | None = None
    udp: int | None = None


@dataclass(frozen=True, slots=True)
class ConnectionSync:
    """Where directors tell each other of their connections. ``interface`` is logical; ``group`` is multicast."""

    interface: str
    group: IPAddress
    port: int = 8848
    id: int = 1
