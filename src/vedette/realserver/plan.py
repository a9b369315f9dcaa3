"""The steps from what a kernel shows towards what is wanted of it.

Not everything can be said at once: a device must be there before it has settings and an index, and a VIP comes on
``lo`` only when the kernel is *seen* to keep it from ARP. So whoever performs a plan observes and plans again until
nothing is left to do. A plan holds from any state, and may be interrupted after any step.
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace

from vedette.kit.net import IPAddress
from vedette.realserver import arp
from vedette.realserver.model import (
    ALIAS,
    LOOPBACK,
    MARK,
    Changed,
    Close,
    Device,
    Kind,
    Link,
    Make,
    Observed,
    Open,
    Port,
    Put,
    Raise,
    Record,
    Remove,
    Restore,
    Set,
    Step,
    Unmake,
    Wanted,
)

KINDS = frozenset(kind.value for kind in Kind)
LOOSE = "2"
"""rp_filter: the sender must be reachable, by whatever way (RFC 3704); 0 would not outdo a 1 of ``all``."""


def plan(wanted: Wanted, observed: Observed, record: Record) -> tuple[Step, ...]:
    """Give first, then take: settings, tunnels, addresses; then addresses, tunnels, settings."""
    gives = (
        *_silence(wanted, observed),
        *_build(wanted, observed, record),
        *_open(wanted, observed),
        *_put(wanted, observed),
    )
    return tuple(dict.fromkeys(gives if wanted.tentative else (*gives, *_takes(wanted, observed, record))))


def _takes(wanted: Wanted, observed: Observed, record: Record) -> Iterator[Step]:
    yield from _remove(wanted, observed, record)
    yield from _close(wanted, observed, record)
    yield from _unmake(wanted, observed, record)
    yield from _restore(wanted, observed, record)


def needs_silence(wanted: Wanted) -> bool:
    """Only IPv4 has ARP; for an IPv6 address on ``lo`` no other interface answers (net/ipv6/ndisc.c)."""
    return any(vip.version == 4 for vip in wanted.vips)


def _silence(wanted: Wanted, observed: Observed) -> Iterator[Step]:
    if needs_silence(wanted):
        for setting, value in arp.corrections(observed).items():
            yield Set(setting, value, observed.settings.get(setting, "0"))


def _build(wanted: Wanted, observed: Observed, record: Record) -> Iterator[Step]:
    for device in wanted.devices:
        link = observed.link_named(device.name)
        if link is None:
            yield from _make_way(device, wanted, observed, record)
            yield Make(device)
        elif not link.is_end(device):
            if is_ours(link, record):
                yield Unmake(link.name, link.index)
        else:
            if not passes(observed, link):
                yield Set(arp.setting(link.name, "rp_filter"), LOOSE, None)
            if not link.up:
                yield Raise(link.name, link.index)


def _make_way(device: Device, wanted: Wanted, observed: Observed, record: Record) -> Iterator[Step]:
    """The kernel has one GRE device for an end, with checksums or without."""
    names = {other.name for other in wanted.devices}
    for link in observed.links.values():
        alike = (link.kind, link.local) == (device.kind.value, device.local)
        if alike and link.name not in names and is_ours(link, record):
            yield Unmake(link.name, link.index)


def passes(observed: Observed, link: Link) -> bool:
    """Whether the reverse path filter of a tunnel lets clients in, whose way back is another interface."""
    return arp.effective(observed, link.name, "rp_filter") != 1


def _open(wanted: Wanted, observed: Observed) -> Iterator[Step]:
    yield from (Open(port) for port in _sorted(wanted.ports) if port not in observed.ports)


def _put(wanted: Wanted, observed: Observed) -> Iterator[Step]:
    """An IPv4 VIP only where ARP is seen to be silent: else this machine would draw the clients to itself."""
    quiet = arp.quiet(observed)
    there = {(item.address, item.index) for item in observed.addresses if item.host_route}
    for address, link in places(wanted, observed):
        if (address, link.index) not in there and (quiet or address.version == 6):
            yield Put(address, link.name, link.index)


def places(wanted: Wanted, observed: Observed) -> list[tuple[IPAddress, Link]]:
    """Where VIPs belong, as far as the interfaces are there.

    All on ``lo``. An IPv4 VIP also on the tunnel that it comes from: an interface without any address passes packets
    only if the reverse path filter is off everywhere (fib_validate_source in net/ipv4/fib_frontend.c).
    """
    found = []
    if LOOPBACK in observed.links:
        found += [(vip, observed.links[LOOPBACK]) for vip in wanted.vips]
    for device, vips in wanted.devices.items():
        link = observed.link_named(device.name)
        if link is not None and link.is_end(device):
            found += [(vip, link) for vip in sorted(vips, key=str) if vip.version == 4]
    return found


def _remove(wanted: Wanted, observed: Observed, record: Record) -> Iterator[Step]:
    wished = {(address, link.index) for address, link in places(wanted, observed)}
    for item in observed.addresses:
        link = observed.links.get(item.index)
        if link is None or not item.host_route or (item.address, item.index) in wished:
            continue
        if item.protocol == MARK or (item.address, link.name) in record.places:
            yield Remove(item.address, link.name, item.index)


def _close(wanted: Wanted, observed: Observed, record: Record) -> Iterator[Step]:
    yield from (Close(port) for port in _sorted(record.ports - wanted.ports) if port in observed.ports)


def _unmake(wanted: Wanted, observed: Observed, record: Record) -> Iterator[Step]:
    names = {device.name for device in wanted.devices}
    for link in observed.links.values():
        if link.name not in names and is_ours(link, record):
            yield Unmake(link.name, link.index)


def is_ours(link: Link, record: Record) -> bool:
    """Whether we made a device: its alias says so, or the record does."""
    return link.alias == ALIAS or (link.name in record.devices and link.kind in KINDS)


def _restore(wanted: Wanted, observed: Observed, record: Record) -> Iterator[Step]:
    """Settings are put back when no VIP is left that they kept quiet, and nobody else has set them since."""
    if needs_silence(wanted) or _lingers(observed, record):
        return
    for setting, changed in record.settings.items():
        if observed.settings.get(setting) == changed.ours:
            yield Restore(setting, changed.former)


def _lingers(observed: Observed, record: Record) -> bool:
    names = {index: link.name for index, link in observed.links.items()}
    return any(
        item.address.version == 4
        and item.host_route
        and (item.protocol == MARK or (item.address, names.get(item.index, "")) in record.places)
        for item in observed.addresses
    )


def remember(record: Record, steps: Iterable[Step]) -> Record:
    """The record that must stand before these steps are performed."""
    settings, places = dict(record.settings), set(record.places)
    devices, ports = set(record.devices), set(record.ports)
    for step in steps:
        match step:
            case Set(setting, value, str(former)):
                known = settings.get(setting)
                settings[setting] = Changed(known.former if known else former, value)
            case Put(address, interface):
                places.add((address, interface))
            case Make(device):
                devices.add(device.name)
            case Open(port):
                ports.add(port)
    return Record(settings, frozenset(places), frozenset(devices), frozenset(ports))


def forget(record: Record, wanted: Wanted, observed: Observed) -> Record:
    """The record without what is neither wanted nor there any more."""
    names = {index: link.name for index, link in observed.links.items()}
    present = {(item.address, names.get(item.index, "")) for item in observed.addresses if item.host_route}
    wished = {(address, link.name) for address, link in places(wanted, observed)}
    made = {device.name for device in wanted.devices}
    held = needs_silence(wanted) or _lingers(observed, record)
    return replace(
        record,
        settings={
            setting: changed
            for setting, changed in record.settings.items()
            if setting in observed.settings and (held or observed.settings[setting] == changed.ours != changed.former)
        },
        places=frozenset(place for place in record.places if place in present or place in wished),
        devices=frozenset(name for name in record.devices if name in made or observed.link_named(name) is not None),
        ports=frozenset(port for port in record.ports if port in wanted.ports or port in observed.ports),
    )


def _sorted(ports: Iterable[Port]) -> list[Port]:
    return sorted(ports, key=lambda port: (port.version, port.number))
