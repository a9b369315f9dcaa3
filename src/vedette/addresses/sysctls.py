"""The kernel settings that a director needs (facts-kernel.md section 6): set where they differ, nothing remembered."""

import logging
from collections.abc import Mapping
from pathlib import Path

from vedette.kit.log import event

_log = logging.getLogger("vedette.addresses")

_ROOT = Path("/proc/sys/net")
ARP_IGNORE = "ipv4/conf/all/arp_ignore"
ALWAYS = {
    # VIPs on lo must not answer ARP, and nobody's own ARP requests may bear one as sender.
    ARP_IGNORE: "1",
    "ipv4/conf/all/arp_announce": "2",
    # An address that goes must not take the rest of its subnet with it.
    "ipv4/conf/all/promote_secondaries": "1",
    "ipv4/ip_forward": "1",
}
WITH_IPV6 = {
    # Also stops the node from listening to router advertisements (accept_ra 1): only where a VIP needs it.
    "ipv6/conf/all/forwarding": "1",
}


def wanted(*, ipv6: bool) -> dict[str, str]:
    """The settings of a director; ``ipv6``: it carries IPv6 VIPs."""
    return ALWAYS | (WITH_IPV6 if ipv6 else {})


def apply(settings: Mapping[str, str], *, root: Path = _ROOT) -> dict[str, str]:
    """Set what differs; return {setting: reason} of what could not be set."""
    refused = {}
    for name, value in settings.items():
        path = root / name
        try:
            before = path.read_text().strip()
            if before != value:
                path.write_text(value)
                event(_log, logging.INFO, "sysctl.set", setting=f"net/{name}", value=value, before=before)
        except OSError as error:
            refused[name] = error.strerror or str(error)
    return refused
