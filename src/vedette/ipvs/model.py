"""The kernel's load balancer table as plain values (linux/ip_vs.h).

A :data:`Table` maps the identity of a virtual service to the service, which maps the identity of a destination to
the destination. Identity is what the kernel looks entries up by; everything else can be set in place. Persistence
time-outs are whole seconds, as the kernel keeps them.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum, IntEnum, IntFlag
from functools import lru_cache

from vedette.kit.net import IPAddress, endpoint
from vedette.spec.resolved import Protocol


@dataclass(frozen=True, slots=True)
class AddressKey:
    """A virtual service that is found by protocol, address and port (0 = every port)."""

    protocol: Protocol
    address: IPAddress
    port: int

    @property
    def version(self) -> int:
        return self.address.version

    def __str__(self) -> str:
        return f"{self.protocol.value} {endpoint(self.address, self.port)}"


@dataclass(frozen=True, slots=True)
class MarkKey:
    """A virtual service that is found by the packet's firewall mark; IPv4 and IPv6 have marks of their own."""

    version: int
    mark: int

    def __str__(self) -> str:
        return f"IPv{self.version} mark {self.mark}"


ServiceKey = AddressKey | MarkKey


@dataclass(frozen=True, slots=True)
class DestinationKey:
    """A real server within one virtual service. Behind a tunnel it may be of the other address family."""

    address: IPAddress
    port: int

    def __str__(self) -> str:
        return endpoint(self.address, self.port)


@dataclass(frozen=True, slots=True)
class DestinationId:
    """A destination within the whole table."""

    service: ServiceKey
    destination: DestinationKey

    def __str__(self) -> str:
        return f"{self.service} -> {self.destination}"


class Flags(IntFlag):
    """How a service schedules (IP_VS_SVC_F_*). The kernel's own marks, persistent and hashed, are not among them.

    ``FALLBACK`` and ``PORT`` are what the sh and mh schedulers call flag 1 and 2: take the next server when the
    chosen one has weight 0, and hash the client's port as well as its address.
    """

    NONE = 0
    ONE_PACKET = 0x04
    FALLBACK = 0x08
    PORT = 0x10
    THIRD = 0x20


class Method(IntEnum):
    """How a packet reaches a destination (IP_VS_CONN_F_FWD_MASK)."""

    MASQUERADE = 0
    LOCAL = 1
    TUNNEL = 2
    DIRECT_ROUTING = 3
    BYPASS = 4


class Encapsulation(Enum):
    """What a tunnel is made of (IP_VS_CONN_F_TUNNEL_TYPE_*). ``OTHER`` is what only a newer kernel knows; read only."""

    OTHER = -1
    IPIP = 0
    GUE = 1
    GRE = 2

    @classmethod
    def _missing_(cls, value: object) -> "Encapsulation":
        return cls.OTHER


class Checksum(IntFlag):
    """Checksums of a GUE or GRE tunnel (IP_VS_TUNNEL_ENCAP_FLAG_*)."""

    NONE = 0
    FULL = 1
    REMOTE = 2


@dataclass(frozen=True, slots=True)
class Tunnel:
    """``port`` is the UDP port of GUE; 0 for the others, which have none."""

    encapsulation: Encapsulation = Encapsulation.IPIP
    port: int = 0
    checksum: Checksum = Checksum.NONE


@dataclass(frozen=True, slots=True)
class Destination:
    """A real server as the kernel keeps it. Thresholds of connections: 0 = none; ``upper`` stops, ``lower`` resumes.

    The tunnel of a destination that is not tunnelled is the default one: the kernel keeps it, and never looks.
    """

    weight: int
    method: Method = Method.MASQUERADE
    upper: int = 0
    lower: int = 0
    tunnel: Tunnel = Tunnel()


@lru_cache(maxsize=4096)
def shared_destination(weight: int, method: Method, upper: int, lower: int, tunnel: Tunnel) -> Destination:
    """One object for equal values: ten thousand servers have a handful of them, in three tables."""
    return Destination(weight, method, upper, lower, tunnel)


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything of a service that is not its destinations.

    ``persistence`` in seconds, 0 = none; ``granularity`` is the prefix length by which clients are told apart
    (None = by whole address); ``engine`` names a persistence engine (``sip``) or is empty.
    """

    scheduler: str
    flags: Flags = Flags.NONE
    persistence: int = 0
    granularity: int | None = None
    engine: str = ""


@dataclass(frozen=True, slots=True)
class Service:
    """One virtual service with its destinations."""

    settings: Settings
    destinations: Mapping[DestinationKey, Destination] = field(default_factory=dict)


Table = Mapping[ServiceKey, Service]


@dataclass(frozen=True, slots=True)
class Connections:
    """How many a destination has: established, otherwise known (closing, UDP), and persistence templates."""

    active: int = 0
    inactive: int = 0
    persistent: int = 0


@dataclass(frozen=True, slots=True)
class Counters:
    """What has passed since the entry was made (IPVS_STATS_ATTR_*, 64 bit)."""

    connections: int = 0
    packets_in: int = 0
    packets_out: int = 0
    bytes_in: int = 0
    bytes_out: int = 0


@dataclass(frozen=True, slots=True)
class DestinationUsage:
    connections: Connections = Connections()
    counters: Counters = Counters()


@dataclass(frozen=True, slots=True)
class Usage:
    """The moving numbers of one service; they are no part of the table, and never compared."""

    counters: Counters = Counters()
    destinations: Mapping[DestinationKey, DestinationUsage] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Observation:
    """What one look at the kernel found, with the moving numbers."""

    table: dict[ServiceKey, Service]
    usage: dict[ServiceKey, Usage]


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Idle time-outs of connections in whole seconds, for the whole machine; None when setting = leave it."""

    tcp: int | None = None
    tcp_fin: int | None = None
    udp: int | None = None


@dataclass(frozen=True, slots=True)
class Tuning:
    """What holds for the whole machine: idle time-outs, and the sysctls of net.ipv4.vs by name.

    ``admit_answers``: to checks through a service, from virtual addresses.
    """

    timeouts: Timeouts = Timeouts()
    sysctls: Mapping[str, int] = field(default_factory=dict)
    admit_answers: bool = False
