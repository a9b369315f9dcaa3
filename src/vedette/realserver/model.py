"""The words of the real server's side: what is wanted of a machine, what its kernel shows, what is changed."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from vedette.kit.net import IPAddress
from vedette.spec.resolved import Endpoint

LOOPBACK = 1
"""The interface index of ``lo``: the kernel creates it first in every network namespace."""
MARK = 0x72
"""``r``, the IFA_PROTO of what we put (``ip -d address``); a director's daemon on the same machine has another."""
ALIAS = "vedette real-server"
"""The alias of devices that we made (``ip -d link``)."""


class Kind(Enum):
    """What a tunnel device takes apart, by the kernel's name (``ip link add type``)."""

    IPIP = "ipip"
    SIT = "sit"
    IP6TNL = "ip6tnl"
    GRE = "gre"
    IP6GRE = "ip6gre"


@dataclass(frozen=True, slots=True)
class Device:
    """The receiving end of a tunnel at ``local``, from whatever director. Only GRE has a ``checksum``."""

    kind: Kind
    local: IPAddress
    checksum: bool = False

    @property
    def name(self) -> str:
        """The same for the same end, and at most 15 bytes (IFNAMSIZ)."""
        digest = hashlib.sha256(self.local.packed + bytes([self.checksum])).hexdigest()
        return f"vd-{self.kind.value}-{digest[:5]}"


@dataclass(frozen=True, slots=True)
class Port:
    """A UDP port where GUE is taken apart, for one family (4 or 6) of the packets that carry it."""

    version: int
    number: int


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a document asks of one machine.

    ``vips``: addresses that it must take packets for, with the services that need them. ``devices``: tunnels, each
    with the VIPs that come out of it. ``direct``: the machine's own IPv4 addresses that get packets by direct routing.
    ``endpoints``: where something must listen. ``notes``: why there is nothing to do; ``problems``: what cannot be.
    ``tentative``: a name of the document has not been looked up yet, so nothing that is there is taken away.
    """

    vips: Mapping[IPAddress, tuple[str, ...]] = field(default_factory=dict)
    devices: Mapping[Device, frozenset[IPAddress]] = field(default_factory=dict)
    ports: frozenset[Port] = frozenset()
    direct: frozenset[IPAddress] = frozenset()
    endpoints: frozenset[Endpoint] = frozenset()
    notes: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()
    tentative: bool = False


# What the kernel shows


@dataclass(frozen=True, slots=True)
class Link:
    """An interface. ``neighbours``: it speaks ARP and neighbour discovery. The rest is of tunnels only."""

    index: int
    name: str
    up: bool
    neighbours: bool = True
    kind: str = ""
    alias: str = ""
    local: IPAddress | None = None
    checksum: bool = False

    def is_end(self, device: Device) -> bool:
        """Whether it is that very end of a tunnel."""
        return (self.kind, self.local, self.checksum) == (device.kind.value, device.local, device.checksum)


@dataclass(frozen=True, slots=True)
class Assigned:
    """An address on an interface; ``scope`` as in rtnetlink(7): 0 global, 253 link, 254 host."""

    address: IPAddress
    prefix_length: int
    index: int
    scope: int = 0
    protocol: int = 0

    @property
    def host_route(self) -> bool:
        return self.prefix_length == self.address.max_prefixlen


@dataclass(frozen=True, slots=True)
class Observed:
    """The kernel at one moment. ``settings`` are files below /proc/sys/net; ``ports`` say whether they take GUE."""

    links: Mapping[int, Link]
    addresses: tuple[Assigned, ...]
    settings: Mapping[str, str]
    ports: Mapping[Port, bool] = field(default_factory=dict)

    def link_named(self, name: str) -> Link | None:
        return next((link for link in self.links.values() if link.name == name), None)

    def on(self, index: int) -> frozenset[IPAddress]:
        """The addresses of one interface that are there as /32 or /128."""
        return frozenset(item.address for item in self.addresses if item.index == index and item.host_route)

    def number(self, setting: str) -> int:
        """A setting that is a number; 0 where there is none."""
        text = self.settings.get(setting, "0")
        return int(text) if text.lstrip("-").isdigit() else 0


# What was changed, and must be put back


@dataclass(frozen=True, slots=True)
class Changed:
    """A setting as it was before us, and as we made it."""

    former: str
    ours: str


@dataclass(frozen=True, slots=True)
class Record:
    """All that is ours on this machine, by the names of interfaces."""

    settings: Mapping[str, Changed] = field(default_factory=dict)
    places: frozenset[tuple[IPAddress, str]] = frozenset()
    devices: frozenset[str] = frozenset()
    ports: frozenset[Port] = frozenset()


# Steps of a plan


@dataclass(frozen=True, slots=True)
class Set:
    """Write a setting; ``former`` is remembered unless it is None."""

    setting: str
    value: str
    former: str | None


@dataclass(frozen=True, slots=True)
class Restore:
    """Write a setting back as it was."""

    setting: str
    value: str


@dataclass(frozen=True, slots=True)
class Make:
    """Create a tunnel device, down."""

    device: Device


@dataclass(frozen=True, slots=True)
class Raise:
    """Set a device up."""

    name: str
    index: int


@dataclass(frozen=True, slots=True)
class Unmake:
    """Delete a device of ours."""

    name: str
    index: int


@dataclass(frozen=True, slots=True)
class Open:
    """Take GUE apart at a port."""

    port: Port


@dataclass(frozen=True, slots=True)
class Close:
    """Stop that."""

    port: Port


@dataclass(frozen=True, slots=True)
class Put:
    """Put a VIP on an interface as /32 or /128, never a source of connections of this machine."""

    address: IPAddress
    interface: str
    index: int


@dataclass(frozen=True, slots=True)
class Remove:
    """Take a VIP of ours off an interface."""

    address: IPAddress
    interface: str
    index: int


Step = Set | Restore | Make | Raise | Unmake | Open | Close | Put | Remove


def describe(step: Step) -> str:
    """One step in words, in the imperative."""
    match step:
        case Set(setting, value, former):
            return f"set {dotted(setting)} to {value}" + (f" (was {former})" if former is not None else "")
        case Restore(setting, value):
            return f"set {dotted(setting)} back to {value}"
        case Make(device):
            return f"make the tunnel device {device.name} ({device.kind.value} at {device.local})"
        case Raise(name):
            return f"set {name} up"
        case Unmake(name):
            return f"delete {name}"
        case Open(port):
            return f"take GUE apart at UDP port {port.number} (IPv{port.version})"
        case Close(port):
            return f"take GUE apart at UDP port {port.number} (IPv{port.version}) no more"
        case Put(address, interface):
            return f"put {address} on {interface}"
        case Remove(address, interface):
            return f"take {address} off {interface}"


def dotted(setting: str) -> str:
    """A setting as sysctl(8) names it; a dot in an interface's name becomes a slash there."""
    return "net." + ".".join(part.replace(".", "/") for part in setting.split("/"))
