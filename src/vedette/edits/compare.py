"""Two documents, and all that happens when the second takes the place of the first."""

from typing import Any

from vedette.edits import checks, groups, nodes, orders, services
from vedette.edits.change import Change, Live, in_order
from vedette.spec.resolved import ClusterSpec
from vedette.state.placement import Order


def compare(old: ClusterSpec, new: ClusterSpec, live: Live | None = None) -> tuple[Change, ...]:
    """All changes, the gravest first; empty when the documents mean the same. Both without secrets, or masked alike."""
    known = live or Live()
    return in_order(
        [
            *nodes.changes(old, new, known),
            *groups.changes(old, new, known),
            *services.changes(old, new, known),
            *checks.changes(old, new),
            *orders.changes(old, new, known),
        ]
    )


def live_of(status: dict[str, Any]) -> Live:
    """What a daemon's status says of the running cluster (:mod:`vedette.api.status`).

    IPVS counts as active what is established; what is closing has nothing to lose. Of UDP nothing is established.
    """
    connections: dict[tuple[str, str, int], int] = {}
    for service in status["virtualServices"]:
        for entry in service["kernel"]:
            kinds = ["activeConnections"] + ["inactiveConnections"] * str(entry["endpoint"]).startswith("udp ")
            for item in entry["destinations"]:
                place = service["name"], str(item["address"]), int(item["port"])
                connections[place] = connections.get(place, 0) + sum(int(item[kind]) for kind in kinds)
    return Live(
        holders={group["name"]: group["holder"] for group in status["groups"]},
        ready=frozenset(node["name"] for node in status["nodes"] if node["ready"]),
        connections=connections,
        drained=frozenset(item["about"] for item in status["orders"] if item["order"] == Order.SERVER_DRAIN.value),
    )
