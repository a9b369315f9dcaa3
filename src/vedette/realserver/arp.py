"""When a machine answers ARP for an address on ``lo``, and when it asks in its name (net/ipv4/arp.c, ip-sysctl.rst).

Of ``all`` and the interface's own value the kernel takes the greater one. Greater is not stricter: an interface with
``arp_ignore`` 4 answers although ``all`` says 1, because 4 means nothing.
"""

from vedette.realserver.model import Observed

SILENT = frozenset({1, 2, 3, 8})
"""Values of arp_ignore with which an address of scope host on ``lo`` is kept quiet; 3 only because of its scope."""
OWN_ADDRESS = 2
"""The one value of arp_announce with which requests never bear an address of another interface."""


def setting(interface: str, name: str) -> str:
    """The file of an IPv4 setting of an interface, or of ``all``."""
    return f"ipv4/conf/{interface}/{name}"


def effective(observed: Observed, interface: str, name: str) -> int:
    """The value that holds on an interface."""
    return max(observed.number(setting("all", name)), observed.number(setting(interface, name)))


def silent(observed: Observed, interface: str) -> bool:
    """Whether ARP for an address on ``lo`` stays unanswered on that interface."""
    return effective(observed, interface, "arp_ignore") in SILENT


def discreet(observed: Observed, interface: str) -> bool:
    """Whether ARP requests on that interface bear its own addresses only."""
    return effective(observed, interface, "arp_announce") == OWN_ADDRESS


def corrections(observed: Observed) -> dict[str, str]:
    """The fewest settings to change: ``all`` first, an interface only where its own value spoils that."""
    found: dict[str, str] = {}
    for name, right, value in (("arp_ignore", SILENT, 1), ("arp_announce", frozenset({OWN_ADDRESS}), OWN_ADDRESS)):
        whole = observed.number(setting("all", name))
        if whole not in right:
            found[setting("all", name)] = str(value)
            whole = value
        for link in observed.links.values():
            if link.neighbours and max(whole, observed.number(setting(link.name, name))) not in right:
                found[setting(link.name, name)] = str(value)
    return found


def quiet(observed: Observed) -> bool:
    """Whether an IPv4 VIP may be put on ``lo``: nobody outside will hear of it."""
    return all(silent(observed, link.name) for link in observed.links.values() if link.neighbours)
