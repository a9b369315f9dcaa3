"""One machine's kernel as its own tools show it: addresses and IPVS table, before and after. Pure.

The tools are iproute2 and ipvsadm, which share no code with Vedette's own drivers.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

Key = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Kernel:
    """``addresses`` are (interface, address) pairs. ``entries`` maps a service (protocol, endpoint) or destination
    (protocol, endpoint, server) to its options, ``counters`` to its connections, packets and bytes so far."""

    addresses: frozenset[tuple[str, str]] = frozenset()
    entries: Mapping[Key, str] = field(default_factory=dict)
    counters: Mapping[Key, tuple[int, ...]] = field(default_factory=dict)


def addresses(text: str) -> frozenset[tuple[str, str]]:
    """Read ``ip -j addr show``: the addresses that somebody configured (no link-local ones)."""
    found: list[dict[str, Any]] = json.loads(text)
    return frozenset(
        (interface["ifname"], item["local"])
        for interface in found
        for item in interface.get("addr_info", ())
        if item.get("scope") != "link"
    )


def entries(text: str) -> dict[Key, str]:
    """Read ``ipvsadm -Sn``: options by service and destination."""
    found: dict[Key, str] = {}
    for line in text.splitlines():
        words = line.split()
        if len(words) < 3 or words[0] not in ("-A", "-a"):
            continue
        service = (words[1], words[2])
        if words[0] == "-A":
            found[service] = " ".join(words[3:])
        elif words[3] == "-r":
            found[(*service, words[4])] = " ".join(words[5:])
    return found


def counters(text: str) -> dict[Key, tuple[int, ...]]:
    """Read ``ipvsadm -Ln --stats --exact``."""
    found: dict[Key, tuple[int, ...]] = {}
    service: Key = ()
    for line in text.splitlines():
        words = line.split()
        if len(words) < 7 or not words[-1].isdigit():
            continue
        figures = tuple(int(word) for word in words[-5:])
        if words[0] == "->":
            found[(*service, words[1])] = figures
        else:
            service = (words[0], words[1])
            found[service] = figures
    return found


def changes(before: Kernel, after: Kernel) -> list[str]:
    """What is different, one sentence each; counters may only grow."""
    found = [
        f"{address} vanished from {interface}" for interface, address in sorted(before.addresses - after.addresses)
    ]
    found += [f"{address} appeared on {interface}" for interface, address in sorted(after.addresses - before.addresses)]
    for key in sorted(before.entries.keys() | after.entries.keys()):
        old, new = before.entries.get(key), after.entries.get(key)
        if old != new:
            found.append(f"{_show(key)}: {old or 'absent'} became {new or 'absent'}")
    return found + reset_counters(before, after)


def reset_counters(before: Kernel, after: Kernel) -> list[str]:
    """Entries that were made anew: their counters have fallen."""
    return [
        f"{_show(key)}: its counters were reset"
        for key, old in before.counters.items()
        if key in after.counters and any(new < was for was, new in zip(old, after.counters[key], strict=True))
    ]


def changed_entries(before: Kernel, after: Kernel) -> list[Key]:
    """The services and destinations whose options differ, or which came or went."""
    keys = before.entries.keys() | after.entries.keys()
    return sorted(key for key in keys if before.entries.get(key) != after.entries.get(key))


def _show(key: Key) -> str:
    return " → ".join(key[1:])
