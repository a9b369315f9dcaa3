"""What the document means: every default filled in, every reference followed, every range expanded.

:mod:`vedette.spec.model` is the document as people write it; :func:`vedette.spec.resolve.resolve` turns it into
the :class:`ClusterSpec` below, and nothing downstream ever looks at the written form. Durations are nanoseconds.
"""

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from vedette.kit.net import IPAddress
from vedette.kit.units import SECOND
from vedette.spec.probes import SlowProbe
from vedette.spec.secret import Secret as Secret
from vedette.spec.tls import Tls as Tls


class Role(Enum):
    """What a node may do: hold groups and direct traffic, or only vote."""

    DIRECTOR = "director"
    WITNESS = "witness"


class SplitBrainPolicy(Enum):
    """What makes it safe to take a group from a silent node (cluster.md)."""

    MAJORITY = "majority"
    FENCE = "fence"
    TOLERATE = "tolerate"


class Failback(Enum):
    """Whether a group moves back to a better-ranked node that has returned."""

    AUTOMATIC = "automatic"
    MANUAL = "manual"


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
class Key:
    """A cluster key. ``id`` is derived from the secret, so it may be shown; the secret never is."""

    id: str
    secret: bytes = field(repr=False)


def key_id(secret: bytes) -> str:
    """Return the public name of a key: it is on the wire and in the status, and tells nothing of the secret."""
    return hmac.digest(secret, b"vedette key id", hashlib.sha256)[:4].hex()


UNSIGNED = Key(key_id(b"vedette: signed by nobody"), b"vedette: signed by nobody")
"""The key that everybody knows: among the keys of a cluster whose authentication is not enforced."""


@dataclass(frozen=True, slots=True)
class Link:
    """One path of heartbeats. ``addresses`` gives each node's own address on it (unicast destination and bind).

    A node without an address is not on a unicast link; on multicast and broadcast links every node is. A cluster of
    one node that writes no links has none.
    """

    name: str
    port: int
    addresses: Mapping[str, IPAddress]
    interface: str | None = None
    multicast: IPAddress | None = None
    broadcast: bool = False


@dataclass(frozen=True, slots=True)
class Heartbeat:
    interval: int
    warn_after: int
    dead_after: int
    startup_grace: int
    links: tuple[Link, ...]


@dataclass(frozen=True, slots=True)
class Node:
    """``interfaces`` maps the document's logical names to this node's kernel names."""

    name: str
    role: Role
    address: IPAddress | None
    interfaces: Mapping[str, str]
    standby: bool = False
    maintenance: bool = False
    fencing: "Fencing | None" = None
    votes: bool = True

    def kernel_interface(self, logical: str) -> str:
        return self.interfaces.get(logical, logical)


@dataclass(frozen=True, slots=True)
class VirtualAddress:
    """``prefix_length`` is the subnet as written; the kernel always gets /32 or /128 (facts-kernel.md 1.2).

    ``interface`` is logical; ``None`` means the interface whose subnet contains the address.
    """

    name: str
    address: IPAddress
    prefix_length: int
    interface: str | None = None


@dataclass(frozen=True, slots=True)
class Group:
    """What moves as one. ``nodes`` may hold it; ``preferred_nodes`` (best first, may be empty) ranks them."""

    name: str
    addresses: tuple[VirtualAddress, ...]
    nodes: tuple[str, ...]
    preferred_nodes: tuple[str, ...] = ()
    failback: Failback = Failback.AUTOMATIC
    failback_delay: int = 0
    maintenance: bool = False


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
    password: "Secret"
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


@dataclass(frozen=True, slots=True)
class FencingUse:
    """A device as one node uses it; ``plug`` is that node's outlet, None where the device has none."""

    device: str
    plug: str | None = None


@dataclass(frozen=True, slots=True)
class Fencing:
    """How a node is switched off: the levels in order, all devices of a level. ``delay`` (ns) 0 = none written."""

    delay: int
    levels: tuple[tuple[FencingUse, ...], ...]


@dataclass(frozen=True, slots=True)
class Redfish:
    """``ca_file`` None = the system's authorities. ``system`` None = the only one that the controller has."""

    url: str
    username: str
    password: Secret
    ca_file: str | None = None
    insecure: bool = False
    system: str | None = None


@dataclass(frozen=True, slots=True)
class Ipmi:
    """``cipher`` None = suite 17, then 3."""

    address: IPAddress
    username: str
    password: Secret
    port: int = 623
    cipher: int | None = None


class SnmpVersion(Enum):
    V1 = "v1"
    V2C = "v2c"
    V3 = "v3"


class SnmpAuth(Enum):
    """Authentication of SNMP v3 (RFC 3414, RFC 7860)."""

    MD5 = "md5"
    SHA = "sha"
    SHA256 = "sha256"
    SHA512 = "sha512"


class SnmpPrivacy(Enum):
    """Encryption of SNMP v3 (RFC 3414, RFC 3826; 192 and 256 bits as Cisco and APC do it)."""

    DES = "des"
    AES = "aes"
    AES192 = "aes192"
    AES256 = "aes256"


@dataclass(frozen=True, slots=True)
class Snmp:
    """How an agent is spoken to: v1 and v2c have a ``community``, v3 a ``username`` and its passwords."""

    address: IPAddress
    port: int = 161
    version: SnmpVersion = SnmpVersion.V1
    community: Secret | None = None
    username: str = ""
    auth_password: Secret | None = None
    auth_protocol: SnmpAuth = SnmpAuth.SHA
    privacy_password: Secret | None = None
    privacy_protocol: SnmpPrivacy = SnmpPrivacy.AES


class ApcTree(Enum):
    """Which objects of PowerNet-MIB hold the outlets; ``AUTO`` asks the unit which it has."""

    AUTO = "auto"
    RPDU = "rpdu"
    MASTER_SWITCH = "masterSwitch"
    RPDU2 = "rpdu2"


@dataclass(frozen=True, slots=True)
class ApcPdu:
    """A power distribution unit; the plug is the outlet's number."""

    snmp: Snmp
    tree: ApcTree = ApcTree.AUTO


@dataclass(frozen=True, slots=True)
class ApcUps:
    """An uninterruptible power supply; the plug is an outlet group's number, None = all that it feeds."""

    snmp: Snmp


@dataclass(frozen=True, slots=True)
class SshLogin:
    """How a machine is logged into: by exactly one of a password and a private key."""

    address: IPAddress
    username: str
    known_hosts_file: str
    port: int = 22
    password: Secret | None = None
    key: Secret | None = None


@dataclass(frozen=True, slots=True)
class Drac:
    """A controller with racadm; the plug is a module of a chassis (``server-3``), None = the server that it is in."""

    login: SshLogin


@dataclass(frozen=True, slots=True)
class Ssh:
    """The node itself, told to switch itself off by ``command``."""

    login: SshLogin
    command: str


@dataclass(frozen=True, slots=True)
class Agent:
    """A fence agent: ``program`` in /usr/sbin, its options, and those whose values came from files."""

    program: str
    options: Mapping[str, str] = field(default_factory=dict)
    secrets: Mapping[str, Secret] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Manual:
    """A person, who says `vedette confirm-off`."""


Driver = Redfish | Ipmi | ApcPdu | ApcUps | Drac | Ssh | Agent | Manual


@dataclass(frozen=True, slots=True)
class FencingDevice:
    """A device. ``timeout`` (ns): the longest that an off, seen off, may take."""

    name: str
    timeout: int
    driver: Driver


@dataclass(frozen=True, slots=True)
class Watchdog:
    """The device that resets a machine ``timeout`` (ns, whole seconds) after its daemon was last on time."""

    device: str
    timeout: int


@dataclass(frozen=True, slots=True)
class ClusterSpec:
    """One document, resolved. ``digest`` is the hex SHA-256 of its canonical form, without secrets.

    ``ipvs_sysctls`` are those of net.ipv4.vs that are kept, by the kernel's names. ``drop_untranslated``: packets of
    masqueraded real servers that IPVS has not translated are dropped.

    ``assume_watchdog``: with policy ``fence``, a silent node that had advertised an armed watchdog may be taken for off
    after twice its time-out, where no fencing device has confirmed it.
    """

    name: str
    digest: str
    nodes: tuple[Node, ...]
    keys: tuple[Key, ...]
    heartbeat: Heartbeat
    policy: SplitBrainPolicy
    groups: tuple[Group, ...]
    virtual_services: tuple[VirtualService, ...] = ()
    ipvs_timeouts: IpvsTimeouts = field(default_factory=IpvsTimeouts)
    ipvs_sysctls: Mapping[str, int] = field(default_factory=dict)
    ipvs_exclusive: bool = False
    drop_untranslated: bool = True
    fencing_devices: tuple[FencingDevice, ...] = ()
    watchdog: Watchdog | None = None
    assume_watchdog: bool = False
    ping_nodes: tuple[IPAddress, ...] = ()
    spec_sync: bool = False
    connection_sync: ConnectionSync | None = None

    def node(self, name: str) -> Node:
        """Return the node of that name; raises ``KeyError``."""
        for node in self.nodes:
            if node.name == name:
                return node
        raise KeyError(name)

    def addresses_of(self, name: str) -> tuple[IPAddress, ...]:
        """Where a node is reached: at its own address first, then on the links; raises ``KeyError``."""
        own = self.node(name).address
        linked = (link.addresses[name] for link in self.heartbeat.links if name in link.addresses)
        return tuple(dict.fromkeys((*(() if own is None else (own,)), *linked)))

    @property
    def voters(self) -> tuple[str, ...]:
        return tuple(sorted(node.name for node in self.nodes if node.votes))
