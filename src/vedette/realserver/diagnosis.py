"""Whether a machine is right for what is wanted of it, in sentences: what is wrong, why, and what that does."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import Enum

from vedette.kit.net import IPAddress, endpoint
from vedette.realserver import arp, plan
from vedette.realserver.model import LOOPBACK, Assigned, Device, Link, Observed, Port, Wanted, dotted
from vedette.spec.resolved import Endpoint, Protocol


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What else matters: who ``listening`` is, and the interfaces of IPv4 default routes, the ``exits``."""

    listening: frozenset["Listening"] = frozenset()
    exits: frozenset[str] = frozenset()


Listening = tuple[Protocol, IPAddress | None, int]
"""Something that takes connections or datagrams: at an address, or at all (None)."""


class Level(Enum):
    """``WRONG``: packets are lost or go astray. ``HINT``: somebody should look. ``RIGHT``: as it should be."""

    WRONG = "wrong"
    HINT = "hint"
    RIGHT = "right"


@dataclass(frozen=True, slots=True)
class Finding:
    """One sentence about one thing (an address, an interface, a port)."""

    level: Level
    subject: str
    message: str


def diagnose(wanted: Wanted, observed: Observed, around: Surroundings | None = None) -> tuple[Finding, ...]:
    """All that can be said; ``around`` None: not looked at."""
    found = [
        *(Finding(Level.WRONG, "document", problem) for problem in wanted.problems),
        *_vips(wanted, observed),
        *(finding for device in wanted.devices for finding in _device(device, wanted, observed)),
        *(_port(port, observed) for port in sorted(wanted.ports, key=lambda item: (item.version, item.number))),
        *(_arp(wanted, observed) if plan.needs_silence(wanted) else ()),
        *(Finding(Level.HINT, "document", note) for note in wanted.notes),
        *(_ways_back(wanted, observed, around.exits) if around is not None else ()),
        *(_listeners(wanted.endpoints, around.listening) if around is not None else ()),
    ]
    order = list(Level)
    return tuple(sorted(found, key=lambda finding: order.index(finding.level)))


def right(findings: Iterable[Finding]) -> bool:
    return not any(finding.level is Level.WRONG for finding in findings)


def _vips(wanted: Wanted, observed: Observed) -> Iterator[Finding]:
    copies: dict[IPAddress, list[Assigned]] = {vip: [] for vip in wanted.vips}
    for item in observed.addresses:
        if item.address in copies and item.index in observed.links:
            copies[item.address].append(item)
    quiet = arp.quiet(observed)
    for vip, services in wanted.vips.items():
        yield from _vip(vip, ", ".join(services), copies[vip], observed, quiet=quiet)


def _vip(
    vip: IPAddress, services: str, copies: list[Assigned], observed: Observed, *, quiet: bool
) -> Iterator[Finding]:
    """``copies``: where this machine has it; ``quiet``: ARP for an address on ``lo`` stays unanswered."""
    wrong = [text for item in copies for text in _misplaced(item, observed.links[item.index])]
    if not any(item.index == LOOPBACK and item.host_route for item in copies):
        may_be_put = quiet or vip.version == 6
        wait = "" if may_be_put else ", and is not put there while ARP for it would be answered"
        wrong.append(f"is not on lo{wait}: what a director sends here for {services} is dropped")
    for text in wrong:
        yield Finding(Level.WRONG, str(vip), text)
    if not wrong:
        yield Finding(Level.RIGHT, str(vip), f"is on lo, for {services}")


def _misplaced(item: Assigned, link: Link) -> Iterator[str]:
    """What is wrong with a copy of a VIP that other people have put where it does harm."""
    vip, shown = item.address, f"{item.address}/{item.prefix_length}"
    if item.index == LOOPBACK and not item.host_route:
        yield (
            f"is on lo as {shown}, which makes this machine answer to the whole network: "
            f"`ip address del {shown} dev lo`"
        )
    if link.neighbours:
        how = "ARP" if vip.version == 4 else "neighbour solicitations"
        yield (
            f"is on {link.name} too, so this machine answers {how} for it, and clients come past the director: "
            f"`ip address del {shown} dev {link.name}`"
        )


def _arp(wanted: Wanted, observed: Observed) -> Iterator[Finding]:
    vips = [vip for vip in wanted.vips if vip.version == 4]
    named = ", ".join(str(vip) for vip in vips[:3]) + (f" and {len(vips) - 3} more" if len(vips) > 3 else "")
    quiet = []
    for link in observed.links.values():
        if not link.neighbours:
            continue
        if not arp.silent(observed, link.name):
            why = f"ARP for {named} would be answered by this machine, because {_values(observed, link, 'arp_ignore')}"
            yield Finding(Level.WRONG, link.name, f"{why}; 1 or 2 is needed, or clients come here past the director")
        elif arp.discreet(observed, link.name):
            quiet.append(link.name)
        if not arp.discreet(observed, link.name):
            why = f"ARP requests may say that {named} is here, because {_values(observed, link, 'arp_announce')}"
            yield Finding(Level.WRONG, link.name, f"{why}; 2 is needed, or clients come here past the director")
    if quiet:
        yield Finding(Level.RIGHT, "ARP", f"this machine keeps quiet about {named} on {', '.join(quiet)}")


def _values(observed: Observed, link: Link, name: str) -> str:
    """Both values, and which of them counts where that is a surprise."""
    whole, own = (arp.setting(interface, name) for interface in ("all", link.name))
    text = f"{dotted(whole)} is {observed.number(whole)} and {dotted(own)} is {observed.number(own)}"
    return text if observed.number(whole) == observed.number(own) else f"{text} (the greater one counts)"


def _device(device: Device, wanted: Wanted, observed: Observed) -> Iterator[Finding]:
    subject = f"{device.kind.value} at {device.local}"
    link = observed.link_named(device.name)
    inside = sorted(wanted.devices[device], key=lambda vip: (vip.version, int(vip)))
    if link is None or not link.is_end(device):
        missing = "there is no tunnel device" if link is None else f"{device.name} is another kind of device"
        lost = ", ".join(str(vip) for vip in inside)
        yield Finding(Level.WRONG, subject, f"{missing}: packets for {lost} stay wrapped and are dropped")
        return
    wrong = []
    if not link.up:
        wrong.append(f"{link.name} is down: what comes out of the tunnel is dropped")
    if not plan.passes(observed, link):
        strict = _values(observed, link, "rp_filter")
        wrong.append(f"{link.name} drops clients that are reached by another interface, because {strict}; 2 is needed")
    lacking = [str(vip) for vip in inside if vip.version == 4 and vip not in observed.on(link.index)]
    if lacking:
        wrong.append(f"{link.name} lacks {', '.join(lacking)}: without an address of its own it drops all packets")
    for text in wrong:
        yield Finding(Level.WRONG, subject, text)
    if not wrong:
        yield Finding(Level.RIGHT, subject, f"{link.name} takes packets apart")


def _port(port: Port, observed: Observed) -> Finding:
    subject = f"GUE port {port.number} (IPv{port.version})"
    match observed.ports.get(port):
        case None:
            return Finding(Level.WRONG, subject, "is not open: packets of the tunnel are refused")
        case False:
            message = f"is taken by FOU without GUE: `ip fou del port {port.number}`, or another `tunnel.port`"
            return Finding(Level.WRONG, subject, message)
        case True:
            return Finding(Level.RIGHT, subject, "takes packets apart")


def _ways_back(wanted: Wanted, observed: Observed, exits: frozenset[str]) -> Iterator[Finding]:
    """By direct routing a packet comes from the director's network, and the answer goes to where the client is."""
    if not wanted.direct:
        return
    if not exits:
        message = "there is no default route: clients beyond this machine's own networks get no answer"
        yield Finding(Level.HINT, "way back", message)
        return
    entries = {item.index for item in observed.addresses if item.address in wanted.direct}
    for link in (observed.links[index] for index in sorted(entries) if index in observed.links):
        if link.name not in exits and not plan.passes(observed, link):
            why = _values(observed, link, "rp_filter")
            message = (
                f"drops clients to which the way back is {', '.join(sorted(exits))}, because {why}; 2 is needed there"
            )
            yield Finding(Level.HINT, link.name, message)


def _listeners(endpoints: Iterable[Endpoint], listening: frozenset[Listening]) -> Iterator[Finding]:
    """A server that listens at its own address only is the other classic. Ranges of ports are not looked at."""
    single = [item for item in endpoints if item.single]
    deaf = [item for item in single if item.protocol is not Protocol.SCTP]
    for item in sorted(deaf, key=lambda found: (found.address.version, int(found.address), found.port)):
        if not any((item.protocol, address, item.port) in listening for address in (item.address, None)):
            message = "nothing on this machine listens there: the server must listen at this address, or at all"
            yield Finding(Level.HINT, f"{item.protocol.value} {endpoint(item.address, item.port)}", message)
