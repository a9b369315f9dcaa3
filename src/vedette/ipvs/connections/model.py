"""Sync daemons and connections as plain values (linux/ip_vs.h, net/netfilter/ipvs/ip_vs_conn.c)."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum

from vedette.kit.net import IPAddress
from vedette.spec.resolved import ConnectionSync, Node
from vedette.spec.resolved import Role as NodeRole


class Role(Enum):
    """What a sync daemon does: tell the others what happens here, or take in what they tell (IP_VS_STATE_*)."""

    MASTER = 1
    BACKUP = 2


@dataclass(frozen=True, slots=True)
class Daemon:
    """A sync daemon of the kernel. ``interface`` is the kernel's name; ``id`` tells clusters on one network apart."""

    role: Role
    interface: str
    id: int
    group: IPAddress
    port: int
    ttl: int = 1


def wanted(sync: ConnectionSync | None, node: Node) -> tuple[Daemon, ...]:
    """The daemons that a director should run: both, always, so that nothing has to be switched when a group moves."""
    if sync is None or node.role is not NodeRole.DIRECTOR:
        return ()
    interface = node.kernel_interface(sync.interface)
    return tuple(Daemon(role, interface, sync.id, sync.group, sync.port) for role in (Role.BACKUP, Role.MASTER))


TCP, UDP, SCTP = 6, 17, 132
ANY = 0
"""IPPROTO_IP: the protocol of a persistence template of a firewall mark."""

_TCP_STATES = (
    "NONE",
    "ESTABLISHED",
    "SYN_SENT",
    "SYN_RECV",
    "FIN_WAIT",
    "TIME_WAIT",
    "CLOSE",
    "CLOSE_WAIT",
    "LAST_ACK",
    "LISTEN",
    "SYNACK",
)
_SCTP_STATES = (
    "NONE",
    "INIT1",
    "INIT",
    "C-SENT",
    "C-REPLIED",
    "C-WAIT",
    "COOKIE",
    "C-ECHOED",
    "ESTABLISHED",
    "S-SENT",
    "S-RECEIVED",
    "S-ACK-SENT",
    "REJECTED",
    "CLOSED",
)
_TEMPLATE_STATES = ("NONE", "ASSURED")
_PROTOCOLS = {b"TCP": TCP, b"UDP": UDP, b"SCTP": SCTP, b"IP": ANY}
_STATES: Mapping[int, Mapping[bytes, int]] = {
    TCP: {name.encode(): number for number, name in enumerate(_TCP_STATES)},
    UDP: {b"UDP": 0},
    SCTP: {name.encode(): number for number, name in enumerate(_SCTP_STATES)},
    ANY: {},
}
_TEMPLATES = {name.encode(): number for number, name in enumerate(_TEMPLATE_STATES)}
_OVER = {
    TCP: frozenset(_TCP_STATES.index(name) for name in ("NONE", "TIME_WAIT", "CLOSE", "LISTEN")),
    SCTP: frozenset(_SCTP_STATES.index(name) for name in ("NONE", "REJECTED", "CLOSED")),
}
_ACTIVE = {
    TCP: frozenset(_TCP_STATES.index(name) for name in ("ESTABLISHED", "SYN_SENT", "SYN_RECV", "SYNACK")),
    SCTP: frozenset({_SCTP_STATES.index("ESTABLISHED")}),
}


@dataclass(frozen=True, slots=True)
class Connection:
    """One entry of the kernel's connection table. Addresses are packed, in network order.

    A ``template`` is no connection but a client's binding to its server (persistence). That of a firewall mark has
    protocol :data:`ANY` and the mark in the place of the virtual address. ``engine`` names the persistence engine that
    made it from ``engine_data``.
    """

    version: int
    protocol: int
    client: bytes
    client_port: int
    virtual: bytes
    virtual_port: int
    server: bytes
    server_port: int
    state: int
    template: bool = False
    engine: str = ""
    engine_data: bytes = b""

    @property
    def over(self) -> bool:
        """Nothing more can come of it."""
        return not self.template and self.state in _OVER.get(self.protocol, ())

    @property
    def active(self) -> bool:
        """Whether the kernel counts it among its server's active connections (IP_VS_CONN_F_INACTIVE is not set)."""
        return not self.template and self.state in _ACTIVE.get(self.protocol, ())


Line = tuple[bytes, bytes]
"""What identifies an entry in /proc/net/ip_vs_conn with its state, and what a persistence engine knows of it."""


ENDED = (b" TIME_WAIT", b" CLOSE", b" LISTEN", b" REJECTED", b" CLOSED")
"""How lines end from which nothing more can come: most of a busy table, and not worth being taken apart."""
LASTING = (b" ESTABLISHED", b" NONE", b" ASSURED")
"""How lines end that somebody would miss: established connections and templates (or a protocol that we pass over)."""
GOING = (*LASTING, b" UDP")
"""How lines end that are not on their way in or out."""


def virtual_text(line: Line) -> bytes:
    """The virtual address of a line as :func:`text` writes it."""
    return line[0].split(None, 4)[3]


def text(address: bytes) -> bytes:
    """A packed address as the kernel's list has it."""
    if len(address) == len(b"IPv4"):
        return address.hex().upper().encode()
    return address.hex(":", 2).encode()


def parse(lines: Iterable[Line]) -> Iterator[Connection]:
    """Read lines of /proc/net/ip_vs_conn; what the sync protocol has no form for is passed over.

    That is a server of another address family than its client's (behind a tunnel), and a protocol other than TCP, UDP
    and SCTP.
    """
    for key, engine in lines:
        words = key.split()
        protocol = _PROTOCOLS.get(words[0])
        if len(words) != 8 or protocol is None or len(words[1]) != len(words[5]):
            continue
        client_port, virtual_port, server_port = (int(words[place], 16) for place in (2, 4, 6))
        template = client_port == 0 and words[7] in _TEMPLATES
        state = _TEMPLATES[words[7]] if template else _STATES[protocol].get(words[7])
        if state is None:
            continue
        name, _, data = engine.strip(b" ").partition(b" ")
        yield Connection(
            version=4 if len(words[1]) == 8 else 6,
            protocol=protocol,
            client=_address(words[1]),
            client_port=client_port,
            virtual=_address(words[3]),
            virtual_port=virtual_port,
            server=_address(words[5]),
            server_port=server_port,
            state=state,
            template=template,
            engine=name.decode("ascii", "replace"),
            engine_data=data,
        )


def _address(text: bytes) -> bytes:
    """``0A000001``, or eight groups of four digits with colons between them (``%pI6``)."""
    return bytes.fromhex(text.decode().replace(":", ""))
