"""Which networks, interfaces, addresses, servers and devices a document implies: the words of a lab. Pure.

:func:`vedette.lab.derive.topology` makes one from a resolved spec; the lab's supervisor builds it; drills and
people read it. ``docs/lab.md`` states the rules in prose.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from ipaddress import IPv4Network, IPv6Network, ip_network

from vedette.kit.net import IPAddress
from vedette.spec.resolved import Protocol, Role

IPNetwork = IPv4Network | IPv6Network


@dataclass(frozen=True, slots=True)
class InterfaceAddress:
    """An address as it stands on an interface, with the prefix length of its subnet."""

    address: IPAddress
    prefix_length: int

    def __str__(self) -> str:
        return f"{self.address}/{self.prefix_length}"

    @property
    def subnet(self) -> IPNetwork:
        return ip_network(str(self), strict=False)


@dataclass(frozen=True, slots=True)
class Network:
    """One Ethernet segment: a bridge. ``name`` is the document's logical interface, or the subnet where none is."""

    name: str
    bridge: str
    subnets: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Leg:
    """One interface on a network. ``port`` is the bridge port at the other end of its wire, in the lab's switch.

    ``on_link`` are destinations reached on this segment without a gateway, beside the addresses' own subnets.
    """

    network: str
    interface: str
    port: str
    mac: str
    addresses: tuple[InterfaceAddress, ...] = ()
    on_link: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class MachinePlan:
    """One node of the document. ``watchdog`` is where it finds its watchdog, None where it needs none."""

    name: str
    role: Role
    legs: tuple[Leg, ...]
    watchdog: str | None = None

    def leg(self, interface_or_network: str) -> Leg:
        """Find a wire by the machine's interface or by the network's name; raises ``KeyError``."""
        for leg in self.legs:
            if leg.interface == interface_or_network:
                return leg
        for leg in self.legs:
            if leg.network == interface_or_network:
                return leg
        raise KeyError(interface_or_network)


@dataclass(frozen=True, slots=True, order=True)
class Listener:
    """Where a stand-in listens, on each of its addresses. ``protocol`` is ``tcp`` or ``udp``."""

    port: int
    protocol: str = Protocol.TCP.value


@dataclass(frozen=True, slots=True)
class Page:
    """What a stand-in answers on one path, so that the document's own checks are content with it.

    ``body`` is None when the lab cannot think of a text that the check's expression finds.
    """

    path: str
    status: int
    body: str | None


@dataclass(frozen=True, slots=True)
class ServerPlan:
    """A stand-in for a real server, or for another address that is checked or used as sorry server.

    ``virtual`` are the VIPs that it accepts on ``lo`` (direct routing); ``gateway`` is its default route.
    """

    address: IPAddress
    leg: Leg
    gateway: IPAddress | None
    virtual: tuple[IPAddress, ...]
    listeners: tuple[Listener, ...]
    pages: tuple[Page, ...]


class Simulator(Enum):
    """The program that stands in for a fencing device, by what it speaks."""

    IPMI = "ipmi"
    REDFISH = "redfish"
    PDU = "pdu"
    UPS = "ups"
    DRAC = "drac"

    @property
    def feeds(self) -> bool:
        """Whether it switches outlets that feed machines, not the machine that it is built into."""
        return self in (Simulator.PDU, Simulator.UPS)


OWN = ""
"""The plug of a device that has none."""


@dataclass(frozen=True, slots=True)
class DevicePlan:
    """A stand-in for a fencing device, and every document's name for it.

    ``plugs`` maps its outlets, or :data:`OWN`, to machines. ``words`` are what its users must know beside their
    secrets (a user's name, the version of SNMP); the secrets are elsewhere.
    """

    names: tuple[str, ...]
    simulator: Simulator
    address: IPAddress
    port: int
    leg: Leg
    plugs: Mapping[str, str]
    words: Mapping[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return self.names[0]


@dataclass(frozen=True, slots=True)
class Topology:
    """A whole lab. ``notes`` say, in a sentence each, what in the document cannot work, or only partly."""

    networks: tuple[Network, ...]
    machines: tuple[MachinePlan, ...]
    servers: tuple[ServerPlan, ...]
    client: tuple[Leg, ...]
    devices: tuple[DevicePlan, ...] = ()
    notes: tuple[str, ...] = ()

    def device(self, name: str) -> DevicePlan:
        """Return the stand-in for a fencing device; raises ``KeyError``."""
        for plan in self.devices:
            if name in plan.names:
                return plan
        raise KeyError(name)

    def machine(self, name: str) -> MachinePlan:
        """Return the plan of a machine; raises ``KeyError``."""
        for plan in self.machines:
            if plan.name == name:
                return plan
        raise KeyError(name)

    def network(self, name: str) -> Network:
        """Return the network of that name; raises ``KeyError``."""
        for network in self.networks:
            if network.name == name:
                return network
        raise KeyError(name)
