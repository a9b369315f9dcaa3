"""What the document means: every default filled in, every reference followed, every range expanded.

:mod:`vedette.spec.model` is the document as people write it; :func:`vedette.spec.resolve.resolve` turns it into
the :class:`ClusterSpec` below, and nothing downstream ever looks at the written form. Durations are nanoseconds.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from vedette.kit.net import IPAddress
from vedette.spec.resolved.balancing import (
    ConnectionSync,
    Damping,
    Encapsulation,
    Endpoint,
    Entry,
    Forwarding,
    IpvsTimeouts,
    Life,
    Mark,
    NameKind,
    OnFailure,
    Protocol,
    Quorum,
    RealServer,
    ServerName,
    SorryPage,
    SorryServer,
    Tunnel,
    TunnelChecksum,
    VirtualService,
)
from vedette.spec.resolved.cluster import (
    UNSIGNED,
    Failback,
    Group,
    Heartbeat,
    Key,
    Link,
    Node,
    Role,
    SplitBrainPolicy,
    VirtualAddress,
    Watchdog,
    key_id,
)
from vedette.spec.resolved.fencing import (
    Agent,
    ApcPdu,
    ApcTree,
    ApcUps,
    Drac,
    Driver,
    Fencing,
    FencingDevice,
    FencingUse,
    Ipmi,
    Manual,
    Redfish,
    Snmp,
    SnmpAuth,
    SnmpPrivacy,
    SnmpVersion,
    Ssh,
    SshLogin,
)
from vedette.spec.resolved.health import (
    Authentication,
    Credentials,
    HealthCheck,
    HttpProbe,
    HttpRequest,
    PingProbe,
    Probe,
    TcpProbe,
    UdpProbe,
    Via,
)
from vedette.spec.secret import Secret
from vedette.spec.tls import Tls

__all__ = [
    "UNSIGNED",
    "Agent",
    "ApcPdu",
    "ApcTree",
    "ApcUps",
    "Authentication",
    "ClusterSpec",
    "ConnectionSync",
    "Credentials",
    "Damping",
    "Drac",
    "Driver",
    "Encapsulation",
    "Endpoint",
    "Entry",
    "Failback",
    "Fencing",
    "FencingDevice",
    "FencingUse",
    "Forwarding",
    "Group",
    "HealthCheck",
    "Heartbeat",
    "HttpProbe",
    "HttpRequest",
    "Ipmi",
    "IpvsTimeouts",
    "Key",
    "Life",
    "Link",
    "Manual",
    "Mark",
    "NameKind",
    "Node",
    "OnFailure",
    "PingProbe",
    "Probe",
    "Protocol",
    "Quorum",
    "RealServer",
    "Redfish",
    "Role",
    "Secret",
    "ServerName",
    "Snmp",
    "SnmpAuth",
    "SnmpPrivacy",
    "SnmpVersion",
    "SorryPage",
    "SorryServer",
    "SplitBrainPolicy",
    "Ssh",
    "SshLogin",
    "TcpProbe",
    "Tls",
    "Tunnel",
    "TunnelChecksum",
    "UdpProbe",
    "Via",
    "VirtualAddress",
    "VirtualService",
    "Watchdog",
    "key_id",
]


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
