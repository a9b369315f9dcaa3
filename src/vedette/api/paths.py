"""The links in the status: what each carries, who is heard on it, and what is wrong with it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from vedette.spec.resolved import ClusterSpec, Link
from vedette.state.placement import Liveness, NodeView, View

Plain = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Path:
    """One link of this node. ``heard``: who else is on it, and when each was last heard on it (BOOTTIME ns, 0 = never).

    ``problems``: why it is not open, and who is heard elsewhere but not here.
    """

    name: str
    statistics: Plain
    heard: Mapping[str, int]
    problems: tuple[str, ...]

    def plain(self, show: Callable[[int], str | None]) -> Plain:
        """As ``-o json`` prints it."""
        numbers = {name: value for name, value in self.statistics.items() if name not in ("opened", "problem")}
        return numbers | {
            "problem": self.statistics["problem"] or None,
            "peers": [{"node": node, "lastHeard": show(instant)} for node, instant in self.heard.items()],
        }


def paths(spec: ClusterSpec | None, view: View | None, statistics: Sequence[Plain]) -> list[Path]:
    """Join the transport's ``statistics`` with whom the core has heard on which link."""
    if spec is None or view is None:
        return []
    links = {link.name: link for link in spec.heartbeat.links}
    return [_path(spec, view, links[item["name"]], item) for item in statistics if item["name"] in links]


def _path(spec: ClusterSpec, view: View, link: Link, statistics: Plain) -> Path:
    others = [node for node in view.nodes if node.name != view.me and _on(link, node.name)]
    return Path(
        name=link.name,
        statistics=statistics,
        heard={node.name: node.heard.get(link.name, 0) for node in others},
        problems=tuple(_problems(spec, view, link, statistics, others)),
    )


def _problems(spec: ClusterSpec, view: View, link: Link, statistics: Plain, others: Sequence[NodeView]) -> list[str]:
    if not statistics["open"]:
        return [f"is not open: {statistics['problem'] or 'not tried yet'}"]
    patience = spec.heartbeat.dead_after
    silent = [
        node.name
        for node in others
        if node.liveness in (Liveness.UP, Liveness.LATE)
        and view.now - max(node.since, statistics["opened"], node.heard.get(link.name, 0)) > patience
    ]
    return [f"nothing is heard on it from {', '.join(silent)}"] if silent else []


def _on(link: Link, node: str) -> bool:
    return link.multicast is not None or link.broadcast or node in link.addresses
