"""The words of the address domain: what is wanted, what the kernel shows, what is reported."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from vedette.kit.net import IPAddress

FOREVER = 2**63 - 1
"""A deadline that never comes (CLOCK_BOOTTIME ns)."""

LOOPBACK = 1
"""The interface index of ``lo``: the kernel creates it first in every network namespace."""


@dataclass(frozen=True, slots=True)
class Vip:
    """A virtual address of the document. ``interface`` is a kernel name; ``None`` = where its subnet is."""

    address: IPAddress
    group: str
    interface: str | None = None
    ask_first: bool = True
    """Whether the wire is asked who has it before it is claimed."""


@dataclass(frozen=True, slots=True)
class Link:
    """A network interface. ``carrier``: it is up and the cable (or what stands for it) is connected."""

    index: int
    name: str
    mac: bytes
    up: bool
    carrier: bool


@dataclass(frozen=True, slots=True)
class Assigned:
    """An address as the kernel shows it on one interface.

    ``valid`` is the rest of its lifetime in whole seconds, ``None`` = permanent; ``protocol`` is IFA_PROTO (0 = unset).
    """

    address: IPAddress
    prefix_length: int
    index: int
    valid: int | None = None
    protocol: int = 0

    @property
    def host_route(self) -> bool:
        """Whether it is a /32 or /128, the only form in which Vedette puts an address anywhere."""
        return self.prefix_length == self.address.max_prefixlen


@dataclass(frozen=True, slots=True)
class Observed:
    """The kernel's interfaces (by index) and addresses at one moment.

    ``seated``: every /32 or /128, by interface. ``networks``: the other addresses, but for those on ``lo``.
    """

    links: Mapping[int, Link]
    addresses: tuple[Assigned, ...]
    seated: frozenset[tuple[IPAddress, int]] = field(init=False, compare=False, repr=False)
    networks: tuple[Assigned, ...] = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        # Looked up for every one of thousands of VIPs.
        seated = frozenset((item.address, item.index) for item in self.addresses if item.host_route)
        networks = tuple(item for item in self.addresses if not item.host_route and item.index != LOOPBACK)
        object.__setattr__(self, "seated", seated)
        object.__setattr__(self, "networks", networks)

    def link_named(self, name: str) -> Link | None:
        return next((link for link in self.links.values() if link.name == name), None)


@dataclass(frozen=True, slots=True)
class Put:
    """Add the address as /32 or /128, or give it a new ``lifetime`` (whole seconds; ``None`` = permanent)."""

    address: IPAddress
    index: int
    lifetime: int | None


@dataclass(frozen=True, slots=True)
class Remove:
    """Take the /32 or /128 off one interface; it may be gone already."""

    address: IPAddress
    index: int


Change = Put | Remove


@dataclass(frozen=True, slots=True)
class AddressStatus:
    """One VIP, for ``vedette status``.

    ``interface`` is the kernel's name, ``None`` where none fits; ``answering`` means that it is there and the gate
    lets ARP, neighbour discovery and packets pass; ``problem`` is empty or a sentence for the operator.
    """

    group: str
    address: IPAddress
    interface: str | None
    on_interface: bool
    on_lo: bool
    answering: bool
    problem: str


@dataclass(frozen=True, slots=True)
class Cluster:
    """What this node knows of the others, as far as addresses are concerned.

    ``holders``: of each group who holds it. ``macs``: with which MACs each node answers. ``behind`` are heard and have
    another document, ``same`` are heard and have this one; ``present`` are all that there are, this one included.
    """

    holders: Mapping[str, str | None]
    macs: Mapping[str, frozenset[bytes]] = field(default_factory=dict)
    behind: frozenset[str] = frozenset()
    same: frozenset[str] = frozenset()
    present: frozenset[str] = frozenset()


# What is reported


@dataclass(frozen=True, slots=True)
class Ethernet:
    """The MACs with which this node answers for its addresses, in order."""

    macs: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Emptied:
    """The kernel confirmed that no interface (``lo`` aside) has an address of this group any more."""

    group: str


@dataclass(frozen=True, slots=True)
class Repaired:
    """An address of a held group had vanished and is back."""

    address: IPAddress


@dataclass(frozen=True, slots=True)
class Conflict:
    """Somebody else (``mac``) claims an address that we hold."""

    address: IPAddress
    mac: str


@dataclass(frozen=True, slots=True)
class Occupied:
    """A stranger (``mac``) has an address that is to be claimed here; it is not, as long as that is so."""

    address: IPAddress
    mac: str


@dataclass(frozen=True, slots=True)
class Vacant:
    """Nobody answers any more for an address that was :class:`Occupied`."""

    address: IPAddress


@dataclass(frozen=True, slots=True)
class GateFailed:
    """The kernel does not enforce the end of a lease; nothing must be held."""

    reason: str


@dataclass(frozen=True, slots=True)
class GateWorks:
    """Every interface that carries VIPs is behind the gate. Reported at first and after each :class:`GateFailed`."""


@dataclass(frozen=True, slots=True)
class CarrierChanged:
    """The interfaces of this group's addresses all have a carrier (``up``), or one of them has none."""

    group: str
    up: bool


@dataclass(frozen=True, slots=True)
class AbilityChanged:
    """The kernel refuses an address of this group, again and again (``reason``), or that is no longer known ("")."""

    group: str
    reason: str


AddressEvent = (
    Ethernet
    | Emptied
    | Repaired
    | Conflict
    | Occupied
    | Vacant
    | GateFailed
    | GateWorks
    | CarrierChanged
    | AbilityChanged
)
