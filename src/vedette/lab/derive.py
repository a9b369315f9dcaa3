"""From a document to the lab that it implies. Pure; the rules in prose are in ``docs/lab.md``."""

from collections.abc import Iterable, Iterator

from vedette.kit.errors import UsageError
from vedette.kit.net import IPAddress
from vedette.lab import devices, probes, standins
from vedette.lab.devices import StandIn
from vedette.lab.subnets import Segment, Segments
from vedette.lab.topology import DevicePlan, InterfaceAddress, Leg, MachinePlan, Network, ServerPlan, Topology
from vedette.spec.resolved import ClusterSpec, Forwarding, Group, Node, Role

MOST_SERVERS = 900
"""Stand-ins in one lab; a Linux bridge has 1,024 ports."""
_CLIENT, _DEVICES, _FIRST_SERVER = 0xFF, 0xFE, 0x100


def topology(spec: ClusterSpec) -> Topology:
    """Derive the whole lab; raises :class:`vedette.kit.errors.UsageError` when it would be too large."""
    return _Derivation(spec).result()


class _Derivation:
    def __init__(self, spec: ClusterSpec) -> None:
        self._spec = spec
        self._notes: list[str] = []
        self._stand_ins = standins.of(spec)
        if len(self._stand_ins) > MOST_SERVERS:
            raise UsageError(f"the document has {len(self._stand_ins)} real servers; a lab holds {MOST_SERVERS}")
        self._segments = Segments(spec)
        self._homes = {address: self._segments.place(address) for address in self._stand_ins}
        self._devices, notes = devices.of(spec)
        self._notes += notes
        self._notes += [
            f"the client does not try {service.name}: {reason}"
            for service in spec.virtual_services
            if (reason := probes.untried(service))
        ]
        self._segments.place_devices(device.address for device in self._devices)
        self._order = list(self._segments)
        self._vips = self._vips_by_segment()

    def result(self) -> Topology:
        machines = [self._machine(index, node) for index, node in enumerate(self._spec.nodes)]
        client = self._client()
        outside = [leg for leg in client if leg.addresses]
        servers = [
            self._server(index, address, machines, outside)
            for index, address in enumerate(sorted_addresses(self._homes))
        ]
        machines = [self._with_routes(plan, outside) for plan in machines]
        return Topology(
            networks=tuple(
                Network(segment.name, self._bridge(segment), tuple(map(str, segment.subnets)))
                for segment in self._order
            ),
            machines=tuple(machines),
            servers=tuple(servers),
            client=tuple(self._with_bare_legs(client, servers)),
            devices=tuple(self._device_plans()),
            notes=tuple(dict.fromkeys(self._notes)),
        )

    # Machines

    def _machine(self, index: int, node: Node) -> MachinePlan:
        named = {node.kernel_interface(name) for segment in self._order for name in segment.names}
        numbered = (name for name in (f"eth{number}" for number in range(1000)) if name not in named)
        legs: list[Leg] = []
        for segment in self._segments_of(node):
            names = [node.kernel_interface(name) for name in self._names(node, segment)] or [next(numbered)]
            for position, interface in enumerate(dict.fromkeys(names)):
                addresses = tuple(self._addresses(node, segment)) if position == 0 else ()
                legs.append(self._leg(segment, interface, owner=index, port=f"m{index}.{len(legs)}", own=addresses))
        return MachinePlan(node.name, node.role, tuple(legs), self._watchdog())

    def _watchdog(self) -> str | None:
        return self._spec.watchdog.device if self._spec.watchdog is not None else None

    def _names(self, node: Node, segment: Segment) -> list[str]:
        """The logical names of a segment that mean something on a node: on a witness only its own and the links'."""
        if node.role is Role.DIRECTOR:
            return segment.names
        links = {link.interface for link in self._spec.heartbeat.links}
        return [name for name in segment.names if name in node.interfaces or name in links]

    def _segments_of(self, node: Node) -> list[Segment]:
        """Directors are on every segment, a witness on those of the links; the one of its address comes first."""
        own = set(self._own_addresses(node))
        home = self._segments.of(node.address) if node.address is not None else None
        links = [self._segments.named(link.interface) for link in self._spec.heartbeat.links if link.interface]
        wanted = [
            segment
            for segment in self._order
            if node.role is Role.DIRECTOR or segment in links or any(map(segment.contains, own))
        ]
        return sorted(wanted, key=lambda segment: segment is not home)

    def _own_addresses(self, node: Node) -> Iterator[IPAddress]:
        if node.address is not None:
            yield node.address
        for link in self._spec.heartbeat.links:
            if node.name in link.addresses:
                yield link.addresses[node.name]

    def _addresses(self, node: Node, segment: Segment) -> Iterator[InterfaceAddress]:
        """The node's own addresses on a segment, and a free one in each subnet where it has none."""
        own = [found for found in dict.fromkeys(self._own_addresses(node)) if self._segments.of(found) is segment]
        for address in own:
            subnet = segment.subnet_of(address)
            assert subnet is not None
            yield InterfaceAddress(address, subnet.prefixlen)
        for subnet in segment.subnets:
            if any(address in subnet for address in own) or (node.role is Role.WITNESS and own):
                continue
            free = self._segments.free_address(subnet)
            if free is not None:
                yield InterfaceAddress(free, subnet.prefixlen)

    def _with_routes(self, plan: MachinePlan, client: list[Leg]) -> MachinePlan:
        """Let a machine reach every subnet of its segments, and the clients' there, without a gateway."""
        legs = []
        for leg in plan.legs:
            segment = self._segment(leg.network)
            subnets = [str(subnet) for subnet in segment.subnets]
            subnets += [
                str(address.subnet) for other in client if other.network == leg.network for address in other.addresses
            ]
            present = {str(address.subnet) for other in plan.legs for address in other.addresses}
            missing = tuple(subnet for subnet in dict.fromkeys(subnets) if subnet not in present)
            legs.append(_replaced(leg, on_link=missing))
        return MachinePlan(plan.name, plan.role, tuple(legs), plan.watchdog)

    # The client

    def _vips_by_segment(self) -> dict[str, list[IPAddress]]:
        found: dict[str, list[IPAddress]] = {}
        for group in self._spec.groups:
            for vip in group.addresses:
                found.setdefault(self._segments.of_vip(vip).name, []).append(vip.address)
        return found

    def _client(self) -> list[Leg]:
        """A leg on every segment that has VIPs.

        Where masqueraded real servers are on the same segment the client is in a subnet that they do not know,
        so that their answers go through the director, as IPVS's masquerading needs.
        """
        legs: list[Leg] = []
        for segment in self._order:
            vips = self._vips.get(segment.name, [])
            if not vips:
                continue
            own, on_link = [], []
            for version in sorted({vip.version for vip in vips}):
                mine = [vip for vip in vips if vip.version == version]
                address = self._client_address(segment, mine)
                own.append(address)
                on_link += [f"{vip}/{vip.max_prefixlen}" for vip in mine if vip not in address.subnet]
            leg = self._leg(segment, f"eth{len(legs)}", owner=_CLIENT, port=f"c.{len(legs)}", own=tuple(own))
            legs.append(_replaced(leg, on_link=tuple(on_link)))
        return legs

    def _client_address(self, segment: Segment, vips: list[IPAddress]) -> InterfaceAddress:
        version = vips[0].version
        one_arm = any(
            home is segment and address.version == version and self._stand_ins[address].masqueraded
            for address, home in self._homes.items()
        )
        subnet = segment.subnet_of(vips[0])
        free = self._segments.free_address(subnet) if subnet is not None and not one_arm else None
        if subnet is None or free is None:
            subnet = self._segments.clients(self._order.index(segment), version)
            free = self._segments.free_address(subnet)
        assert free is not None
        return InterfaceAddress(free, subnet.prefixlen)

    def _with_bare_legs(self, client: list[Leg], servers: list[ServerPlan]) -> Iterator[Leg]:
        """Directly routed real servers answer the client on their own segment: it needs an ear there."""
        yield from client
        seen = {leg.network for leg in client}
        for plan in servers:
            if plan.virtual and plan.leg.network not in seen:
                seen.add(plan.leg.network)
                number = len(seen) - 1
                yield self._leg(
                    self._segment(plan.leg.network), f"eth{number}", owner=_CLIENT, port=f"c.{number}", own=()
                )

    # Stand-ins for servers

    def _server(self, index: int, address: IPAddress, machines: list[MachinePlan], client: list[Leg]) -> ServerPlan:
        stand_in, segment = self._stand_ins[address], self._homes[address]
        subnet = segment.subnet_of(address)
        assert subnet is not None
        own = InterfaceAddress(address, subnet.prefixlen)
        leg = self._leg(segment, "eth0", owner=_FIRST_SERVER + index, port=f"s{index}", own=(own,))
        gateway = self._gateway(address, segment, machines) if stand_in.masqueraded else None
        on_link = [f"{gateway}/{gateway.max_prefixlen}"] if gateway is not None and gateway not in subnet else []
        if gateway is None:
            on_link += [
                str(other.subnet)
                for source in client
                for other in source.addresses
                if other.address.version == address.version and other.subnet != subnet
            ]
        elif stand_in.virtual:
            self._notes.append(
                f"{address} is masqueraded and routed directly at once; the lab lets it answer through {gateway}"
            )
        if any(page.body is None for page in stand_in.pages):
            self._notes.append(
                f"the stand-in for {address} cannot pass its check: no text comes to mind for its `body`"
            )
        for strange in sorted(stand_in.strange):
            self._notes.append(f"the stand-in for {address} cannot pass its check: {strange}")
        return ServerPlan(
            address=address,
            leg=_replaced(leg, on_link=tuple(dict.fromkeys(on_link))),
            gateway=gateway,
            virtual=tuple(stand_in.virtual),
            listeners=tuple(sorted(stand_in.listeners)),
            pages=tuple(stand_in.pages),
        )

    # Stand-ins for fencing devices

    def _device_plans(self) -> Iterator[DevicePlan]:
        """One for each simulator; those of one address share a wire, as the services of one machine do."""
        legs: dict[IPAddress, Leg] = {}
        for device in self._devices:
            leg = legs.get(device.address)
            if leg is None:
                leg = legs[device.address] = self._device_leg(device, number=len(legs))
            yield DevicePlan(
                names=tuple(device.names),
                simulator=device.simulator,
                address=device.address,
                port=device.port,
                leg=leg,
                plugs=device.plugs,
                words=device.words,
            )

    def _device_leg(self, device: StandIn, *, number: int) -> Leg:
        segment = self._segments.of(device.address)
        subnet = segment.subnet_of(device.address) if segment is not None else None
        assert segment is not None
        assert subnet is not None
        own = InterfaceAddress(device.address, subnet.prefixlen)
        return self._leg(segment, "eth0", owner=_DEVICES, port=f"d.{number}", own=(own,))

    def _gateway(self, address: IPAddress, segment: Segment, machines: list[MachinePlan]) -> IPAddress | None:
        """The way back through whichever director holds the service's group."""
        groups = self._groups_of(address)
        used = {endpoint.address for service in self._spec.virtual_services for endpoint in service.endpoints}
        near = [
            vip.address
            for group in groups
            for vip in group.addresses
            if vip.address.version == address.version and self._segments.of_vip(vip) is segment
        ]
        subnet = segment.subnet_of(address)
        if near:
            return min(near, key=lambda vip: (subnet is None or vip not in subnet, vip in used))
        first = groups[0].preferred_nodes[:1] or groups[0].nodes[:1] if groups else ()
        for plan in machines:
            if plan.name in first:
                own = next(iter(_on(plan, segment.name, address.version)), None)
                self._notes.append(
                    f"no address of group {groups[0].name} is on the network {segment.name} of its real servers: they "
                    f"answer through {plan.name} only, and no fail-over helps them; give the group an address there"
                )
                return own
        return None

    def _groups_of(self, address: IPAddress) -> list[Group]:
        names = {
            service.group
            for service in self._spec.virtual_services
            if service.forwarding is Forwarding.MASQUERADE and address in standins.addresses_of(service)
        }
        return [group for group in self._spec.groups if group.name in names]

    # Words

    def _bridge(self, segment: Segment) -> str:
        return f"n{self._order.index(segment)}"

    def _segment(self, name: str) -> Segment:
        return next(segment for segment in self._order if segment.name == name)

    def _leg(
        self, segment: Segment, interface: str, *, owner: int, port: str, own: tuple[InterfaceAddress, ...]
    ) -> Leg:
        network, last = self._order.index(segment), int(port.rpartition(".")[2].lstrip("s"))
        numbers = (owner >> 8, owner & 0xFF, network & 0xFF, last & 0xFF)
        mac = "02:76:" + ":".join(f"{number:02x}" for number in numbers)
        return Leg(segment.name, interface, port, mac, own)


def sorted_addresses(addresses: Iterable[IPAddress]) -> list[IPAddress]:
    """IPv4 first, each family in its own order."""
    return sorted(addresses, key=lambda address: (address.version, int(address)))


def _replaced(leg: Leg, *, on_link: tuple[str, ...]) -> Leg:
    return Leg(leg.network, leg.interface, leg.port, leg.mac, leg.addresses, on_link)


def _on(plan: MachinePlan, network: str, version: int) -> Iterator[IPAddress]:
    for leg in plan.legs:
        if leg.network == network:
            yield from (found.address for found in leg.addresses if found.address.version == version)
