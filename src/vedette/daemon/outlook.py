"""What the keeper tells its director of itself, for the status: plain values, made anew each time."""

import os
from collections.abc import Iterable
from typing import Any

from vedette.addresses.addresses import Addresses
from vedette.addresses.model import AddressStatus, Cluster
from vedette.daemon.core import Core
from vedette.daemon.fencing import Fencing
from vedette.kit import plain
from vedette.kit.child import Child
from vedette.kit.units import seconds
from vedette.state.placement import View
from vedette.watchdog.client import Watchdog
from vedette.watchdog.model import State, WatchdogStatus

_NONE = bytes(8).hex()
"""The digest of a node that runs no document."""


def report(
    *,
    core: Core | None,
    addresses: Addresses,
    fencing: Fencing,
    watchdog: Watchdog,
    director: Child,
    left_alone: bool,
    gate_trouble: str | None,
) -> dict[str, Any]:
    held, watching = addresses.status(), watchdog.status()
    problems = _problems(core, held, watching, gate_trouble)
    return {
        "view": plain.dump(core.view()) if core else None,
        "leftAlone": left_alone,
        "addresses": [_address(item) for item in held],
        "problems": [{"scope": scope, "message": message} for scope, message in problems],
        "refused": dict(core.refused()) if core else {},
        "links": core.link_status() if core else [],
        "fencing": fencing.status(),
        "watchdog": _watchdog(watching),
        "processes": [
            {"name": "keeper", "pid": os.getpid(), "restarts": 0},
            *_children([director, *([fencing.child] if fencing.needed else [])]),
            *_feeder(watchdog),
        ],
    }


def of_the_cluster(view: View) -> Cluster:
    """What the addresses have to know of the other nodes."""
    mine = next(node.digest for node in view.nodes if node.name == view.me)
    living = [node for node in view.nodes if node.living]
    return Cluster(
        holders={lease.group: lease.holder for lease in view.leases},
        macs={node.name: frozenset(map(bytes.fromhex, node.ethernet)) for node in view.nodes if node.name != view.me},
        behind=frozenset(node.name for node in living if node.digest not in (mine, _NONE)),
        same=frozenset(node.name for node in living if node.digest == mine),
        present=frozenset(node.name for node in view.nodes),
    )


def _problems(
    core: Core | None, held: Iterable[AddressStatus], watching: WatchdogStatus | None, gate_trouble: str | None
) -> list[tuple[str, str]]:
    found = [(f"address {item.address}", item.problem) for item in held if item.problem]
    if gate_trouble:
        found.append(("gate", gate_trouble))
    if core is not None and core.trouble:
        found.append(("daemon", core.trouble))
    if watching is not None and watching.problem:
        found.append(("watchdog", watching.problem))
    return found


def _address(item: AddressStatus) -> dict[str, Any]:
    return {
        "group": item.group,
        "address": str(item.address),
        "interface": item.interface,
        "onInterface": item.on_interface,
        "onLoopback": item.on_lo,
        "answering": item.answering,
        "problem": item.problem,
    }


def _watchdog(status: WatchdogStatus | None) -> dict[str, Any] | None:
    if status is None:
        return None
    return {
        "device": status.device,
        "identity": status.identity,
        "state": status.state.value,
        "armed": status.state is State.ARMED,
        "timeout": seconds(status.timeout),
        "nowayout": status.nowayout,
    }


def _children(children: Iterable[Child]) -> list[dict[str, Any]]:
    return [{"name": child.name, "pid": child.pid, "restarts": child.restarts} for child in children]


def _feeder(watchdog: Watchdog) -> list[dict[str, Any]]:
    if watchdog.pid is None:
        return []
    return [{"name": "watchdog", "pid": watchdog.pid, "restarts": watchdog.restarts}]
