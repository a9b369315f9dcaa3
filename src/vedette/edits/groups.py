"""Groups and their addresses: which appear, vanish, or go to another node."""

from collections.abc import Iterator

from vedette.edits import fields
from vedette.edits.change import Change, Live, Severity, listed
from vedette.kit.net import IPAddress
from vedette.kit.units import show
from vedette.spec.resolved import ClusterSpec, Failback, Group, Role, VirtualService

_HANDED = "it is handed over: a gap of milliseconds, open connections go on where both directors know them"
_KEPT = "nothing moves: who holds it keeps it"


def changes(old: ClusterSpec, new: ClusterSpec, live: Live) -> Iterator[Change]:
    """All that happens to groups and addresses."""
    before = {group.name: group for group in old.groups}
    after = {group.name: group for group in new.groups}
    yield from _addresses(old, new)
    for name, group in after.items():
        if name in before:
            yield from _altered(before[name], group, new, live)
        else:
            nodes = listed(group.nodes)
            yield Change(Severity.QUIET, f"group {name}", "appears", f"one of {nodes} takes it as soon as it is ready")
    for name in sorted(before.keys() - after.keys()):
        if not before[name].addresses:
            yield Change(Severity.QUIET, f"group {name}", "vanishes", "it had no addresses")


def _homes(spec: ClusterSpec) -> dict[IPAddress, Group]:
    return {item.address: group for group in spec.groups for item in group.addresses}


def _addresses(old: ClusterSpec, new: ClusterSpec) -> Iterator[Change]:
    before, after = _homes(old), _homes(new)
    for address, group in before.items():
        subject = f"address {address}"
        if address not in after:
            served = [virtual.name for virtual in old.virtual_services if _serves(virtual, address)]
            lost = f", {listed(served)} with it" if served else ""
            yield Change(Severity.CUT, subject, "vanishes", f"nobody answers for it any more{lost}")
        elif after[address].name != group.name:
            action = f"goes from group {group.name} to group {after[address].name}"
            yield Change(
                Severity.CUT,
                subject,
                action,
                "nobody answers for it until the new group is held, and all nodes have this document",
            )
    for address, group in after.items():
        if address not in before:
            text = "whoever holds the group answers for it at once, unless somebody else already does"
            yield Change(Severity.QUIET, f"address {address}", f"appears in group {group.name}", text)
    yield from _seats(old, new)


def _serves(virtual: VirtualService, address: IPAddress) -> bool:
    return any(item.address == address for item in virtual.endpoints)


def _seats(old: ClusterSpec, new: ClusterSpec) -> Iterator[Change]:
    """Addresses that stay in their group and change otherwise."""
    before = {item.address: item for group in old.groups for item in group.addresses}
    for group in new.groups:
        for item in group.addresses:
            former = before.get(item.address)
            if former is None:
                continue
            for name, was, becomes in fields.different(former, item, besides={"address"}):
                subject = f"address {item.address}"
                if name == "interface":
                    text = f"goes to interface {becomes or 'of its subnet'} (was {was or 'that of its subnet'})"
                    yield Change(Severity.MOVE, subject, text, "neighbours are told anew: a gap of milliseconds")
                else:
                    text = f"{fields.camel(name)} becomes {fields.shown(name, becomes)} (was {fields.shown(name, was)})"
                    yield Change(Severity.QUIET, subject, text, "the kernel has it as a single address in any case")


def _altered(old: Group, new: Group, spec: ClusterSpec, live: Live) -> Iterator[Change]:
    subject = f"group {new.name}"
    holder = live.holders.get(new.name)
    target = _target(new, spec, live, holder)
    moves = f"{new.name} goes from {holder} to {target}" if target else ""
    for name, was, becomes in fields.different(old, new, besides={"name", "addresses"}):
        text = f"{fields.camel(name)} becomes {fields.shown(name, becomes)} (was {fields.shown(name, was)})"
        match name:
            case "nodes":
                yield _nodes(subject, old, new, holder, moves)
            case "preferred_nodes" | "failback" if moves:
                after = f" after {show(new.failback_delay)}" if new.failback_delay else ""
                yield Change(Severity.MOVE, subject, text, f"{moves}{after}; {_HANDED}")
            case "preferred_nodes" if holder is None and new.failback is Failback.AUTOMATIC and becomes:
                best = new.preferred_nodes[0]
                consequence = f"it goes to {best} if that is ready and another node holds it; {_HANDED}"
                yield Change(Severity.MOVE, subject, text, consequence)
            case "maintenance":
                kept = "it stays where it is, also when its holder fails: nobody takes it then"
                yield Change(Severity.QUIET, subject, text, kept if becomes else "it may move again")
            case "conflict_detection":
                asked = "from now on addresses are claimed only while no stranger has them; what is held stays"
                unasked = "addresses are claimed without asking the network first"
                yield Change(Severity.QUIET, subject, text, asked if becomes else unasked)
            case _:
                yield Change(Severity.QUIET, subject, text, _KEPT)


def _nodes(subject: str, old: Group, new: Group, holder: str | None, moves: str) -> Change:
    added, gone = (
        listed(item for item in one.nodes if item not in other.nodes) for one, other in ((new, old), (old, new))
    )
    parts = [f"{added} may hold it"] * bool(added) + [f"{gone} may not hold it any more"] * bool(gone)
    text = ", ".join(parts) or f"the order of its nodes becomes {listed(new.nodes)}"
    if holder is not None and holder not in new.nodes:
        return Change(Severity.MOVE, subject, text, f"{moves or f'{holder} hands it over'}; {_HANDED}")
    if holder is None and gone:
        return Change(Severity.MOVE, subject, text, f"if one of those holds it, {_HANDED}")
    return Change(Severity.QUIET, subject, text, _KEPT)


def _target(group: Group, spec: ClusterSpec, live: Live, holder: str | None) -> str | None:
    """Where the document would rather have a held group, as far as can be told: who is ready and ranks better."""
    if holder is None or group.maintenance:
        return None
    able = [node.name for node in spec.nodes if node.role is Role.DIRECTOR and not (node.standby or node.maintenance)]
    order = group.preferred_nodes
    rank = {name: order.index(name) if name in order else len(order) for name in group.nodes if name in able}
    others = [name for name in rank if name in live.ready and name != holder]
    best = min(others, key=lambda name: rank[name], default=None)
    if best is None or holder not in rank:
        return best
    return best if rank[best] < rank[holder] and group.failback is Failback.AUTOMATIC else None
