"""Virtual services and the real servers behind them."""

from typing import Annotated, Literal

from pydantic import Field

from vedette.spec.model.base import (
    Address,
    Addresses,
    Duration,
    FilePath,
    HostName,
    Interface,
    Item,
    Many,
    Name,
    Port,
    Ports,
    Reference,
    Shape,
    Words,
    optional,
    required,
)
from vedette.spec.model.checks import Check, Timings
from vedette.spec.model.sysctls import IpvsSysctls

Scheduler = Literal[
    "rr", "wrr", "lc", "wlc", "lblc", "lblcr", "dh", "sh", "mh", "sed", "nq", "fo", "ovf", "twos"
]  # fmt: skip
Weight = Annotated[int, Field(ge=0, le=65535)]
Connections = Annotated[int, Field(ge=1, le=4294967295)]
PrefixLength = Annotated[int, Field(ge=1, le=128)]


class RealServer(Item):
    """A server, a range of servers that are alike, or a name whose addresses are looked up again and again."""

    one_of = ("address", "hostname", "srv")

    address: Addresses | None = optional("Address or range a-b.")
    hostname: HostName | None = optional("Name with A or AAAA records: a server for each of them.")
    srv: HostName | None = optional("Name with SRV records, which say ports and weights, too: _http._tcp.example.org.")
    port: Port | None = optional("Port that all connections go to (masquerade only).", default="the virtual port")
    weight: Weight | None = optional("Share of the connections; 0 = no new ones.", default="1")
    maintenance: bool | None = optional("Take it out of service: it drains, and leaves the table.", default="false")
    max_connections: Connections | None = optional("No new connections above this.", default="no limit")
    min_connections: Connections | None = optional(
        "New connections again below this, once maxConnections was reached.", default="three quarters of maxConnections"
    )


class ServerPool(Item):
    """Servers that several virtual services share."""

    one_of = ("realServers", "realServersFile")

    name: Name = required("What virtualServices[].serverPool refers to.")
    real_servers: Annotated[Many[RealServer], Field(max_length=65536)] | None = optional("The servers.")
    real_servers_file: FilePath | None = optional("Text file with a server a line: address[:port] [weight].")


class Page(Shape):
    """A page that Vedette serves itself."""

    status: Annotated[int, Field(ge=200, le=599)] | None = optional("Status code.", default="503")
    body: Annotated[str, Field(max_length=65536)] | None = optional("Body, HTML or plain text.")
    body_file: FilePath | None = optional("File with the body, instead of `body`.")
    headers: Words | None = optional("Response headers, like Retry-After.")


class SorryServer(Shape):
    """Where clients go while no real server is up."""

    one_of = ("page", "address")

    page: Page | None = optional("A page served by the director itself.")
    address: Address | None = optional("A server elsewhere.")
    port: Port | None = optional("Port of that server.", default="the virtual port")
    checks: Annotated[Many[Check], Field(max_length=8)] | None = optional(
        "Checks of that server, for people to know; it is used anyway. [] = none.", default="a TCP connect to its port"
    )


class Persistence(Shape):
    """Connections of one client stay with one server."""

    timeout: Duration | None = optional("For how long after the last connection.", default="6m")
    across_ports: bool | None = optional(
        "One choice for all ports of the service, which become one entry of the kernel's table by a firewall mark.",
        default="false",
    )
    client_prefix_length: PrefixLength | None = optional("Clients of one subnet count as one.", default="32 or 128")
    client_prefix_length_ipv6: PrefixLength | None = optional(
        "The same for the IPv6 addresses of a service that has addresses of both families.", default="128"
    )
    engine: Literal["sip"] | None = optional(
        "What tells clients apart beside their address. sip: the Call-ID of SIP over UDP."
    )


class Tunnel(Shape):
    """How packets are wrapped on their way to a real server."""

    type: Literal["ipip", "gre", "gue"] | None = optional("Kind of tunnel.", default="ipip")
    port: Port | None = optional("UDP port of gue.", default="6080")
    checksum: Literal["none", "full", "remote"] | None = optional(
        "full: gre and gue carry a checksum of the whole packet. remote: gue lets the real server complete the inner "
        "checksum (remote checksum offload).",
        default="none",
    )


class Drain(Shape):
    """What a person's removal of a server does: no new connections, wait, then delete."""

    timeout: Duration | None = optional("Longest wait.", default="60s")


class Quorum(Shape):
    """How much must be up for the service to count as up; without it the sorry server takes over."""

    weight: Annotated[int, Field(ge=1)] = required("Sum of the weights of the servers that are up.")
    hysteresis: Annotated[int, Field(ge=0)] | None = optional(
        "Lost below weight - hysteresis, gained again from weight + hysteresis on.", default="0"
    )


class SlowStart(Shape):
    """A server that comes back, or is new, gets its share of the connections step by step."""

    duration: Duration = required("How long its weight rises to what the document says, in ten steps at most.")


class FlapDamping(Shape):
    """A server that fails again and again stays out longer, though its checks pass."""

    failures: Annotated[int, Field(ge=1, le=100)] | None = optional(
        "So many failures within about one halfLife make it stay out.", default="3"
    )
    half_life: Duration | None = optional("Every failure counts half after this time.", default="1m")
    longest: Duration | None = optional("The longest time that it stays out after a failure.", default="10m")


class ServiceSettings(Shape):
    """What virtual services may have in common, and ``defaults.virtualServices`` sets for all."""

    scheduler: Scheduler | None = optional("IPVS scheduler.", default="wlc")
    scheduler_flags: Annotated[Many[Literal["fallback", "port"]], Field(max_length=2)] | None = optional(
        "For sh and mh. fallback: choose another server when the chosen one is down; port: hash the port too."
    )
    one_packet_scheduling: bool | None = optional(
        "Schedule every datagram of a UDP service by itself, without remembering its client.", default="false"
    )
    forwarding: Literal["masquerade", "directRouting", "tunnel"] | None = optional(
        "masquerade: NAT, answers come back through the director. directRouting: same network, servers hold the "
        "address on lo and answer directly. tunnel: as directRouting, across networks and address families.",
        default="masquerade",
    )
    tunnel: Tunnel | None = optional("Settings of forwarding: tunnel.", default="ipip")
    persistence: Persistence | None = optional("Keep clients with their server.", default="off")
    on_failure: Literal["remove", "quiesce"] | None = optional(
        "What a failed check does. remove: delete the destination. quiesce: no new connections, keep the old ones.",
        default="remove",
    )
    checks_on_standby: bool | None = optional(
        "Whether nodes that do not hold the service's group check its servers too.", default="true"
    )
    drain: Drain | None = optional("What a person's removal of a server does.")
    slow_start: SlowStart | None = optional("How servers come back.", default="at once")
    flap_damping: FlapDamping | None = optional("What holds back servers that fail often.", default="nothing")
    sorry_server: SorryServer | None = optional(
        "Where clients go while no real server is up.", default="connections are refused"
    )
    quorum: Quorum | None = optional("How much must be up.", default="one server")


class VirtualService(ServiceSettings, Item):
    """One service on one or more virtual addresses."""

    one_of = ("realServers", "realServersFile", "serverPool")

    name: Name | None = optional("Name of the service.", default="its first address and port")
    group: Reference | None = optional("Group that it belongs to.", default="the only one, or that of its addresses")
    addresses: Annotated[Many[Reference], Field(min_length=1, max_length=256)] | None = optional(
        "Names of addresses, or addresses.", default="all addresses of the group"
    )
    ports: Annotated[Many[Ports], Field(min_length=1, max_length=64)] | None = optional(
        "Ports: 80, 53/udp, 50000-60000/udp, any, any/udp; tcp when not said."
    )
    firewall_mark: Annotated[int, Field(ge=1, le=4294967295)] | None = optional(
        "Packets that carry this mark, set by rules of your own, instead of addresses and ports."
    )
    checks: Annotated[Many[Check], Field(max_length=8)] | None = optional(
        "Checks of the real servers; all must pass, or `checksRequired`.",
        default="a TCP connect to the real server's port; [] = none",
    )
    checks_required: Annotated[int, Field(ge=1, le=8)] | None = optional(
        "How many of the checks must pass; 1 = any of them.", default="all"
    )
    server_pool: Reference | None = optional("Name of one of spec.serverPools.")
    real_servers: Annotated[Many[RealServer], Field(max_length=65536)] | None = optional("The servers.")
    real_servers_file: FilePath | None = optional("Text file with a server a line: address[:port] [weight].")
    maintenance: bool | None = optional("Take all its servers out of service.", default="false")


class Defaults(Shape):
    """What holds where an item does not say otherwise."""

    checks: Timings | None = optional("For every check.")
    virtual_services: ServiceSettings | None = optional("For every virtual service.")


class ConnectionSync(Shape):
    """Every director knows the connections of the others, so that they survive when a group moves.

    A director sends its connections to the multicast group, unencrypted and unsigned (the kernel does): use a network
    that only directors are on. On the same port, over TCP and signed, one that has come up asks for the whole table.
    """

    interface: Interface = required("Interface that every director has on the network between them.")
    group: Address | None = optional("Multicast group, IPv4 or IPv6.", default="224.0.0.81")
    port: Port | None = optional("UDP port of the group, and TCP port for the whole table.", default="8848")
    id: Annotated[int, Field(ge=1, le=255)] | None = optional(
        "Tells clusters apart that share a network and a group.", default="1"
    )


class IpvsTimeouts(Shape):
    """Time-outs of IPVS connections."""

    tcp: Duration | None = optional("Established TCP.", default="the kernel's, 15m")
    tcp_fin: Duration | None = optional("TCP after FIN.", default="the kernel's, 2m")
    udp: Duration | None = optional("UDP.", default="the kernel's, 5m")


class Ipvs(Shape):
    """Settings of the kernel's load balancer as a whole."""

    connection_sync: ConnectionSync | None = optional(
        "Established connections survive when a group moves.", default="they do not"
    )
    timeouts: IpvsTimeouts | None = optional("Connection time-outs.")
    exclusive: bool | None = optional("Delete IPVS services that are not in this document.", default="false")
    untranslated: Literal["drop", "forward"] | None = optional(
        "What becomes of a packet from a masqueraded real server's port to a client that IPVS has not translated.",
        default="drop",
    )
    sysctls: IpvsSysctls | None = optional("Settings of the kernel's load balancer: net.ipv4.vs.*.")
