"""Virtual services, and endpoints of them, that have left the document: their real servers drain as it said. Pure.

New connections are refused meanwhile: where all weights are 0 the kernel answers them with an ICMP "port unreachable"
(ip_vs_leave in net/netfilter/ipvs/ip_vs_core.c), as it does for a service that has no destinations.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from vedette.ipvs.desired import service_key
from vedette.ipvs.model import AddressKey, MarkKey, ServiceKey, Table
from vedette.kit.net import IPAddress
from vedette.spec.resolved import ClusterSpec, Endpoint, VirtualService


@dataclass(frozen=True, slots=True)
class Owned:
    """A service of ours, as the document that had it last said.

    ``name``: of the virtual service; ``drain`` (ns): 0 = it has none; ``addresses``: where clients reach it, () = other
    people's rules decide (a mark of theirs).
    """

    service: AddressKey | MarkKey
    name: str = ""
    drain: int = 0
    addresses: tuple[IPAddress, ...] = ()


Listed = Mapping[ServiceKey, Owned]


def written(spec: ClusterSpec) -> dict[ServiceKey, Owned]:
    """What the list of our services says of those of the document."""
    return {owned.service: owned for virtual in spec.virtual_services for owned in _written(virtual)}


def _written(virtual: VirtualService) -> Iterator[Owned]:
    for entry in virtual.entries:
        endpoints = (entry,) if isinstance(entry, Endpoint) else virtual.endpoints
        addresses = dict.fromkeys(item.address for item in endpoints)
        yield Owned(service_key(entry), virtual.name, virtual.life.drain, tuple(addresses))


def leaving(listed: Listed, spec: ClusterSpec, left: Table) -> dict[ServiceKey, Owned]:
    """The services of the table (``left``) that drain as a whole.

    Those whose document gave them no drain do not, nor those whose address the document does not have any more: nothing
    can arrive there.
    """
    going = [owned for key, owned in listed.items() if owned.drain and key in left]
    if not going:
        return {}
    held, kept = held_addresses(spec), {service_key(entry) for item in spec.virtual_services for entry in item.entries}
    return {
        owned.service: owned
        for owned in going
        if owned.service not in kept and (not owned.addresses or not held.isdisjoint(owned.addresses))
    }


def held_addresses(spec: ClusterSpec) -> frozenset[IPAddress]:
    """All that the document's groups hold."""
    return frozenset(address.address for group in spec.groups for address in group.addresses)
