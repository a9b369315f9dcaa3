"""Groups, their virtual addresses, and what these collide with."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from ipaddress import ip_network

from vedette.kit.net import IPAddress
from vedette.spec import defaults, hosts, values, words
from vedette.spec.model import groups as model
from vedette.spec.resolve.nodes import own_addresses
from vedette.spec.resolve.scope import GROUPS, NODES, Scope, duration
from vedette.spec.resolved import Failback, Group, Node, Role, VirtualAddress
from vedette.spec.tree import Path

MOST_ADDRESSES = 4096
"""Virtual addresses of a cluster, once ranges are expanded."""

Expanded = Sequence[Sequence[Sequence[VirtualAddress]]]
"""Virtual addresses by group, by item as written, one by one."""


@dataclass(frozen=True, slots=True)
class Held:
    """Addresses that one name stands for, and the group that holds them."""

    group: str
    addresses: tuple[VirtualAddress, ...]


@dataclass(frozen=True, slots=True)
class AddressBook:
    """Virtual addresses by name (a name may be used in several groups) and one by one."""

    by_name: Mapping[str, Sequence[Held]]
    by_address: Mapping[IPAddress, Held]

    def find(self, reference: str) -> Sequence[Held]:
        """Return what a reference may mean: a name, or one address as text."""
        named = self.by_name.get(reference)
        if named:
            return named
        try:
            held = self.by_address.get(values.parse_address(reference))
        except values.BadValueError:
            return ()
        return () if held is None else (held,)


def expand(scope: Scope) -> Expanded:
    """Expand the addresses of all groups; those beyond the most that a cluster has are reported and left out."""
    room = MOST_ADDRESSES
    expanded: list[list[tuple[VirtualAddress, ...]]] = []
    for group_index, group in enumerate(scope.spec.groups):
        items: list[tuple[VirtualAddress, ...]] = []
        for index, item in enumerate(group.addresses):
            found = values.parse_virtual_address(item.address)
            if len(found) > room:
                path = (*GROUPS, group_index, "addresses", index, "address")
                scope.fault(path, f"more than {MOST_ADDRESSES} virtual addresses", "write shorter ranges")
                items.append(())
                continue
            room -= len(found)
            items.append(_addresses(item, found))
        expanded.append(items)
    return expanded


def _addresses(item: model.GroupAddress, found: values.AddressRange) -> tuple[VirtualAddress, ...]:
    """Expand a range; its members go by their own text, an address alone by its name."""
    length = found.first.max_prefixlen if found.prefix_length is None else found.prefix_length
    return tuple(
        VirtualAddress(
            name=item.name if item.name and len(found) == 1 else str(address),
            address=address,
            prefix_length=length,
            interface=item.interface,
        )
        for address in found.expand()
    )


def resolve_groups(scope: Scope, nodes: Sequence[Node], expanded: Expanded) -> tuple[Group, ...]:
    """Resolve all groups; collisions of their addresses are reported."""
    groups = tuple(
        _group(scope, group, nodes, expanded[index], (*GROUPS, index)) for index, group in enumerate(scope.spec.groups)
    )
    if len(groups) > 1:
        for index, group in enumerate(scope.spec.groups):
            path = (*GROUPS, index)
            if group.name is None and scope.sound((*path, "name")):
                scope.fault(path, "with several groups each needs a `name`", "add `name: web`")
    _check_collisions(scope, expanded)
    return groups


def _group(
    scope: Scope,
    group: model.Group,
    nodes: Sequence[Node],
    expanded: Sequence[Sequence[VirtualAddress]],
    path: Path,
) -> Group:
    directors = tuple(node.name for node in nodes if node.role is Role.DIRECTOR)
    allowed = _nodes(scope, group.nodes, nodes, (*path, "nodes")) or directors
    preferred = _nodes(scope, group.preferred_nodes, nodes, (*path, "preferredNodes"))
    for index, name in enumerate(preferred):
        if group.nodes is not None and name not in group.nodes and scope.sound((*path, "nodes")):
            scope.fault(
                (*path, "preferredNodes", index),
                f"`{name}` is not among the `nodes` of this group",
                "add it to `nodes`",
            )
    if group.failback_delay is not None and not group.preferred_nodes:
        scope.findings.warn((*path, "failbackDelay"), "has no effect without `preferredNodes`")
    return Group(
        name=group.name or defaults.GROUP,
        addresses=tuple(address for item in expanded for address in item),
        nodes=allowed,
        preferred_nodes=preferred,
        failback=Failback(group.failback or "automatic"),
        failback_delay=duration(group.failback_delay, 0),
        maintenance=bool(group.maintenance),
        conflict_detection=group.conflict_detection is not False,
    )


def _nodes(scope: Scope, names: Sequence[str] | None, nodes: Sequence[Node], path: Path) -> tuple[str, ...]:
    roles = {node.name: node.role for node in nodes}
    for index, name in enumerate(names or ()):
        if name not in roles:
            if scope.intact(NODES, "name"):
                remedy = words.for_reference(name, list(roles))
                scope.fault((*path, index), f"there is no node `{values.shorten(name)}`", remedy)
        elif roles[name] is Role.WITNESS:
            scope.fault((*path, index), f"`{name}` is a witness: it votes and holds nothing", "leave it out here")
        elif name in (names or ())[:index]:
            scope.fault((*path, index), f"`{name}` is listed twice", "keep one of them")
    return tuple(names or ())


def address_book(scope: Scope, expanded: Expanded) -> AddressBook:
    """List every virtual address by what virtual services may call it."""
    by_name: defaultdict[str, list[Held]] = defaultdict(list)
    by_address: dict[IPAddress, Held] = {}
    for group, items in zip(scope.spec.groups, expanded, strict=True):
        holder = group.name or defaults.GROUP
        for written, addresses in zip(group.addresses, items, strict=True):
            name = written.name or written.address.partition("/")[0]
            by_name[name].append(Held(holder, tuple(addresses)))
            for address in addresses:
                by_address.setdefault(address.address, Held(holder, (address,)))
    return AddressBook(dict(by_name), by_address)


def _check_collisions(scope: Scope, expanded: Expanded) -> None:
    """Report virtual addresses that exist twice, belong to a node, or cannot be an address of anything."""
    owners = {address: name for address, name, _ in own_addresses(scope)}
    seen: dict[IPAddress, Path] = {}
    for group_index, items in enumerate(expanded):
        for index, addresses in enumerate(items):
            path = (*GROUPS, group_index, "addresses", index, "address")
            if not scope.sound(path):
                continue
            for address in addresses:
                fault = _collision(address, owners, seen)
                if fault:
                    scope.fault(path, *fault)
                    break
                fault = _unfit(address)
                if fault:
                    scope.fault(path, *fault)
                    scope.findings.spoil(scope.findings.tree.original(path))  # services may name the right one
                    break
                seen[address.address] = path


def _collision(
    virtual: VirtualAddress, owners: Mapping[IPAddress, str], seen: Mapping[IPAddress, Path]
) -> tuple[str, str] | None:
    address = virtual.address
    if address in owners:
        remedy = "a virtual address moves between nodes: choose one that is nobody's own"
        return f"{address} is the own address of node `{owners[address]}`", remedy
    if address in seen:
        group, item = seen[address][2], seen[address][4]
        return f"{address} is already in groups[{group}].addresses[{item}]", "keep it in one place"
    return None


def _unfit(virtual: VirtualAddress) -> tuple[str, str] | None:
    """Why it can be the address of nothing, and what to do, if so."""
    address = virtual.address
    if address.is_loopback or not hosts.names_a_host(address):
        return f"{address} cannot be a virtual address", "write the address of one host"
    if address.version == 6 and address.is_link_local and virtual.interface is None:
        return f"{address} may be on every interface", "say on which: add `interface: lan`"
    if address.version == 4 and virtual.prefix_length < 31:
        network = ip_network(f"{address}/{virtual.prefix_length}", strict=False)
        if address in (network.network_address, network.broadcast_address):
            return f"{address} is the network's or broadcast address of {network}", "write the address of a host"
    return None
