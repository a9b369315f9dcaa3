"""An operator's order, checked against what is: a wrong one is refused with what would be right."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from vedette.cluster.config import tag
from vedette.cluster.events import DrainServer, Maintenance, Move, Standby
from vedette.kit.errors import UsageError
from vedette.kit.units import HOUR, show
from vedette.spec.resolved import ClusterSpec, Failback, Group, Role
from vedette.state.placement import Liveness, OrderView, View
from vedette.state.placement import Order as Ordered

LONGEST = 30 * 24 * HOUR
"""How long (ns) an order may be said to last; what is to last longer belongs into the document."""


@dataclass(frozen=True, slots=True)
class Order:
    """What the core is told, and how to see that it is done: ``pending`` says what is still missing, "" = nothing.

    ``event`` None: there is nothing to tell it, and ``done`` says why.
    """

    event: Move | Standby | Maintenance | DrainServer | None
    done: str
    pending: Callable[[View], str]


@dataclass(frozen=True, slots=True)
class _Asked:
    """Who asks, why, and for how long (ns, 0 = until it is taken back)."""

    author: str
    reason: str
    lasts: int


def read(command: dict[str, Any], spec: ClusterSpec, view: View) -> Order:
    """Understand a command. Raises :class:`UsageError` where it makes no sense."""
    asked = _Asked(str(command.get("author", "")), str(command.get("reason", "")), _lasts(command))
    match command.get("verb"), command.get("what"):
        case "node", "standby":
            return _standby(_known_node(spec, command["node"]), asked)
        case "node", "maintenance":
            return _maintain(_known_node(spec, command["node"]), asked, group=False)
        case "node", "online":
            return _online(spec, view, _known_node(spec, command["node"]), asked)
        case "group", "maintenance":
            return _maintain(_known_group(spec, command["group"]).name, asked, group=True)
        case "group", "resume":
            return _resume(_known_group(spec, command["group"]), view, asked)
        case "server", ("drain" | "enable") as what:
            return _server(command, what, view, asked)
        case "move", _:
            return _move(command, spec, view, asked)
        case verb, what:
            raise UsageError(f"this daemon does not know the order {verb} {what}: is it of another release?")


def _lasts(command: dict[str, Any]) -> int:
    lasts = int(command.get("for", 0))
    if not 0 <= lasts <= LONGEST:
        raise UsageError(f"an order lasts {show(LONGEST)} at most: what is to last longer belongs into the document")
    return lasts


def _move(command: dict[str, Any], spec: ClusterSpec, view: View, asked: _Asked) -> Order:
    group = _known_group(spec, command["group"])
    if command.get("clear"):
        if _standing(view, group.name, Ordered.MOVE) is None:
            return _nothing(f"no move of {group.name}")
        home = _home(group, view)
        done = f"{group.name} is where the document prefers it: {home}" if home else f"{group.name} stays where it is"
        return Order(Move(group.name, None, asked.author, asked.reason), done, _until_held(group.name, home))
    target = _target(spec, view, group, command.get("node"))
    event = Move(group.name, target, asked.author, asked.reason, asked.lasts)
    done = f"{group.name} is on {target}{_for(asked)}{_worse(view, group, target)}"
    return Order(event, done, _until_held(group.name, target))


def _worse(view: View, group: Group, target: str) -> str:
    """A person may move a group to a node that lacks something, and should know."""
    holder = _holder(view, group)
    missing = {node.name: node.missing for node in view.nodes}
    if holder is None or missing.get(target, 0) <= missing.get(holder, 0):
        return ""
    return f"; it lacks something that {holder} has: see vedette status there"


def _holder(view: View, group: Group) -> str | None:
    return next((lease.holder for lease in view.leases if lease.group == group.name), None)


def _standby(node: str, asked: _Asked) -> Order:
    def pending(view: View) -> str:
        held = [lease.group for lease in view.leases if lease.holder == node]
        return f"{node} still holds {', '.join(held)}" if held else ""

    event = Standby(node, True, asked.author, asked.reason, asked.lasts)
    return Order(event, f"{node} is on standby{_for(asked)} and holds nothing", pending)


def _maintain(name: str, asked: _Asked, *, group: bool) -> Order:
    what = Ordered.GROUP_MAINTENANCE if group else Ordered.NODE_MAINTENANCE

    def pending(view: View) -> str:
        return "" if _standing(view, name, what) is not None else "too many orders stand: take some back"

    done = f"{name} is in maintenance{_for(asked)}: " + (
        "it stays where it is" if group else "it takes and moves nothing"
    )
    return Order(Maintenance(name, group, True, asked.author, asked.reason, asked.lasts), done, pending)


def _online(spec: ClusterSpec, view: View, name: str, asked: _Asked) -> Order:
    """Take back an order about a node; what the document says stands."""
    node = spec.node(name)
    written = "standby" if node.standby else "maintenance" if node.maintenance else None
    stands = _standing(view, name, Ordered.STANDBY) or _standing(view, name, Ordered.NODE_MAINTENANCE)
    if stands is None and written is not None:
        raise UsageError(f"no order stands about {name}: it is the document that says `{written}: true`")
    if stands is None:
        return _nothing(f"no standby or maintenance of {name}")
    done = f"{name} is online again" if written is None else f"taken back; the document still says `{written}: true`"
    return Order(Standby(name, False, asked.author, asked.reason), done, lambda _: "")


def _resume(group: Group, view: View, asked: _Asked) -> Order:
    if _standing(view, group.name, Ordered.GROUP_MAINTENANCE) is None:
        if group.maintenance:
            raise UsageError(f"no order stands about {group.name}: it is the document that says `maintenance: true`")
        return _nothing(f"no maintenance of {group.name}")
    done = f"{group.name} may be moved again"
    if group.maintenance:
        done = "taken back; the document still says `maintenance: true`"
    return Order(Maintenance(group.name, True, False, asked.author, asked.reason), done, lambda _: "")


def server_tag(server: str) -> str:
    """How the core's view calls a real server."""
    return f"{tag(server):08x}"


def _server(command: dict[str, Any], what: str, view: View, asked: _Asked) -> Order:
    """The director knows the servers, and has put the order into words that the core can keep."""
    server = str(command["server"])
    name = server_tag(server)

    def pending(view: View) -> str:
        missing = what == "drain" and _standing(view, name, Ordered.SERVER_DRAIN) is None
        return "too many servers are drained by orders: take them out in the document" if missing else ""

    if what == "enable" and _standing(view, name, Ordered.SERVER_DRAIN) is None:
        return _nothing(f"no order about {server}")
    done = f"{server} takes no new connections{_for(asked)}" if what == "drain" else f"{server} is enabled"
    return Order(DrainServer(server, what == "drain", asked.author, asked.reason, asked.lasts), done, pending)


def _nothing(what: str) -> Order:
    """An order that was never heard of here cannot be taken back here."""
    return Order(None, f"nothing was taken back: this node knows of {what}", lambda _: "")


def _standing(view: View, about: str, order: Ordered) -> OrderView | None:
    return next((item for item in view.orders if (item.about, item.order) == (about, order)), None)


def _for(asked: _Asked) -> str:
    return f" for {show(asked.lasts)}" if asked.lasts else ""


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
    holder = _holder(view, group)
    if wanted is None:
        others = [name for name in (*group.preferred_nodes, *group.nodes) if name in able and name != holder]
        if not others:
            raise UsageError(f"no other node is ready to take {group.name}")
        missing = {node.name: node.missing for node in view.nodes}
        return min(others, key=lambda name: missing[name])  # the first of equals
    _known_node(spec, wanted)
    if wanted not in group.nodes:
        raise UsageError(f"{wanted} may not hold {group.name} (it may be on: {', '.join(group.nodes)})")
    if wanted not in able:
        raise UsageError(f"{wanted} is not ready to take {group.name}: see vedette status there")
    return wanted
