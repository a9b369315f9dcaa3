"""Nodes, links, keys, timings and everything else of the cluster: what needs agreement, and what is refused."""

from collections.abc import Iterator, Sequence

from vedette.cluster import charter, config
from vedette.edits import fields
from vedette.edits.change import Change, Live, Severity, listed
from vedette.kit.errors import UsageError
from vedette.kit.units import show
from vedette.spec.resolved import UNSIGNED, ClusterSpec, Key, Link, Node, Role, SplitBrainPolicy

_RESTART = "the whole document is refused: give it to all nodes, stop all daemons, then start them"
_TAKEOVERS = {
    SplitBrainPolicy.MAJORITY: "from then on a node takes over when most nodes agree that it may",
    SplitBrainPolicy.FENCE: "from then on a silent node is switched off before the other takes over",
    SplitBrainPolicy.TOLERATE: "from then on both nodes may hold the same addresses while they do not hear each other",
}
_AGREED = "in force when the voters have agreed, one step at a time; until then `status` shows it as pending"
_HERE = frozenset({
    "digest", "nodes", "keys", "heartbeat", "policy", "groups", "virtual_services", "assume_watchdog", "name",
})  # fmt: skip
"""What has words of its own, here or in another module."""
_MEANINGS = {
    "pingNodes": "who reaches more of them is preferred: groups may move",
    "watchdog": "it is opened or closed at once; a machine whose daemon is late is reset",
    "specSync": "edits travel from node to node from now on, or stay where they are made",
    "fencingDevices": "the next fence uses it; `vedette fence test` tries it",
    "connectionSync": "the sync daemons start anew; connections made meanwhile are known to the others a little later",
    "ipvsTimeouts": "for connections that get a packet from now on",
    "ipvsSysctls": "set on every director at once",
    "ipvsExclusive": "IPVS services that are not in the document are deleted, or left alone",
}


def changes(old: ClusterSpec, new: ClusterSpec, live: Live) -> Iterator[Change]:
    """All that concerns the cluster itself."""
    yield from _agreement(old, new)
    yield from _nodes(old, new, live)
    yield from _links(old, new)
    yield from _keys(old.keys, new.keys)
    yield from _devices(old, new)
    for text in fields.told(old, new, besides=_HERE | {"fencing_devices"}):
        word = text.partition(" ")[0].partition(".")[0]
        severity = Severity.MOVE if word == "pingNodes" else Severity.QUIET
        yield Change(severity, "cluster", text, _MEANINGS.get(word, "in force from now on; nothing happens at once"))


def refusals(old: ClusterSpec, new: ClusterSpec) -> list[str]:
    """Why running daemons would refuse the new document; empty: they take it."""
    try:
        return charter.refused(config.from_spec(old), config.from_spec(new))
    except UsageError as error:
        return [str(error)]


def _agreement(old: ClusterSpec, new: ClusterSpec) -> Iterator[Change]:
    reasons = refusals(old, new)
    yield from (Change(Severity.REFUSED, "cluster", reason, _RESTART) for reason in reasons)
    for name, before, after in fields.different(old.heartbeat, new.heartbeat, besides={"links"}):
        text = f"{fields.camel(name)} becomes {show(after)} (was {show(before)})"  # type: ignore[arg-type]
        if name in ("warn_after", "startup_grace"):
            yield Change(Severity.QUIET, "heartbeat", text, "in force at once")
        elif not reasons:
            yield Change(Severity.QUIET, "heartbeat", text, _AGREED + _failover(name))
    if not reasons and old.voters != new.voters:
        added, gone = (listed(sorted(set(one) - set(other))) for one, other in _both(new.voters, old.voters))
        parts = [f"{added} will vote"] * bool(added) + [f"{gone} will not vote any more"] * bool(gone)
        yield Change(Severity.QUIET, "voters", ", ".join(parts), _AGREED)
    if not reasons and 1 in (len(old.nodes), len(new.nodes)) and old.voters != new.voters:
        yield Change(Severity.QUIET, "policy", *_alone(new))
    elif not reasons and old.policy is not new.policy:
        text = f"splitBrain.policy becomes {new.policy.value} (was {old.policy.value})"
        yield Change(Severity.QUIET, "policy", text, f"{_AGREED}; {_TAKEOVERS[new.policy]}")
    if not reasons and old.assume_watchdog is not new.assume_watchdog:
        words = "counts" if new.assume_watchdog else "does not count any more"
        yield Change(Severity.QUIET, "policy", f"an armed watchdog {words} as a node's being off", _AGREED)


def _alone(new: ClusterSpec) -> tuple[str, str]:
    """What becomes of who decides, where that is one node before or after."""
    if len(new.nodes) == 1:
        return (
            f"{new.nodes[0].name} will decide alone",
            f"{_AGREED}; the others must run until then",
        )
    return (
        f"splitBrain.policy becomes {new.policy.value} (one node decided alone)",
        f"{_AGREED}; {_TAKEOVERS[new.policy]}",
    )


def _failover(name: str) -> str:
    return "; a takeover takes that long" if name == "dead_after" else ""


def _both(one: Sequence[str], other: Sequence[str]) -> tuple[tuple[Sequence[str], Sequence[str]], ...]:
    return (one, other), (other, one)


def _nodes(old: ClusterSpec, new: ClusterSpec, live: Live) -> Iterator[Change]:
    before = {node.name: node for node in old.nodes}
    after = {node.name: node for node in new.nodes}
    end = "stop its daemon then"
    if len(after) == 1:
        end = f"stop its daemon when the `status` of {new.nodes[0].name} shows nothing pending any more"
    for name in sorted(before.keys() - after.keys()):
        if before[name].role is Role.WITNESS:
            yield Change(Severity.QUIET, f"node {name}", "goes", f"it held nothing; {end.removesuffix(' then')}")
            continue
        held = _held(name, live)
        consequence = f"it hands over {held or 'what it holds'} and takes nothing; {end}"
        severity = Severity.MOVE if held or not live.holders else Severity.QUIET
        yield Change(severity, f"node {name}", "goes", consequence)
    for name in sorted(after.keys() - before.keys()):
        text = "it is heard as soon as it and the others have this document"
        yield Change(Severity.QUIET, f"node {name}", "comes", text)
    for name, node in after.items():
        if name in before:
            yield from _node(before[name], node, live)


def _node(old: Node, new: Node, live: Live) -> Iterator[Change]:
    subject = f"node {new.name}"
    held = _held(new.name, live)
    for name, was, becomes in fields.different(old, new, besides={"name", "votes", "fencing"}):
        text = f"{fields.camel(name)} becomes {fields.shown(name, becomes)} (was {fields.shown(name, was)})"
        match name:
            case "standby" if becomes:
                yield Change(Severity.MOVE, subject, text, f"it hands over {held or 'what it holds'} and takes nothing")
            case "maintenance" if becomes:
                yield Change(Severity.QUIET, subject, text, "it keeps what it holds, takes nothing and gives nothing")
            case "standby" | "maintenance":
                yield Change(Severity.MOVE, subject, text, "groups that prefer it come back to it")
            case "role":
                yield Change(
                    Severity.MOVE, subject, text, f"it hands over {held or 'what it holds'}, or may hold groups"
                )
            case "interfaces":
                yield Change(Severity.MOVE, subject, text, "addresses on them move there: a gap of milliseconds")
            case "address":
                yield Change(Severity.QUIET, subject, text, "the default link and specSync go there")
            case _:
                yield Change(Severity.QUIET, subject, text, "in force from now on")
    if old.fencing != new.fencing:
        yield Change(Severity.QUIET, subject, "how it is fenced changes", "the next fence does it the new way")


def _held(name: str, live: Live) -> str:
    return listed(group for group, holder in live.holders.items() if holder == name)


def _links(old: ClusterSpec, new: ClusterSpec) -> Iterator[Change]:
    before = {link.name: link for link in old.heartbeat.links}
    after = {link.name: link for link in new.heartbeat.links}
    same = [name for name, link in after.items() if name in before and not [*_link(before[name], link)]]
    calm = f"no heartbeat is lost: {listed(same)} stay{'s' * (len(same) == 1)}"
    lost = "nodes with the old document are not heard on it: their groups may be taken. Keep another link meanwhile"
    severity, consequence = (Severity.QUIET, calm) if same else (Severity.MOVE, lost)
    for name in [*(name for name in before if name not in after), *(name for name in after if name not in before)]:
        yield Change(severity, f"link {name}", "opens" if name in after else "closes", consequence)
    for name, link in after.items():
        if name in before:
            for text in _link(before[name], link):
                yield Change(severity, f"link {name}", text, consequence)


def _link(old: Link, new: Link) -> Iterator[str]:
    """What differs on a link; that a node comes or goes is told of the node."""
    yield from fields.told(old, new, besides={"name", "addresses"})
    for node, address in new.addresses.items():
        if node in old.addresses and old.addresses[node] != address:
            yield f"{node} becomes {address} (was {old.addresses[node]})"


def _keys(old: tuple[Key, ...], new: tuple[Key, ...]) -> Iterator[Change]:
    """Keys by their ids, which tell nothing of them."""
    was, becomes = [key.id for key in old if key.id != UNSIGNED.id], [key.id for key in new if key.id != UNSIGNED.id]
    added, gone = [key for key in becomes if key not in was], [key for key in was if key not in becomes]
    subject = "authentication"
    if added:
        yield Change(Severity.QUIET, subject, f"key {listed(added)} is accepted too", "nothing is signed with it yet")
    if gone:
        text = "others that still sign with it are accepted until they have changed to another"
        yield Change(Severity.QUIET, subject, f"key {listed(gone)} is dropped", text)
    if becomes and was and becomes[0] != was[0]:
        text = "as soon as every node that is heard accepts it; no heartbeat is lost"
        yield Change(Severity.QUIET, subject, f"key {becomes[0]} signs", text)
    if becomes != was and not (added or gone) and becomes[:1] == was[:1]:
        yield Change(Severity.QUIET, subject, "the order of further keys changes", "none")
    enforced, enforces = (all(key.id != UNSIGNED.id for key in keys) for keys in (old, new))
    if enforced != enforces:
        text = "every datagram must be signed" if enforces else "anybody on a link can forge heartbeats from now on"
        yield Change(Severity.QUIET, subject, f"is {'enforced' if enforces else 'not enforced any more'}", text)


def _devices(old: ClusterSpec, new: ClusterSpec) -> Iterator[Change]:
    before = {device.name: device for device in old.fencing_devices}
    after = {device.name: device for device in new.fencing_devices}
    consequence = _MEANINGS["fencingDevices"]
    for name in [name for name in before if name not in after]:
        yield Change(Severity.QUIET, f"fencing device {name}", "goes", "it is used no more")
    for name, device in after.items():
        if name not in before:
            yield Change(Severity.QUIET, f"fencing device {name}", "comes", consequence)
        elif before[name] != device:
            told = fields.told(before[name], device, besides={"name"})
            yield from (Change(Severity.QUIET, f"fencing device {name}", text, consequence) for text in told)
