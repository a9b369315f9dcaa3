"""Nodes and the links between them."""

from collections.abc import Iterator, Mapping
from itertools import combinations

from vedette.kit.net import IPAddress
from vedette.spec import defaults, hosts, values, words
from vedette.spec.model import cluster as model
from vedette.spec.resolve.fencing import resolve_fencing
from vedette.spec.resolve.scope import LINKS, NODES, Scope
from vedette.spec.resolved import Link, Node, Role
from vedette.spec.tree import Path

MOST_VOTERS = 7
"""More voters than this make every decision slower and none safer (cluster.md)."""


def resolve_nodes(scope: Scope) -> tuple[Node, ...]:
    """Resolve all nodes, and report what makes no cluster of them."""
    votes = _votes(scope)
    nodes = tuple(_node(node, votes=node.name in votes) for node in scope.spec.nodes)
    if scope.intact(NODES, "role"):
        if all(node.role is Role.WITNESS for node in nodes):
            scope.fault(NODES, "every node is a witness", "at least one node must hold the groups: leave out `role`")
        elif all(node.standby for node in nodes if node.role is Role.DIRECTOR) and scope.intact(NODES, "standby"):
            message = "every director is on standby, so nobody holds anything"
            scope.findings.warn(NODES, message, "leave `standby: true` out at one of them")
        if scope.intact(NODES, "votes"):
            _check_votes(scope, nodes)
    _check_names(scope)
    _check_own_addresses(scope)
    return nodes


def _votes(scope: Scope) -> set[str]:
    """Who votes: whom the document says, then witnesses, then directors, in its order, up to the limit."""
    said = [node.name for node in scope.spec.nodes if node.votes]
    unsaid = [node for node in scope.spec.nodes if node.votes is None]
    witnesses = [node.name for node in unsaid if node.role == "witness"]
    directors = [node.name for node in unsaid if node.role != "witness"]
    return set(said + [*witnesses, *directors][: max(0, MOST_VOTERS - len(said))])


def _check_names(scope: Scope) -> None:
    """Report names that people and resolvers take for the same, and the daemons do not."""
    first: dict[str, str] = {}
    for index, node in enumerate(scope.spec.nodes):
        other = first.setdefault(node.name.lower(), node.name)
        if other != node.name:
            message = f"`{node.name}` and `{other}` are the same name in other letters"
            scope.fault((*NODES, index, "name"), message, "write it as `uname -n` says on that machine, or another")


def _check_votes(scope: Scope, nodes: tuple[Node, ...]) -> None:
    voters = [index for index, node in enumerate(nodes) if node.votes]
    if len(voters) > MOST_VOTERS:
        place = (*NODES, voters[MOST_VOTERS], "votes")
        scope.fault(place, f"{len(voters)} nodes vote; at most {MOST_VOTERS} may", "leave `votes` out at most of them")
    for index, node in enumerate(nodes):
        if node.role is Role.WITNESS and not node.votes:
            what = f"witness `{node.name}` has no vote, and nothing else to do"
            remedy = f"leave it out, or take `votes` from another (at most {MOST_VOTERS} vote)"
            scope.fault((*NODES, index), what, remedy)
    if len(voters) < min(3, len(nodes)):
        remedy = "let three or more vote, or all: leave out `votes: false`"
        scope.fault(NODES, f"{len(voters) or 'none'} of {len(nodes)} nodes vote", remedy, at_key=True)


def _node(node: model.Node, *, votes: bool) -> Node:
    return Node(
        name=node.name,
        role=Role(node.role or "director"),
        address=None if node.address is None else values.parse_address(node.address),
        interfaces=dict(node.interfaces or {}),
        standby=bool(node.standby),
        maintenance=bool(node.maintenance),
        fencing=resolve_fencing(node.fencing),
        votes=votes,
    )


def own_addresses(scope: Scope) -> Iterator[tuple[IPAddress, str, Path]]:
    """Yield every address of every node's own, with the node's name and the place in the document."""
    for index, node in enumerate(scope.spec.nodes):
        if node.address is not None:
            yield values.parse_address(node.address), node.name, (*NODES, index, "address")
        for link, address in (node.link_addresses or {}).items():
            yield values.parse_address(address), node.name, (*NODES, index, "linkAddresses", link)


def _check_own_addresses(scope: Scope) -> None:
    owners: dict[IPAddress, str] = {}
    for address, name, path in own_addresses(scope):
        if owners.setdefault(address, name) != name:
            scope.fault(path, f"{address} is an address of node `{owners[address]}` already", "correct one of them")
        if address.is_loopback or not hosts.names_a_host(address):
            scope.fault(path, f"{address} cannot be a node's address", "write the address that other nodes reach")


def resolve_spec_sync(scope: Scope) -> bool:
    """Tell whether documents travel between the nodes; each must then be reached at its own address."""
    if not scope.spec.spec_sync:
        return False
    if scope.spec.auth is not None and scope.spec.auth.enforce is False:
        what = "with `enforce: false` anybody could hand the nodes a document"
        scope.fault(("spec", "specSync"), what, "leave `specSync` out until authentication is enforced")
    for index, node in enumerate(scope.spec.nodes):
        if node.address is None and scope.sound((*NODES, index, "address")):
            what = f"node `{node.name}` has no `address`"
            scope.fault((*NODES, index), what, "specSync needs it: add `address: 10.0.0.2`")
    return True


def resolve_ping_nodes(scope: Scope, virtual: frozenset[IPAddress]) -> tuple[IPAddress, ...]:
    """Resolve the addresses outside that are asked whether they are reached; ``virtual`` are the groups' own."""
    own = {address: name for address, name, _ in own_addresses(scope)}
    found: list[IPAddress] = []
    for index, text in enumerate(scope.spec.ping_nodes or ()):
        address = values.parse_address(text)
        what = None
        if address in own:
            what = f"{address} is an address of node `{own[address]}`"
        elif address in virtual:
            what = f"{address} is an address of a group"
        elif address.is_loopback or not hosts.names_a_host(address):
            what = f"{address} is not the address of a machine outside"
        elif address in found:
            what = f"{address} is listed twice"
        if what is not None:
            scope.fault(
                ("spec", "pingNodes", index), what, "write the address of a router or server that always answers"
            )
        found.append(address)
    return tuple(found)


def resolve_links(scope: Scope) -> tuple[Link, ...]:
    """Resolve the links of the heartbeat; without any, one unicast link over the nodes' addresses."""
    heartbeat = scope.spec.heartbeat
    if heartbeat is None or heartbeat.links is None:
        links = _default_links(scope)
        names: list[str] | None = [] if scope.sound(LINKS) else None
    else:
        links = tuple(_link(scope, link, (*LINKS, index)) for index, link in enumerate(heartbeat.links))
        names = [link.name for link in heartbeat.links] if scope.intact(LINKS, "name") else None
        _check_paths(scope, links)
    if names is not None:
        _check_link_names(scope, names)
    return links


def _default_links(scope: Scope) -> tuple[Link, ...]:
    if len(scope.spec.nodes) == 1:
        return ()
    for index, node in enumerate(scope.spec.nodes):
        path = (*NODES, index)
        if node.address is None and scope.sound((*path, "address"), LINKS):
            scope.fault(path, f"node `{node.name}` has no `address`", "heartbeats need it: add `address: 10.0.0.2`")
    addresses = _node_addresses(scope)
    _check_family(scope, addresses, NODES, "nodes")
    return (Link(name=defaults.LINK, port=defaults.LINK_PORT, addresses=addresses),)


def _node_addresses(scope: Scope) -> dict[str, IPAddress]:
    return {node.name: values.parse_address(node.address) for node in scope.spec.nodes if node.address is not None}


def _link_addresses(scope: Scope, link: model.Link) -> dict[str, IPAddress]:
    """Who is on a link: the nodes that name their address on it, or else (unicast only) all by their own address."""
    named = {
        node.name: values.parse_address(text)
        for node in scope.spec.nodes
        if (text := (node.link_addresses or {}).get(link.name)) is not None
    }
    return named or (_node_addresses(scope) if link.multicast is None and link.broadcast is None else {})


def _link(scope: Scope, link: model.Link, path: Path) -> Link:
    addresses = _link_addresses(scope, link)
    multicast = None
    if link.multicast is not None:
        multicast = values.parse_address(link.multicast.group)
        if not multicast.is_multicast:
            remedy = "write one from 224.0.0.0/4 or ff00::/8, like 239.192.69.4"
            scope.fault((*path, "multicast", "group"), f"{multicast} is not a multicast address", remedy)
    kind = "multicast" if link.multicast is not None else "broadcast" if link.broadcast is not None else None
    if kind and link.interface is None and scope.sound(path):
        scope.fault(path, f"a {kind} link needs an `interface`", "add `interface: lan`")
    if kind is None and len(addresses) < min(2, len(scope.spec.nodes)) and scope.sound(path):
        remedy = f"give nodes `linkAddresses: {{{link.name}: 192.168.254.1}}`, or `address`"
        scope.fault(path, f"fewer than two nodes have an address on link `{link.name}`", remedy)
    _check_family(scope, addresses, path, f"link `{link.name}`")
    return Link(
        name=link.name,
        port=link.port or defaults.LINK_PORT,
        addresses=addresses,
        interface=link.interface,
        multicast=multicast,
        broadcast=link.broadcast is not None,
    )


def _check_family(scope: Scope, addresses: Mapping[str, IPAddress], path: Path, what: str) -> None:
    if len({address.version for address in addresses.values()}) > 1:
        scope.fault(path, f"{what}: the nodes' addresses mix IPv4 and IPv6", "use one family on a link")


def _check_link_names(scope: Scope, names: list[str]) -> None:
    for index, node in enumerate(scope.spec.nodes):
        for name in node.link_addresses or {}:
            if name not in names:
                path = (*NODES, index, "linkAddresses", name)
                remedy = words.for_reference(name, names) or "add it to spec.heartbeat.links"
                scope.fault(path, f"there is no link `{name}`", remedy, at_key=True)


def _check_paths(scope: Scope, links: tuple[Link, ...]) -> None:
    """Report links that are the same path, and pairs of nodes without any."""
    if not scope.intact(NODES, "name", "address", "linkAddresses"):
        return
    seen: dict[object, str] = {}
    for index, link in enumerate(links):
        if not scope.sound((*LINKS, index)):
            continue
        where = link.interface if link.multicast or link.broadcast else tuple(sorted(link.addresses.items()))
        same = seen.setdefault((where, link.multicast, link.broadcast, link.port), link.name)
        if same != link.name:
            remedy = f"give nodes their own `linkAddresses: {{{link.name}: …}}`, or leave the link out"
            scope.fault((*LINKS, index), f"link `{link.name}` is the same path as `{same}`", remedy)
    if not scope.sound(LINKS):
        return
    for one, other in combinations([node.name for node in scope.spec.nodes], 2):
        if not any(link.multicast or link.broadcast or {one, other} <= link.addresses.keys() for link in links):
            remedy = "both need an address on one of them: `linkAddresses`"
            scope.fault(LINKS, f"nodes `{one}` and `{other}` share no link", remedy, at_key=True)
