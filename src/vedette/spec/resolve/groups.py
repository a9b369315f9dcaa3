"""Groups, their virtual addresses, and what these collide with."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_network

from vedette.kit.net import IPAddress
from vedette.spec import defaults, values, words
from vedette.spec.model import groups as model
from vedette.spec.resolve.nodes import own_addresses
from vedette.spec.resolve.scope import GROUPS, NODES, Scope, duration
from vedette.spec.resolved import Failback, Group, Node, Role, VirtualAddress
from vedette.spec.tree import Path

MOST_ADDRESSES = 4096
"""Virtual addresses of a cluster, once ranges are expanded."""


@dataclass(frozen=True, slots=True)
class Held:
    """Addresses that one name stands for, and the group that holds them."""

    group: str
    addresses: tuple[VirtualAddress, ...]


@dataclass(frozen=True, slots=True)
class AddressBook:
    """Virtual addresses by name (a name may be used in several groups) and one by one."""

    by_name: Mapping[str, Sequence[Held]] = field(default_factory=lambda: defaultdict(list))
    by_address: Mapping[IPAddress, Held] = field(default_factory=dict)

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


def resolve_groups(scope: Scope, nodes: Sequence[Node]) -> tuple[Group, ...]:
    """Resolve all groups; collisions of their addresses are reported."""
    groups = tuple(_group(scope, group, nodes, (*GROUPS, index)) for index, group in enumerate(scope.spec.groups))
    unnamed = [index for index, group in enumerate(scope.spec.groups) if group.name is None]
    if len(scope.spec.groups) > 1:
        for index in unnamed:
            path = (*GROUPS, index)
            if scope.sound((*path, "name")):
                scope.fault(path, "with several groups each needs a `name`", "add `name: web`")
    _check_collisions(scope)
    return groups


def _group(scope: Scope, group: model.Group, nodes: Sequence[Node], path: Path) -> Group:
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
        addresses=tuple(address for item in group.addresses for address in _expand(item)),
        nodes=allowed,
        preferred_nodes=preferred,
        failback=Failback(group.failback or "automatic"),
        failback_delay=duration(group.failback_delay, 0),
        maintenance=bool(group.maintenance),
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


def _expand(item: model.GroupAddress) -> tuple[VirtualAddress, ...]:
    """Expand a range; its members go by their own text, an address alone by its name."""
    found = values.parse_virtual_address(item.address)
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


def address_name(item: model.GroupAddress) -> str:
    """Return the name of an address or range: as written, or its text without the prefix."""
    return item.name or item.address.partition("/")[0]


def address_book(scope: Scope) -> AddressBook:
    """List every virtual address by what virtual services may call it."""
    book = AddressBook(defaultdict(list), {})
    assert isinstance(book.by_name, dict)
    assert isinstance(book.by_address, dict)
    for group in scope.spec.groups:
        for item in group.addresses:
            name = group.name or defaults.GROUP
            addresses = _expand(item)
            book.by_name[address_name(item)].append(Held(name, addresses))
            for address in addresses:
                book.by_address.setdefault(address.address, Held(name, (address,)))
    return book


def _written(scope: Scope) -> Iterator[tuple[model.GroupAddress, Path]]:
    for group_index, group in enumerate(scope.spec.groups):
        for index, item in enumerate(group.addresses):
            path = (*GROUPS, group_index, "addresses", index, "address")
            if scope.sound(path):
                yield item, path


def _check_collisions(scope: Scope) -> None:
    """Report virtual addresses that exist twice, belong to a node, or cannot be an address of anything."""
    owners = {address: name for address, name, _ in own_addresses(scope)}
    seen: dict[IPAddress, Path] = {}
    count = 0
    for item, path in _written(scope):
        written = values.parse_virtual_address(item.address)
        count += len(written)
        if count > MOST_ADDRESSES:
            scope.fault(path, f"more than {MOST_ADDRESSES} virtual addresses", "write shorter ranges")
            return
        for address in written.expand():
            fault = _collision(address, written, owners, seen)
            if fault:
                scope.fault(path, *fault)
                break
            seen[address] = path


def _collision(
    address: IPAddress, written: values.AddressRange, owners: Mapping[IPAddress, str], seen: Mapping[IPAddress, Path]
) -> tuple[str, str] | None:
    if address in owners:
        remedy = "a virtual address moves between nodes: choose one that is nobody's own"
        return f"{address} is the own address of node `{owners[address]}`", remedy
    if address in seen:
        group, item = seen[address][2], seen[address][4]
        return f"{address} is already in groups[{group}].addresses[{item}]", "keep it in one place"
    if address.is_multicast or address.is_loopback or address.is_unspecified:
        return f"{address} cannot be a virtual address", "write an address of one host"
    if address.version == 4 and written.prefix_length is not None and written.prefix_length < 31:
        network = ip_network(f"{address}/{written.prefix_length}", strict=False)
        if address in (network.network_address, network.broadcast_address):
            return f"{address} is the network's or broadcast address of {network}", "write the address of a host"
    return None
