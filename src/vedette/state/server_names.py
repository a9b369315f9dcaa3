"""What operators call a real server: its service, its address, and its port where that is not the service's own."""

from vedette.kit import net
from vedette.spec.resolved import RealServer, VirtualService


def service_name(service: VirtualService) -> str:
    """The name in the document: a service with addresses of both families is two, of which one has a suffix."""
    return service.name.removesuffix("/ipv6")


def written(server: RealServer) -> str:
    """A real server as an operator writes it: its address, and its port where the document says one."""
    return str(server.address) if server.port is None else net.endpoint(server.address, server.port)


def name_of(service: VirtualService, server: RealServer) -> str:
    """What an order calls a real server of a service, on every node."""
    return names_of(service, server)[0]


def names_of(service: VirtualService, server: RealServer) -> tuple[str, ...]:
    """All names by which an order may mean it, as the document writes it first: where a service has one port, a server
    is the same whether that port is written or not."""
    ports = {entry.port for entry in service.entries}
    only = next(iter(ports)) if len(ports) == 1 else 0
    names = [written(server)]
    if server.port is None and only:
        names.append(net.endpoint(server.address, only))
    elif server.port == only:
        names.append(str(server.address))
    return tuple(f"{service_name(service)} {name}" for name in names)
