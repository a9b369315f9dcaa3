"""Orders about real servers: what they are called, whom they mean, and what the document looks like with them.

The core carries an order from node to node by the tag of its server's name only, so directors look for the servers
with those tags in their own document. An order means the same as ``maintenance: true`` at the real server.
"""

from collections.abc import Iterator, Set
from dataclasses import replace

from vedette.daemon.orders import server_tag
from vedette.kit import net
from vedette.kit.errors import UsageError
from vedette.spec import words
from vedette.spec.resolved import ClusterSpec, RealServer, VirtualService
from vedette.state.placement import Order, View
from vedette.state.server_names import names_of, service_name, written


def ordered(view: View | None) -> frozenset[str]:
    """The tags of the real servers that are to be drained by order."""
    orders = view.orders if view is not None else ()
    return frozenset(item.about for item in orders if item.order is Order.SERVER_DRAIN)


def with_orders(spec: ClusterSpec, tags: Set[str]) -> ClusterSpec:
    """The document as it is with the orders that stand."""
    if not tags:
        return spec
    services = tuple(_with_orders(service, tags) for service in spec.virtual_services)
    return replace(spec, virtual_services=services)


def _with_orders(service: VirtualService, tags: Set[str]) -> VirtualService:
    servers = tuple(
        replace(server, maintenance=True)
        if any(server_tag(name) in tags for name in names_of(service, server))
        else server
        for server in service.real_servers
    )
    return replace(service, real_servers=servers) if servers != service.real_servers else service


def named(view: View | None, spec: ClusterSpec) -> View | None:
    """The view with the names of the servers that its orders are about."""
    if view is None or not ordered(view):
        return view
    names = {server_tag(name): name for name in _names(spec)}
    orders = tuple(
        replace(item, about=names.get(item.about, f"{item.about} (not in this document)"))
        if item.order is Order.SERVER_DRAIN
        else item
        for item in view.orders
    )
    return replace(view, orders=orders)


def find(spec: ClusterSpec, service: str, server: str) -> tuple[VirtualService, RealServer]:
    """The real server that an operator means. Raises :class:`UsageError`, with the names that there are."""
    services = [item for item in spec.virtual_services if service in (service_name(item), item.name)]
    if not services:
        names = [service_name(item) for item in spec.virtual_services]
        raise UsageError(f"there is no virtual service {service} ({_choice(service, names)})")
    found = [(item, real) for item in services for real in item.real_servers if server == written(real)] or [
        (item, real) for item in services for real in item.real_servers if _means(server, real)
    ]
    if not found:
        names = [written(real) for item in services for real in item.real_servers]
        raise UsageError(f"{service} has no real server {server} ({_choice(server, names)})")
    if len(found) > 1:
        raise UsageError(f"{server} is several real servers: {', '.join(written(real) for _, real in found)}")
    return found[0]


def _means(wanted: str, server: RealServer) -> bool:
    try:
        return net.parse(wanted) == server.address
    except ValueError:
        return False


def _choice(wanted: str, names: list[str]) -> str:
    names = list(dict.fromkeys(names))
    if remedy := words.for_reference(wanted, names):
        return remedy
    return ", ".join(names[:10]) + (" …" if len(names) > 10 else "") or "there is none"


def _names(spec: ClusterSpec) -> Iterator[str]:
    for service in spec.virtual_services:
        for server in service.real_servers:
            yield from names_of(service, server)
