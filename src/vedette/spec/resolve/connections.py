"""``ipvs.connectionSync``: where directors tell each other of their connections."""

from collections.abc import Sequence

from vedette.kit.net import parse
from vedette.spec.resolve.scope import LINKS, NODES, Scope
from vedette.spec.resolved import ConnectionSync, Link, Node, Role
from vedette.spec.tree import Path

CONNECTION_SYNC: Path = ("spec", "ipvs", "connectionSync")
GROUP, PORT, ID = "224.0.0.81", 8848, 1
"""Group and port are the kernel's own choice (ip_vs_sync.c)."""


def resolve_connection_sync(scope: Scope, nodes: Sequence[Node], links: Sequence[Link]) -> ConnectionSync | None:
    """Return what is written, with the kernel's defaults; report a group that is none, and directors out of reach."""
    written = scope.spec.ipvs.connection_sync if scope.spec.ipvs is not None else None
    if written is None:
        return None
    text = written.group or GROUP
    group = parse(GROUP)
    if scope.sound((*CONNECTION_SYNC, "group")):
        group = parse(text)
        if not group.is_multicast:
            remedy = f"write {GROUP}, or another of 224.0.0.0/4 or ff00::/8"
            scope.fault((*CONNECTION_SYNC, "group"), f"{text} is not a multicast group", remedy)
    _check_reach(scope, nodes, links)
    return ConnectionSync(
        interface=written.interface,
        group=group,
        port=written.port if written.port is not None else PORT,
        id=written.id if written.id is not None else ID,
    )


def _check_reach(scope: Scope, nodes: Sequence[Node], links: Sequence[Link]) -> None:
    """A director that has come up must be able to ask the others."""
    if not scope.intact(NODES, "address", "linkAddresses", "role") or not scope.sound(LINKS):
        return
    directors = [node for node in nodes if node.role is Role.DIRECTOR]
    linked = {name for link in links for name in link.addresses}
    unknown = [node.name for node in directors if node.address is None and node.name not in linked]
    if unknown and len(directors) > 1:
        scope.fault(
            CONNECTION_SYNC,
            f"node `{unknown[0]}` has no address at which the others could ask it for its connections",
            "write `address` to every director",
        )
