"""Which Ethernet segments a document speaks of, and the subnets on them. Pure.

The document gives addresses, a prefix length with some of them, and logical interface names with some. Two things
are on one segment when they share a logical name, a kernel name on a node, a link, or a subnet.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from ipaddress import ip_network

from vedette.kit.errors import UsageError
from vedette.kit.net import IPAddress
from vedette.lab.topology import IPNetwork
from vedette.spec.resolved import ClusterSpec, Role, VirtualAddress

USUAL = {4: 24, 6: 64}
"""The prefix length of a subnet that the document only shows addresses of."""
NARROWEST = {4: 30, 6: 126}
SEARCHED = 4096
"""How many addresses from a subnet's end are looked at for a free one."""


@dataclass(slots=True, eq=False)
class Segment:
    """A network in the making."""

    names: list[str] = field(default_factory=list)
    subnets: list[IPNetwork] = field(default_factory=list)

    @property
    def name(self) -> str:
        return self.names[0] if self.names else str(self.subnets[0])

    def contains(self, address: IPAddress) -> bool:
        return self.subnet_of(address) is not None

    def subnet_of(self, address: IPAddress) -> IPNetwork | None:
        """The narrowest subnet that contains the address."""
        found = [subnet for subnet in self.subnets if address in subnet]
        return max(found, key=lambda subnet: subnet.prefixlen, default=None)


class Segments:
    """All segments of a document, in the order in which the document brings them up."""

    def __init__(self, spec: ClusterSpec) -> None:
        self._spec = spec
        self._all: list[Segment] = []
        self._taken = set(_addresses(spec))
        self._name_interfaces()
        vips = [vip for group in spec.groups for vip in group.addresses]
        for vip in vips:
            if vip.interface is not None and _has_subnet(vip):
                _add(self.named(vip.interface), _subnet(vip))
        # Subnets that are known by their prefix; which segment they are on is seen from the nodes' addresses.
        self._loose = [_subnet(vip) for vip in vips if vip.interface is None and _has_subnet(vip)]
        for link in spec.heartbeat.links:
            segment = self.named(link.interface) if link.interface is not None else None
            self._place(link.addresses.values(), segment)
        self._place([node.address for node in spec.nodes if node.address is not None], None)
        for vip in vips:
            self._place([vip.address], self.named(vip.interface) if vip.interface is not None else None)

    def __iter__(self) -> Iterator[Segment]:
        return iter(self._all)

    def named(self, interface: str) -> Segment:
        """The segment of a logical interface; raises ``KeyError``."""
        for segment in self._all:
            if interface in segment.names:
                return segment
        raise KeyError(interface)

    def of(self, address: IPAddress) -> Segment | None:
        """The segment whose subnet contains the address most narrowly."""
        found = [segment for segment in self._all if segment.contains(address)]
        return max(found, key=lambda segment: _length(segment, address), default=None)

    def of_vip(self, vip: VirtualAddress) -> Segment:
        segment = self.named(vip.interface) if vip.interface is not None else self.of(vip.address)
        assert segment is not None, "every VIP was placed"
        return segment

    def place(self, address: IPAddress) -> Segment:
        """The segment of an address that may be on none yet: then it gets one of its own."""
        self._taken.add(address)
        self._place([address], None)
        segment = self.of(address)
        assert segment is not None
        return segment

    def place_devices(self, addresses: Iterable[IPAddress]) -> None:
        """See to it that each device is in a subnet: those that are in none are on one network, the management's."""
        wanted = list(addresses)
        self._taken.update(wanted)
        strangers = [address for address in wanted if self.of(address) is None]
        if strangers:
            management = Segment()
            self._all.append(management)
            self._place(strangers, management)

    def free_address(self, subnet: IPNetwork) -> IPAddress | None:
        """Take an unused address, from the subnet's end; None when there is none."""
        last = int(subnet.broadcast_address) - (1 if subnet.version == 4 and subnet.prefixlen < 31 else 0)
        for number in range(last, max(int(subnet.network_address), last - SEARCHED), -1):
            address: IPAddress = subnet[number - int(subnet.network_address)]
            if address not in self._taken:
                self._taken.add(address)
                return address
        return None

    def clients(self, number: int, version: int) -> IPNetwork:
        """A subnet for clients that the document does not speak of (RFC 2544, RFC 5180: benchmarking)."""
        for index in range(number, 256):
            subnet = ip_network(f"198.18.{index}.0/24" if version == 4 else f"2001:2:0:{index:x}::/64")
            if not any(_overlap(subnet, other) for segment in self._all for other in segment.subnets):
                return subnet
        raise UsageError("the document uses all of 198.18.0.0/16; the lab needs a subnet of it for its client")

    def _name_interfaces(self) -> None:
        """One segment for each logical interface; names that mean one kernel interface on a node are one segment."""
        spec = self._spec
        names = [link.interface for link in spec.heartbeat.links if link.interface is not None]
        names += [vip.interface for group in spec.groups for vip in group.addresses if vip.interface is not None]
        names += [name for node in spec.nodes for name in node.interfaces]
        for name in dict.fromkeys(names):
            kernel = {(node.name, node.kernel_interface(name)) for node in spec.nodes if node.role is Role.DIRECTOR}
            for segment in self._all:
                others = {
                    (node.name, node.kernel_interface(other))
                    for node in spec.nodes
                    for other in segment.names
                    if node.role is Role.DIRECTOR
                }
                if kernel & others:
                    segment.names.append(name)
                    break
            else:
                self._all.append(Segment(names=[name]))

    def _place(self, addresses: Iterable[IPAddress], segment: Segment | None) -> None:
        """See to it that each address is in a subnet, and all of them on one segment (``segment`` if given)."""
        wanted = [address for address in addresses if not (address.is_loopback or address.is_link_local)]
        inferred = segment is None
        if segment is None:
            segment = next((found for found in map(self.of, wanted) if found is not None), None)
        for address in wanted:
            if segment is not None and segment.contains(address):
                continue
            if segment is None:
                segment = Segment()
                self._all.append(segment)
            elif inferred and self.of(address) is not None:
                continue  # on another segment already: routed between them
            _add(segment, self._guess(address))

    def _guess(self, address: IPAddress) -> IPNetwork:
        """The subnet that a prefix elsewhere gives, or the usual one, narrowed until it overlaps no other."""
        known = [subnet for subnet in self._loose if address in subnet]
        if known:
            return max(known, key=lambda subnet: subnet.prefixlen)
        others = [subnet for segment in self._all for subnet in segment.subnets] + self._loose
        for length in range(USUAL[address.version], NARROWEST[address.version] + 1):
            subnet: IPNetwork = ip_network(f"{address}/{length}", strict=False)
            if not any(_overlap(subnet, other) for other in others):
                return subnet
        return ip_network(f"{address}/{address.max_prefixlen}")


def _addresses(spec: ClusterSpec) -> Iterator[IPAddress]:
    """Every address that the document gives to somebody."""
    for node in spec.nodes:
        if node.address is not None:
            yield node.address
    for link in spec.heartbeat.links:
        yield from link.addresses.values()
    for group in spec.groups:
        yield from (vip.address for vip in group.addresses)
    for service in spec.virtual_services:
        yield from (server.address for server in service.real_servers)


def _add(segment: Segment, subnet: IPNetwork) -> None:
    if subnet not in segment.subnets:
        segment.subnets.append(subnet)


def _has_subnet(vip: VirtualAddress) -> bool:
    return vip.prefix_length < vip.address.max_prefixlen


def _subnet(vip: VirtualAddress) -> IPNetwork:
    return ip_network(f"{vip.address}/{vip.prefix_length}", strict=False)


def _overlap(one: IPNetwork, other: IPNetwork) -> bool:
    return one.version == other.version and one.overlaps(other)


def _length(segment: Segment, address: IPAddress) -> int:
    subnet = segment.subnet_of(address)
    return -1 if subnet is None else subnet.prefixlen
