"""What ``vedette fence status -o json`` prints, and what of it the status shows: plugs, fences, problems.

Made from the document and from what the keeper passed on of its fencer's last report.
"""

from collections.abc import Iterator

from vedette.api.status import Clocks, Plain, Problem
from vedette.fencing import plugs
from vedette.fencing.messages import FenceReport, PlugReport, Report
from vedette.kit import plain
from vedette.kit.units import MINUTE, SECOND
from vedette.spec.resolved import ClusterSpec, FencingUse, Node
from vedette.state.placement import Liveness, View

ASSUMED = "assumed"
"""How the reason begins where a node only counts as off because of its watchdog."""
STALE = 5 * MINUTE
"""Age (ns) from which a reading says nothing of now: each plug is read about once a minute."""
_LIVING = frozenset({Liveness.UP, Liveness.LATE})


def fencing(spec: ClusterSpec, known: Plain | None, view: View | None, clocks: Clocks) -> Plain:
    """The whole answer. ``known`` is what the keeper says of its fencer; None = it has none."""
    known = known or {}
    report = plain.load(Report, known["report"]) if known.get("report") else Report()
    states = {item.name: item.liveness for item in view.nodes} if view else {}
    fences = {fence.node: fence for fence in report.fences}
    wanted, off = {item["node"] for item in known.get("wanted", ())}, known.get("off", {})
    nodes = [
        {
            "name": node.name,
            "self": view is not None and node.name == view.me,
            "state": states.get(node.name, Liveness.UNKNOWN).value,
            "living": states.get(node.name) in _LIVING,
            "wanted": node.name in wanted,
            "off": off.get(node.name),
            "fence": _fence(fences[node.name], clocks) if node.name in wanted and node.name in fences else None,
            "levels": _levels(spec, node, report, clocks),
        }
        for node in spec.nodes
        if node.fencing is not None or node.name in wanted or node.name in off
    ]
    fencer = [Problem("fencer", known["problem"])] if known.get("problem") else []
    troubles = [Problem(scope, trouble) for scope, trouble in report.troubles.items()]
    found = [*fencer, *troubles, *(problem for node in nodes for problem in _problems(node))]
    return {
        "node": view.me if view else None,
        "time": clocks.show(clocks.boottime),
        "deadAfter": spec.heartbeat.dead_after / SECOND,
        "problems": [{"scope": problem.scope, "message": problem.message} for problem in found],
        "nodes": nodes,
    }


def unproved(answer: Plain, *, unsaid: bool = False) -> list[str]:
    """The plugs of living nodes that do not read on, whatever the reason: none, or fencing cannot be relied on.

    With ``unsaid`` only those that no problem speaks of yet.
    """
    return [
        f"{node['name']}: {_name(item)}"
        for node in answer["nodes"]
        if node["living"]
        for level in node["levels"]
        for item in level
        if item["kind"] != "manual" and item["power"] != "on" and not (unsaid and item["problem"])
    ]


def summary(node: Plain) -> str:
    """One word or two for a node's row in the status."""
    if node["off"]:
        return ASSUMED if node["off"].startswith(ASSUMED) else "off"
    if node["wanted"]:
        return "failed" if node["fence"] and node["fence"]["failure"] else "being fenced"
    items = [item for level in node["levels"] for item in level if item["kind"] != "manual"]
    if any(item["problem"] for item in items):
        return "in doubt"
    if not items:
        return "by hand" if node["levels"] else "-"
    powers = {item["power"] for item in items}
    return powers.pop() if len(powers) == 1 else "unknown"


def _fence(fence: FenceReport, clocks: Clocks) -> Plain:
    return {
        "incarnation": fence.incarnation,
        "askedAt": clocks.show(fence.asked),
        "phase": fence.phase,
        "level": fence.level or None,
        "rounds": fence.rounds,
        "until": clocks.show(fence.until) if fence.until > clocks.boottime else None,
        "failure": fence.failure or None,
        "proof": fence.proof or None,
    }


def _levels(spec: ClusterSpec, node: Node, report: Report, clocks: Clocks) -> list[list[Plain]]:
    seen = {(item.node, item.device, item.plug): item for item in report.plugs}
    kinds = {device.name: _kind(device.driver) for device in spec.fencing_devices}
    return [
        [_plug(use, kinds[use.device], seen.get((node.name, use.device, use.plug)), clocks) for use in level]
        for level in (node.fencing.levels if node.fencing else ())
    ]


def _kind(driver: object) -> str:
    """The document's word for a driver."""
    word = type(driver).__name__
    return word[:1].lower() + word[1:]


def _plug(use: FencingUse, kind: str, seen: PlugReport | None, clocks: Clocks) -> Plain:
    return {
        "device": use.device,
        "plug": use.plug,
        "kind": kind,
        "power": seen.power if seen else "unknown",
        "since": clocks.show(seen.since) if seen else None,
        "readAt": clocks.show(seen.read) if seen else None,
        "seenOn": seen.trusted if seen else False,
        "problem": _plug_problem(seen, clocks) if seen else None,
    }


def _plug_problem(seen: PlugReport, clocks: Clocks) -> str | None:
    age = clocks.boottime - seen.read
    if not seen.problem and seen.read and age > STALE:
        return f"was last read {age // MINUTE} min ago: what it reads now is not known"
    return seen.problem or None


def _problems(node: Plain) -> Iterator[Problem]:
    """What a person should know about a node's fencing; a fence that fails is as loud as it gets."""
    scope, fence = f"fencing of {node['name']}", node["fence"]
    if node["off"]:
        if node["off"].startswith(ASSUMED):
            yield Problem(scope, f"it counts as off, which is assumed and not verified ({node['off']})")
    elif fence and fence["failure"]:
        yield Problem(
            scope,
            f"FAILED {fence['rounds']} times and goes on; nothing of {node['name']} is taken until it is off: "
            f"{fence['failure']} (if you have seen that it is off: vedette confirm-off {node['name']})",
        )
    elif node["wanted"]:
        yield Problem(scope, f"under way: {fence['phase'] if fence else 'about to begin'}")
    for level in node["levels"]:
        for item in level:
            if item["problem"]:
                yield Problem(scope, f"{_name(item)} {item['problem']}")


def _name(item: Plain) -> str:
    return plugs.name(FencingUse(item["device"], item["plug"]))
