"""To which virtual service a connection belongs: the kernel's list of connections does not say. Pure."""

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv6Address

from vedette.ipvs.connections.model import ANY, SCTP, TCP, UDP, Connection
from vedette.ipvs.connections.wire import Entry
from vedette.ipvs.model import AddressKey, DestinationKey, MarkKey, Method, Service, ServiceKey, Table
from vedette.spec.resolved import Protocol

FTP = 21
"""Its templates are for all ports, since its data connections belong to them (ip_vs_core.c)."""
PERSISTENCE = 360
"""Seconds of a template whose service keeps none any more: the kernel's default."""
_PROTOCOLS = {TCP: Protocol.TCP, UDP: Protocol.UDP, SCTP: Protocol.SCTP}


class Services:
    """The services of one look at the table."""

    def __init__(self, table: Table) -> None:
        self._table = table
        self._known: dict[object, tuple[Method, int, int] | None] = {}
        self._marks = sorted((key for key in table if isinstance(key, MarkKey)), key=lambda key: key.mark)

    def entry(self, connection: Connection) -> Entry | None:
        """The connection with all that a receiver must know of it; None when its server is in no service of it.

        The next packet of such a connection ends it here (``expire_nodest_conn``). A receiver could not bind it to
        anything, and would go on sending to the server that was taken out.

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
        if same not in self._known:
            self._known[same] = self._look_up(connection)
        found = self._known[same]
        return None if found is None else Entry(connection, *found)

    def entries(self, connections: Iterable[Connection]) -> list[Entry]:
        """Those that have a server."""
        return [entry for entry in map(self.entry, connections) if entry is not None]

    def _look_up(self, connection: Connection) -> tuple[Method, int, int] | None:
        key = self._of(connection)
        service = self._table.get(key) if key is not None else None
        method = _destination(service, connection) if service is not None else None
        if service is None or method is None:
            return None
        mark = key.mark if isinstance(key, MarkKey) else 0
        timeout = (service.settings.persistence or PERSISTENCE) if connection.template else 0
        return method, mark, timeout

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
