"""What the checks of the slow lane do: one class a kind, every default filled in.

They are kept apart from the kinds of the fast lane (``TcpProbe`` and its neighbours in
:mod:`vedette.spec.resolved`) because other processes carry them out: :func:`lane` says which.
"""

from dataclasses import dataclass
from enum import Enum
from typing import get_args

from vedette.kit.net import IPAddress
from vedette.spec.secret import Secret
from vedette.spec.tls import Tls


class Transport(Enum):
    """Whether a question goes in a datagram or over a connection."""

    UDP = "udp"
    TCP = "tcp"


class TlsStart(Enum):
    """When TLS begins: with the connection, or by a command of the protocol."""

    IMPLICIT = "implicit"
    STARTTLS = "starttls"


@dataclass(frozen=True, slots=True)
class Encryption(Tls):
    """TLS, and when it begins."""

    start: TlsStart = TlsStart.IMPLICIT


@dataclass(frozen=True, slots=True)
class DnsProbe:
    """A query must be answered: with ``expect`` by that record among others, without by any (NOERROR)."""

    name: str = "."
    type: str = "NS"
    expect: str | None = None
    transport: Transport = Transport.UDP


@dataclass(frozen=True, slots=True)
class Account:
    """Whom to log in as."""

    username: str
    password: Secret


@dataclass(frozen=True, slots=True)
class SmtpProbe:
    """Greeting, EHLO, and what else is set. ``helo`` None = our own address."""

    helo: str | None = None
    tls: Encryption | None = None
    account: Account | None = None


@dataclass(frozen=True, slots=True)
class ImapProbe:
    """Greeting, and what else is set."""

    tls: Encryption | None = None
    account: Account | None = None


@dataclass(frozen=True, slots=True)
class Pop3Probe:
    """Greeting, and what else is set."""

    tls: Encryption | None = None
    account: Account | None = None


@dataclass(frozen=True, slots=True)
class FtpProbe:
    """Greeting, and what else is set; ``expect`` is a regular expression for the file at ``path``."""

    tls: Encryption | None = None
    account: Account | None = None
    path: str | None = None
    expect: str | None = None


@dataclass(frozen=True, slots=True)
class NntpProbe:
    """Greeting, and what else is set; ``group`` must be carried."""

    tls: Encryption | None = None
    account: Account | None = None
    group: str | None = None


@dataclass(frozen=True, slots=True)
class SipProbe:
    """OPTIONS must be answered. ``statuses`` are inclusive ranges."""

    username: str | None = None
    statuses: tuple[tuple[int, int], ...] = ((200, 200),)
    transport: Transport = Transport.UDP


@dataclass(frozen=True, slots=True)
class NtpProbe:
    """The server's clock must be synchronised, at most ``max_stratum`` steps from a reference clock."""

    max_stratum: int = 15
    transport: Transport = Transport.UDP


class Depth(Enum):
    """How deep a search goes into a directory."""

    BASE = "base"
    ONE = "one"
    SUBTREE = "subtree"


@dataclass(frozen=True, slots=True)
class LdapProbe:
    """A bind, without ``account`` anonymous, and a search that must find something. ``base`` empty: the root DSE."""

    tls: Encryption | None = None
    account: Account | None = None
    base: str = ""
    filter: str = "(objectClass=*)"
    depth: Depth = Depth.BASE


class Dialect(Enum):
    """Which protocol a database speaks."""

    MYSQL = "mysql"
    POSTGRESQL = "postgresql"


@dataclass(frozen=True, slots=True)
class SqlProbe:
    """A login and a query that must give a row; ``expect`` is a regular expression for the row's values, with tabs
    between them. ``password`` None: the server lets the user in without. ``database`` None: the server's choice."""

    dialect: Dialect
    username: str
    password: Secret | None = None
    database: str | None = None
    query: str = "SELECT 1"
    expect: str | None = None
    tls: Encryption | None = None


class Role(Enum):
    """What a server is among those that hold the same data."""

    MASTER = "master"
    REPLICA = "replica"


@dataclass(frozen=True, slots=True)
class RedisProbe:
    """PING must be answered, and what else is set hold. ``username`` None: the default user's password."""

    tls: Encryption | None = None
    username: str | None = None
    password: Secret | None = None
    role: Role | None = None


@dataclass(frozen=True, slots=True)
class RadiusProbe:
    """An Access-Request must be answered, with ``account`` by Access-Accept."""

    secret: Secret
    account: Account | None = None
    transport: Transport = Transport.UDP


@dataclass(frozen=True, slots=True)
class GrpcProbe:
    """The health service must say SERVING, of ``service`` or, where that is empty, of the whole server."""

    service: str = ""
    tls: Encryption | None = None


@dataclass(frozen=True, slots=True)
class FixedProbe:
    """Always up, or always down."""

    up: bool


@dataclass(frozen=True, slots=True)
class Step:
    """Exactly one of ``send`` (text) and ``expect`` (a regular expression) is set."""

    send: str | None = None
    expect: str | None = None


@dataclass(frozen=True, slots=True)
class DialogueProbe:
    """Texts sent and expected in turn over one connection."""

    steps: tuple[Step, ...]


SERVER = "{address}"


@dataclass(frozen=True, slots=True)
class FileProbe:
    """A file of this node must exist; ``expect`` is a regular expression that it must contain, or None.

    :data:`SERVER` in its path stands for the real server's address. With ``dynamic_weight`` it holds a weight.
    """

    path: str
    expect: str | None = None
    dynamic_weight: bool = False


class Arguments(Enum):
    """What is appended to an external command: nothing, the real server's address and port, or before these the
    virtual service's, as ldirectord does."""

    NONE = "none"
    SERVER = "server"
    LDIRECTORD = "ldirectord"


@dataclass(frozen=True, slots=True)
class ExecProbe:
    """A command must end with 0. With ``dynamic_weight``, 2 to 255 is a weight from 0 to 253.

    ``environment`` and ``secrets`` are variables, by name. ``virtual_address`` and ``virtual_port`` are those of the
    endpoint that asks, where the arguments name them.
    """

    command: tuple[str, ...]
    user: str = "nobody"
    arguments: Arguments = Arguments.NONE
    dynamic_weight: bool = False
    environment: tuple[tuple[str, str], ...] = ()
    secrets: tuple[tuple[str, Secret], ...] = ()
    virtual_address: IPAddress | None = None
    virtual_port: int = 0


@dataclass(frozen=True, slots=True)
class ProcessProbe:
    """A process with that name must run on this node."""

    name: str


@dataclass(frozen=True, slots=True)
class SystemdProbe:
    """A unit must be active on this node."""

    unit: str


ProgramProbe = ExecProbe | SystemdProbe
"""What starts programs: in a process that may change its user, apart from those that read strangers' answers."""

SlowProbe = (
    FixedProbe
    | DialogueProbe
    | FileProbe
    | DnsProbe
    | SmtpProbe
    | ImapProbe
    | Pop3Probe
    | FtpProbe
    | NntpProbe
    | SipProbe
    | NtpProbe
    | LdapProbe
    | SqlProbe
    | RedisProbe
    | RadiusProbe
    | GrpcProbe
    | ExecProbe
    | ProcessProbe
    | SystemdProbe
)
LocalProbe = FileProbe | ProcessProbe | SystemdProbe
"""What looks at this node, wherever the real server is: one check for all of them."""

PortlessProbe = FixedProbe | ExecProbe
"""What has nothing to do with ports: it applies to a server whatever its services speak."""

_KINDS, _PROGRAMS = get_args(SlowProbe), get_args(ProgramProbe)


class Lane(Enum):
    """Which process carries a probe out."""

    FAST = "fast"
    SLOW = "slow"
    PROGRAMS = "programs"


def lane(probe: object) -> Lane:
    """Tell where a probe is carried out."""
    if isinstance(probe, _PROGRAMS):
        return Lane.PROGRAMS
    return Lane.SLOW if isinstance(probe, _KINDS) else Lane.FAST


def asks_over_udp(probe: object) -> bool:
    """Tell whether a probe sends datagrams, and so is meant for a port of UDP where nobody wrote one."""
    return getattr(probe, "transport", Transport.TCP) is Transport.UDP
