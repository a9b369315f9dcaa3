"""The table's entries for checks that go through a virtual service: a mark, and the one server that it leads to."""

from collections.abc import Iterable

from vedette.ipvs.desired import METHODS, tunnel
from vedette.ipvs.model import Destination, DestinationKey, Flags, MarkKey, Method, Service, ServiceKey, Settings, Table
from vedette.spec.marks import PATHS
from vedette.spec.resolved import ClusterSpec
from vedette.state.paths import Way, paths

SCHEDULER = "rr"
"""There is one server to choose from; this is the cheapest way."""


def table(spec: ClusterSpec) -> dict[ServiceKey, Service]:
    """The entries of a document whose paths are numbered. Weights are 1, whatever becomes of the server."""
    return {MarkKey(way.version, mark): _service(way) for mark, way in paths(spec).items()}


def led(table: Table) -> frozenset[int]:
    """The marks of paths that lead somewhere."""
    return marks(key for key, service in table.items() if service.destinations)


def marks(services: Iterable[ServiceKey]) -> frozenset[int]:
    """Those of these that are paths."""
    return frozenset(key.mark for key in services if isinstance(key, MarkKey) and key.mark in PATHS)


def title(key: ServiceKey, spec: ClusterSpec | None) -> str:
    """What an entry of the table is called in problems."""
    if spec is not None and isinstance(key, MarkKey) and (way := paths(spec).get(key.mark)) is not None:
        return f"checks through the service to {way.address}"
    return f"IPVS service {key}"


def _service(way: Way) -> Service:
    method = METHODS[way.forwarding]
    # The kernel then forgets a datagram once it is sent: five minutes of memory for each of them would fill the table,
    # and send a later check from the same port to the wrong server. Answers of masqueraded ones need that memory.
    flags = Flags.NONE if method is Method.MASQUERADE else Flags.ONE_PACKET
    destination = Destination(1, method, tunnel=tunnel(way.tunnel))
    return Service(Settings(SCHEDULER, flags), {DestinationKey(way.address, way.port): destination})
