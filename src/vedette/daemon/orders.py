"""An operator's order, checked against what is: a wrong one is refused with what would be right."""

from typing import Any

from vedette.cluster.events import Move, Standby
from vedette.kit.errors import UsageError
from vedette.spec.resolved import ClusterSpec, Group, Role
from vedette.state.placement import Liveness, View


def read(command: dict[str, Any], spec: ClusterSpec, view: View) -> tuple[Move | Standby, str]:
    """Return the core's event and what to tell the operator. Raises :class:`UsageError`."""
    who = {"author": str(command.get("author", "")), "reason": str(command.get("reason", ""))}
    if command.get("verb") == "node":
        name, on = _known_node(spec, command["node"]), bool(command["standby"])
        told = "goes on standby: it hands over what it holds" if on else "is online again"
        return Standby(node=name, on=on, **who), f"{name} {told}"
    group = _known_group(spec, command["group"])
    if command.get("clear"):
        return Move(group=group.name, to=None, **who), f"{group.name} goes where the document prefers it"
    target = _target(spec, view, group, command.get("node"))
    return Move(group=group.name, to=target, **who), f"{group.name} moves to {target}"


def _known_group(spec: ClusterSpec, name: str) -> Group:
    for group in spec.groups:
        if group.name == name:
            return group
    raise UsageError(f"there is no group {name} (groups: {', '.join(group.name for group in spec.groups)})")


def _known_node(spec: ClusterSpec, name: str) -> str:
    names = [node.name for node in spec.nodes]
    if name not in names:
        raise UsageError(f"there is no node {name} (nodes: {', '.join(names)})")
    if spec.node(name).role is Role.WITNESS:
        raise UsageError(f"{name} is a witness: it holds nothing anyway")
    return name


def _target(spec: ClusterSpec, view: View, group: Group, wanted: str | None) -> str:
    """The node to move to; it must be able to take the group now."""
    able = {node.name for node in view.nodes if node.liveness in (Liveness.UP, Liveness.LATE) and node.ready}
    holder = next((lease.holder for lease in view.leases if lease.group == group.name), None)
    if wanted is None:
        others = [name for name in (*group.preferred_nodes, *group.nodes) if name in able and name != holder]
        if not others:
            raise UsageError(f"no other node is ready to take {group.name}")
        return others[0]
    _known_node(spec, wanted)
    if wanted not in group.nodes:
        raise UsageError(f"{wanted} may not hold {group.name} (it may be on: {', '.join(group.nodes)})")
    if wanted not in able:
        raise UsageError(f"{wanted} is not ready to take {group.name}: see vedette status there")
    return wanted
