"""A person wants to see a node switched off, and on again: refused where it would cost somebody something.

What is tried out must lose nothing: the node serves nobody, everybody else is well, and the node itself is heard, or
nothing would show that it is the one whose power is cut.
"""

from typing import Any

from vedette.kit.errors import UsageError
from vedette.spec.resolved import ClusterSpec, FencingUse, Manual
from vedette.state.placement import Liveness, NodeView, View


def read(command: dict[str, Any], spec: ClusterSpec, view: View) -> NodeView:
    """Check a wish to switch a node off by way of trial; returns the node as it is seen.

    Raises :class:`UsageError` with the reason where it is refused.
    """
    name = str(command.get("node", ""))
    node = next((node for node in view.nodes if node.name == name), None)
    if node is None:
        raise UsageError(f"there is no node {name} (nodes: {', '.join(item.name for item in spec.nodes)})")
    if name == view.me:
        raise UsageError(f"{name} is this node: have it tested by another one")
    if command.get("typed") != name:
        raise UsageError("the name of the node was not repeated: nothing was switched")
    _refuse_levels(command.get("level"), spec, name)
    held = sorted({*node.holds, *(lease.group for lease in view.leases if lease.holder == name)})
    if held:
        raise UsageError(f"{name} holds {', '.join(held)}: vedette node standby {name} moves that away first")
    if node.liveness is not Liveness.UP:
        raise UsageError(f"{name} is {node.liveness.value}: only one that is heard shows by its silence that it is off")
    unwell = [item.name for item in view.nodes if item.name != view.me and item.liveness is not Liveness.UP]
    if unwell:
        raise UsageError(f"{', '.join(unwell)} is not up: two nodes at once may be more than the cluster can lose")
    return node


def _refuse_levels(level: object, spec: ClusterSpec, name: str) -> None:
    fencing = spec.node(name).fencing
    levels: tuple[tuple[FencingUse, ...], ...] = fencing.levels if fencing is not None else ()
    if not isinstance(level, int) or not 1 <= level <= len(levels):
        raise UsageError(f"{name} has no level {level} of fencing")
    people = {device.name for device in spec.fencing_devices if isinstance(device.driver, Manual)}
    if any(use.device in people for use in levels[level - 1]):
        raise UsageError(f"level {level} of {name} is a person, who is not switched")
