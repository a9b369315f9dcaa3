"""Where a check through the service goes in: which of the service's addresses and ports it connects to."""

from collections.abc import Sequence

from vedette.kit.net import IPAddress
from vedette.spec.probes import asks_over_udp
from vedette.spec.resolved import Endpoint, Entry, Mark, Probe, Protocol, UdpProbe


def spoken(probe: Probe) -> Protocol:
    """What a probe speaks: it fits endpoints of that protocol."""
    return Protocol.UDP if isinstance(probe, UdpProbe) or asks_over_udp(probe) else Protocol.TCP


def entrance(
    endpoints: Sequence[Endpoint], entry: Entry, probe: Probe, port: int | None
) -> tuple[IPAddress, int] | None:
    """The virtual address and port for a check of what is behind ``entry``; None where there is none that fits.

    ``port`` None: the entry's own, else the same number of the probe's protocol, else the first that is written.
    Behind a mark it is the first address.
    """
    fitting = [item for item in endpoints if item.protocol is spoken(probe)]
    if not isinstance(entry, Mark):
        fitting = [item for item in fitting if item.address == entry.address]
        fitting.sort(key=lambda item: (item != entry, item.port != entry.port))
    if port is None:
        return next(((item.address, item.port) for item in fitting if item.single), None)
    return next(((item.address, port) for item in fitting if includes(item, port)), None)


def includes(endpoint: Endpoint, port: int) -> bool:
    """Whether a port is among those of an endpoint."""
    return endpoint.port == 0 or endpoint.port <= port <= (endpoint.last_port or endpoint.port)
