"""An operator's order, checked against what is: a wrong one is refused with what would be right."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from vedette.cluster.events import Move, Standby
from vedette.kit.errors import UsageError
from vedette.spec.resolved import ClusterSpec, Failback, Group, Role
from vedette.state.placement import Liveness, View


@dataclass(frozen=True, slots=True)
class Order:
    """What the core is told, and how to see that it is done: ``pending`` says what is still missing, "" = nothing."""

    event: Move | Standby
    done: str
    pending: Callable[[View], str]


def read(command: dict[str, Any], spec: ClusterSpec, view: View) -> Order:
    """Understand a command. Raises :class:`UsageError` where it makes no sense."""
    who = {"author": str(command.get("author", "")), "reason": str(command.get("reason", ""))}
    if command.get("verb") == "node":
        return _standby(_known_node(spec, command["node"]), who, on=bool(command["standby"]))
    group = _known_group(spec, command["group"])
    if command.get("clear"):
        home = _home(group, view)
        done = f"{group.name} is where the document prefers it: {home}" if home else f"{group.name} stays where it is"
        return Order(Move(group=group.name, to=None, **who), done, _until_held(group.name, home))
    target = _target(spec, view, group, command.get("node"))
    return Order(
        Move(group=group.name, to=target, **who), f"{group.name} is on {target}", _until_held(group.name, target)
    )


def _standby(node: str, who: dict[str, str], *, on: bool) -> Order:
    def pending(view: View) -> str:
        held = [lease.group for lease in view.leases if lease.holder == node]
        return f"{node} still holds {', '.join(held)}" if on and held else ""

    done = f"{node} is on standby and holds nothing" if on else f"{node} is online again"
    return Order(Standby(node=node, on=on, **who), done, pending)


def _until_held(group: str, node: str | None) -> Callable[[View], str]:
    def pending(view: View) -> str:
        holder = next((lease.holder for lease in view.leases if lease.group == group), None)
        if node in (None, holder):
            return ""
        return f"{group} is still {f'on {holder}' if holder else 'held by nobody'}"

    return pending


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


def _able(view: View) -> set[str]:
    return {node.name for node in view.nodes if node.liveness in (Liveness.UP, Liveness.LATE) and node.ready}


def _home(group: Group, view: View) -> str | None:
    """Where failback brings the group soon; None where it stays."""
    if group.failback is not Failback.AUTOMATIC or group.failback_delay:
        return None
    return next((name for name in group.preferred_nodes if name in _able(view)), None)


def _target(spec: ClusterSpec, view: View, group: Group, wanted: str | None) -> str:
    """The node to move to; it must be able to take the group now."""
    able = _able(view)
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
