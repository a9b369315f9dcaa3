"""To which virtual service a connection belongs: the kernel's list of connections does not say. Pure."""

from ipaddress import IPv4Address, IPv6Address

from vedette.ipvs.connections.model import ANY, SCTP, TCP, UDP, Connection
from vedette.ipvs.connections.wire import Entry
from vedette.ipvs.model import AddressKey, DestinationKey, MarkKey, Method, Service, ServiceKey, Table
from vedette.spec.resolved import Protocol

FTP = 21
"""Its templates are for all ports, since its data connections belong to them (ip_vs_core.c)."""
PERSISTENCE = 360
"""Seconds of a template whose service is not known: the kernel's default."""
_PROTOCOLS = {TCP: Protocol.TCP, UDP: Protocol.UDP, SCTP: Protocol.SCTP}


class Services:
    """The services of one look at the table."""

    def __init__(self, table: Table) -> None:
        self._table = table
        self._known: dict[object, tuple[Method, int, int]] = {}
        self._marks = sorted((key for key in table if isinstance(key, MarkKey)), key=lambda key: key.mark)

    def entry(self, connection: Connection) -> Entry:
        """The connection with all that a receiver must know of it.

        A connection that no address leads to belongs to the service of the smallest mark that has its server; where
        the same server serves several marks that may be the wrong one, and then only its counters are.
        """
        same = (
            connection.protocol,
            connection.virtual,
            connection.virtual_port,
            connection.server,
            connection.server_port,
            connection.template,
        )
        found = self._known.get(same)
        if found is None:
            found = self._known[same] = self._look_up(connection)
        return Entry(connection, *found)

    def _look_up(self, connection: Connection) -> tuple[Method, int, int]:
        key = self._of(connection)
        service = self._table.get(key) if key is not None else None
        mark = key.mark if isinstance(key, MarkKey) else 0
        timeout = 0
        if connection.template:
            timeout = (service.settings.persistence if service is not None else 0) or PERSISTENCE
        return _method(service, connection), mark, timeout

    def _of(self, item: Connection) -> ServiceKey | None:
        if item.protocol == ANY:
            return MarkKey(item.version, int.from_bytes(item.virtual[:4]))
        address = _address(item.virtual)
        ports = (item.virtual_port, 0, *((FTP,) if item.template else ()))
        for port in ports:
            key = AddressKey(_PROTOCOLS[item.protocol], address, port)
            if key in self._table:
                return key
        for mark in self._marks:
            if mark.version == item.version and _destination(self._table[mark], item) is not None:
                return mark
        return None


def _method(service: Service | None, item: Connection) -> Method:
    """Its server's, or else what the service's others have."""
    if service is None:
        return Method.MASQUERADE
    found = _destination(service, item)
    if found is not None:
        return found
    return next((other.method for other in service.destinations.values()), Method.MASQUERADE)


def _destination(service: Service, item: Connection) -> Method | None:
    address = _address(item.server)
    for port in (item.server_port, 0):
        found = service.destinations.get(DestinationKey(address, port))
        if found is not None:
            return found.method
    if item.server_port == 0:  # a template for all ports
        return next((it.method for key, it in service.destinations.items() if key.address == address), None)
    return None


def _address(packed: bytes) -> IPv4Address | IPv6Address:
    return IPv4Address(packed) if len(packed) == 4 else IPv6Address(packed)
