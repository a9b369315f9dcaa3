"""How nodes are switched off: the levels of each, and whether they fit the devices, the policy and each other."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from vedette.kit.units import show
from vedette.spec import words
from vedette.spec.model import cluster as model
from vedette.spec.model.fencing import FencingDevice as WrittenDevice
from vedette.spec.resolve import places
from vedette.spec.resolve.scope import DEVICES, NODES, Scope, duration
from vedette.spec.resolved import Fencing, FencingDevice, FencingUse, Heartbeat, Node, Role, SplitBrainPolicy
from vedette.spec.tree import Path

_NUMBER = re.compile(r"[1-9][0-9]{0,3}")
_MODULE = re.compile(r"[A-Za-z0-9-]{1,32}")


@dataclass(frozen=True, slots=True)
class _Use:
    """One use of a device: by whom, in which level, and where the document says so."""

    node: str
    index: int
    level: int
    last: bool
    alone: bool
    use: model.FencingUse
    path: Path


def resolve_fencing(written: model.Fencing | None) -> Fencing | None:
    """Return what a node says of its fencing."""
    if written is None:
        return None
    levels = tuple(tuple(FencingUse(use.name, use.plug) for use in level.devices) for level in written.levels)
    return Fencing(delay=duration(written.delay, 0), levels=levels)


def check(
    scope: Scope,
    nodes: Sequence[Node],
    devices: Sequence[FencingDevice],
    policy: SplitBrainPolicy,
    heartbeat: Heartbeat,
) -> None:
    """Report uses that do not fit their device, devices that nobody uses, and delays that decide nothing."""
    written = {device.name: device for device in scope.spec.fencing_devices or ()}
    names = list(written) if scope.intact(DEVICES, "name") else None
    uses = list(_uses(scope))
    for use in uses:
        device = written.get(use.use.name)
        if device is not None:
            _check_use(scope, use, device)
        elif names is not None:
            remedy = words.for_reference(use.use.name, names) or "add it to spec.fencingDevices"
            scope.fault((*use.path, "name"), f"there is no fencing device `{use.use.name}`", remedy)
    _check_shared(scope, uses, written)
    places.check_controllers(scope, nodes, devices)
    _check_unused(scope, uses)
    if policy is SplitBrainPolicy.FENCE:
        _check_delays(scope, nodes, {device.name: device for device in devices}, heartbeat)
    else:
        _warn_of_policy(scope, policy)


def _uses(scope: Scope) -> Iterator[_Use]:
    for index, node in enumerate(scope.spec.nodes):
        levels = node.fencing.levels if node.fencing else ()
        for number, level in enumerate(levels):
            for place, use in enumerate(level.devices):
                path: Path = (*NODES, index, "fencing", "levels", number, "devices", place)
                last, alone = number == len(levels) - 1, len(level.devices) == 1
                yield _Use(node.name, index, number, last, alone, use, path)


def _check_use(scope: Scope, use: _Use, device: WrittenDevice) -> None:
    if scope.sound(use.path):
        _check_plug(scope, use, device)
    if device.ssh is not None:
        if not use.last and scope.sound((*NODES, use.index, "fencing", "levels")):
            remedy = "move it behind the others: what it cannot reach it cannot switch off"
            scope.fault(use.path, "ssh to the node itself is allowed in the last level only", remedy)
        else:
            remedy = "a power outlet or a management controller switches off what hangs, too"
            message = f"ssh to the node itself is weak: `{use.node}` is not switched off when it hangs or is cut off"
            scope.findings.warn(use.path, message, remedy)
    if device.manual is not None and not use.alone:
        remedy = "give the person a level of its own, the last"
        scope.fault(use.path, "a level with a person never succeeds, so the other devices in it are of no use", remedy)


def _check_plug(scope: Scope, use: _Use, device: WrittenDevice) -> None:
    """Report a plug that is missing, superfluous or not one of that kind of device."""
    plug, name = use.use.plug, device.name
    here = (*use.path, "plug")
    if device.apc_pdu is not None and plug is None:
        scope.fault(use.path, f"`{name}` has many outlets", 'say which is this node\'s: `plug: "3"`')
    elif plug is None:
        return
    elif device.apc_pdu is not None or device.apc_ups is not None:
        what = "outlet group" if device.apc_ups is not None else "outlet"
        if not _NUMBER.fullmatch(plug):
            scope.fault(here, f'"{plug}" is not the number of an {what}', 'write it like `plug: "3"`')
    elif device.drac is not None:
        if not _MODULE.fullmatch(plug):
            scope.fault(here, f'"{plug}" is not a module of a chassis', "write it like server-3, or leave it out")
    elif device.agent is None and any((device.redfish, device.ipmi, device.ssh, device.manual)):
        scope.fault(here, f"`{name}` has no outlets", "leave `plug` out", at_key=True)


def _check_shared(scope: Scope, uses: Sequence[_Use], written: Mapping[str, WrittenDevice]) -> None:
    """Report what would switch another node off as well: the same outlet, or a device of which nobody says which."""
    for name, device in written.items():
        mine = [use for use in uses if use.use.name == name and scope.sound(use.path)]
        if device.manual is None:
            for number, use in enumerate(mine):
                _check_against(scope, use, mine[:number], device)


def _check_against(scope: Scope, use: _Use, earlier: Sequence[_Use], device: WrittenDevice) -> None:
    """Report the first of the ``earlier`` uses of a device that one more of it cannot stand beside."""
    many = any((device.apc_pdu, device.agent, device.drac))
    for other in earlier:
        same = other.use.plug == use.use.plug
        if other.node == use.node:
            if same and other.level == use.level:
                scope.fault(use.path, f"`{device.name}` is twice in one level", "keep one of them")
                return
        elif not many or (device.apc_pdu is None and None in (other.use.plug, use.use.plug)):
            _fault_whole(scope, use, other, device)
            return
        elif same and use.use.plug is not None:
            message = f'plug "{use.use.plug}" of `{device.name}` is that of `{other.node}` already'
            scope.fault((*use.path, "plug"), message, "each node has its own outlet: correct one of them")
            return


def _fault_whole(scope: Scope, use: _Use, other: _Use, device: WrittenDevice) -> None:
    """Report a device that is another node's as a whole."""
    if device.apc_ups is not None:
        message = f"the UPS `{device.name}` feeds `{other.node}` as well: what switches it off may end both nodes"
        scope.fault(use.path, message, "use a device that is this node's own, or the outlets of a PDU")
    elif device.agent is not None or device.drac is not None:
        message = f"`{device.name}` is used for `{other.node}`, too, and not of both it is said which outlet"
        scope.fault(use.path, message, "say the `plug` of each")
    else:
        message = f"`{device.name}` is used for `{other.node}` already"
        scope.fault(use.path, message, "each node has a device of its own")


def _check_unused(scope: Scope, uses: Sequence[_Use]) -> None:
    if not scope.intact(NODES, "fencing"):
        return
    used = {use.use.name for use in uses}
    for index, device in enumerate(scope.spec.fencing_devices or ()):
        if device.name not in used and scope.sound((*DEVICES, index, "name")):
            remedy = f"add it to a node: `fencing: {{levels: [{{devices: [{{name: {device.name}}}]}}]}}`"
            scope.findings.warn((*DEVICES, index), f"no node uses the fencing device `{device.name}`", remedy)


def _warn_of_policy(scope: Scope, policy: SplitBrainPolicy) -> None:
    written = scope.spec.split_brain is not None and scope.spec.split_brain.policy is not None
    if not scope.intact(NODES, "fencing") or (len(scope.spec.nodes) == 2 and not written):
        return
    for index, node in enumerate(scope.spec.nodes):
        if node.fencing is not None:
            message = f"with the policy `{policy.value}` no node is fenced when it falls silent"
            scope.findings.warn((*NODES, index, "fencing"), message, "two directors with fencing can have `fence`")
            return


def _check_delays(
    scope: Scope, nodes: Sequence[Node], devices: Mapping[str, FencingDevice], heartbeat: Heartbeat
) -> None:
    """Rule 27 of cluster.md: of two that shoot at each other one must be done before the other begins."""
    pair = [node for node in nodes if node.fencing is not None and node.role is Role.DIRECTOR]
    if len(pair) != 2 or not scope.intact(NODES, "fencing") or not scope.sound(DEVICES):
        return
    delays = {node.name: node.fencing.delay for node in pair if node.fencing is not None}
    later, earlier = sorted(delays, key=lambda name: delays[name], reverse=True)
    if not delays[later]:
        return
    index = [node.name for node in nodes].index(later)
    path = (*NODES, index, "fencing", "delay")
    if delays[later] == delays[earlier]:
        message = f"`{earlier}` and `{later}` have the same delay, so they shoot each other at the same time"
        scope.fault(path, message, "keep the delay of the node that shall survive")
        return
    needed = _slowest(pair, devices) + heartbeat.interval
    if delays[later] - delays[earlier] <= needed:
        message = f"`{later}` is shot {show(delays[later] - delays[earlier])} after `{earlier}`"
        message += f", but the devices may take {show(needed - heartbeat.interval)}: both could end"
        remedy = f"write more than {show(delays[earlier] + needed)}, or give quick devices a shorter `offTimeout`"
        scope.findings.warn(path, message, remedy)


def _slowest(nodes: Sequence[Node], devices: Mapping[str, FencingDevice]) -> int:
    """The longest that a device of these nodes may take (ns)."""
    used = {use.device for node in nodes if node.fencing for level in node.fencing.levels for use in level}
    return max((devices[name].timeout for name in used if name in devices), default=0)
