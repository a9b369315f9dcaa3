"""What ``vedette status -o json`` prints: one plain object made from what the daemon's parts know.

Instants become wall-clock times (RFC 3339, UTC) here and nowhere else; durations are seconds. Problems stand first,
because that is what a person who asks at night wants to read.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from vedette.api import paths
from vedette.health.pinger import Reached
from vedette.kit.units import SECOND, show
from vedette.spec.resolved import UNSIGNED, ClusterSpec, Forwarding, Node, VirtualService
from vedette.state.health import Health, Verdicts
from vedette.state.placement import ConfigView, Liveness, NodeView, View
from vedette.state.targets import UNCHECKED, decisive, sorry_verdict

Plain = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Clocks:
    """The same instant on both clocks: CLOCK_BOOTTIME and wall clock, ns."""

    boottime: int
    wall: int

    def show(self, instant: int) -> str | None:
        """Print a CLOCK_BOOTTIME instant; None for 0, which means never."""
        if instant == 0:
            return None
        moment = datetime.fromtimestamp((self.wall + instant - self.boottime) / SECOND, UTC)
        return moment.isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that a person should know about. ``scope`` names the thing (``group web``)."""

    scope: str
    message: str


@dataclass(frozen=True, slots=True)
class SpecStatus:
    """Which version is applied, and what is wrong with the newest one if it is not that. ``applied``: BOOTTIME ns."""

    file: str
    revision: int
    digest: str
    applied: int
    errors: tuple[str, ...]


def status(
    *,
    spec: ClusterSpec | None,
    spec_status: SpecStatus,
    view: View | None,
    addresses: Sequence[Plain],
    verdicts: Verdicts,
    services: Sequence[Plain],
    leaving: Sequence[Plain] = (),
    processes: Sequence[Plain],
    problems: Sequence[Problem],
    refused: Mapping[str, int],
    links: Sequence[Plain],
    watchdog: Plain | None,
    ping_nodes: Sequence[Reached] = (),
    connections: Plain | None = None,
    node: str,
    clocks: Clocks,
    fencing: Mapping[str, str],
) -> Plain:
    """Put the whole answer together.

    ``addresses`` (by group), ``services`` (kernel tables), ``leaving`` (what drains of former ones), ``processes`` and
    ``watchdog`` (this node's, None where none is wanted) come plain from their owners; ``refused`` counts datagrams by
    reason, ``links`` is what the transport says of its own, ``connections`` how connections are kept in step (None
    where they are not), ``fencing`` says in a word how each node's fencing is.
    """
    roads = paths.paths(spec, view, links)
    found = [
        *_spec_problems(spec_status),
        *problems,
        *_view_problems(view, spec_status),
        *_parting_problems(spec, view),
        *_pending_problems(view),
        *_key_problems(spec, view),
        *(Problem(f"ping node {item.address}", "does not answer") for item in ping_nodes if not item.reached),
        *(Problem(f"link {road.name}", message) for road in roads for message in road.problems),
    ]
    return {
        "cluster": spec.name if spec else None,
        "node": node,
        "time": clocks.show(clocks.boottime),
        "problems": [{"scope": problem.scope, "message": problem.message} for problem in found],
        "spec": _spec(spec_status, clocks),
        "authentication": _authentication(spec, view),
        "quorum": view.quorum if view else False,
        "config": _config(view),
        "links": [road.plain(clocks.show) for road in roads],
        "pingNodes": [
            {"address": str(item.address), "reached": item.reached, "lastAnswer": clocks.show(item.last_answer)}
            for item in ping_nodes
        ],
        "nodes": _nodes(spec, view, spec_status.digest, clocks, fencing),
        "orders": _orders(view, clocks),
        "groups": _groups(view, addresses, clocks),
        "virtualServices": _services(spec, verdicts, services, clocks),
        "leaving": [item | {"phase": _phase(item["phase"], clocks)} for item in leaving],
        "processes": list(processes),
        "refusedDatagrams": dict(refused),
        "watchdog": watchdog,
        "connectionSync": connections,
    }


def _spec(spec_status: SpecStatus, clocks: Clocks) -> Plain:
    return {
        "file": spec_status.file,
        "revision": spec_status.revision,
        "digest": spec_status.digest,
        "appliedAt": clocks.show(spec_status.applied),
        "error": "\n".join(spec_status.errors) or None,
    }


def _spec_problems(spec_status: SpecStatus) -> list[Problem]:
    if not spec_status.errors:
        return []
    goes_on = f"revision {spec_status.revision} goes on" if spec_status.digest else "nothing is applied yet"
    return [Problem(f"document {spec_status.file}", f"{error} ({goes_on})") for error in spec_status.errors]


def _view_problems(view: View | None, spec_status: SpecStatus) -> list[Problem]:
    if view is None:
        return [Problem("daemon", "the cluster core has not started")]
    found = [] if view.quorum else [Problem("cluster", "no quorum is heard: no group can be taken or kept from here")]
    for node in view.nodes:
        match node.liveness:
            case Liveness.DEAD:
                found.append(Problem(f"node {node.name}", "is silent"))
            case Liveness.UNKNOWN if node.name != view.me:
                found.append(Problem(f"node {node.name}", "has not been heard since this daemon started"))
            case Liveness.LATE:
                found.append(Problem(f"node {node.name}", "is late"))
            case _:
                if node.digest and spec_status.digest and not _same_document(node, spec_status.digest):
                    found.append(Problem(f"node {node.name}", f"runs another version of the document ({node.digest})"))
    found += [
        Problem(f"group {lease.group}", f"is held by nobody: {lease.reason}")
        for lease in view.leases
        if not lease.holder
    ]
    return found


def _pending_problems(view: View | None) -> list[Problem]:
    """What the document changes, and the voters have not agreed on yet."""
    if view is None or not view.config.pending:
        return []
    waits = view.config.waits or "is being agreed on"
    return [Problem("config", f"pending, not in force yet: {view.config.pending} ({waits})")]


def _config(view: View | None) -> Plain:
    config = view.config if view else ConfigView()
    return {
        "step": config.step,
        "voters": list(config.voters),
        "interval": config.interval / SECOND,
        "deadAfter": config.dead_after / SECOND,
        "pending": config.pending or None,
        "waitsFor": config.waits or None,
    }


def _parting_problems(spec: ClusterSpec | None, view: View | None) -> list[Problem]:
    """Nodes that the document does not list, and that still hold something."""
    if spec is None or view is None:
        return []
    listed = {node.name for node in spec.nodes}
    return [
        Problem(
            f"node {node.name}",
            f"is not in the document, and still holds {', '.join(node.holds)}: give it the document, then stop it",
        )
        for node in view.nodes
        if node.name not in listed and node.holds
    ]


def _key_problems(spec: ClusterSpec | None, view: View | None) -> list[Problem]:
    scope, found = "authentication", []
    if spec is not None and UNSIGNED in spec.keys:
        found.append(Problem(scope, "is not enforced: anybody on a link can forge heartbeats (spec.auth.enforce)"))
    if view is not None:
        for key, nodes in view.keys.retired.items():
            message = f"key {key} has left the document, and is accepted until {', '.join(nodes)} change to another"
            found.append(Problem(scope, message))
        if view.keys.behind:
            message = f"the document's first key does not sign until {', '.join(view.keys.behind)} accept it"
            found.append(Problem(scope, message))
    return found


def _authentication(spec: ClusterSpec | None, view: View | None) -> Plain:
    return {
        "enforced": spec is not None and UNSIGNED not in spec.keys,
        "keys": [key.id for key in spec.keys if key != UNSIGNED] if spec else [],
        "signsWith": (view.keys.signs or None) if view else None,
        "waitsFor": list(view.keys.behind) if view else [],
        "retired": {key: list(nodes) for key, nodes in view.keys.retired.items()} if view else {},
    }


def _same_document(node: NodeView, digest: str) -> bool:
    """Heartbeats carry a prefix of the digest."""
    return digest.startswith(node.digest) or node.digest.startswith(digest)


def _orders(view: View | None, clocks: Clocks) -> list[Plain]:
    return [
        {
            "order": item.order.value,
            "about": item.about,
            "to": item.to,
            "author": item.author,
            "reason": item.reason,
            "until": clocks.show(item.until),
        }
        for item in (view.orders if view else ())
    ]


def _nodes(
    spec: ClusterSpec | None, view: View | None, digest: str, clocks: Clocks, fencing: Mapping[str, str]
) -> list[Plain]:
    if view is None:
        return []
    written = {node.name: node for node in spec.nodes} if spec else {}
    return [
        _node(item, written.get(item.name), digest, view, clocks) | {"fencing": fencing.get(item.name)}
        for item in view.nodes
    ]


def _node(node: NodeView, written: Node | None, digest: str, view: View, clocks: Clocks) -> Plain:
    return {
        "name": node.name,
        "role": written.role.value if written else None,
        "votes": node.name in view.config.voters,
        "state": node.liveness.value,
        "self": node.name == view.me,
        "since": clocks.show(node.since),
        "ready": node.ready,
        "holds": list(node.holds),
        "links": list(node.links),
        "watchdog": node.watchdog / SECOND or None,
        "revision": node.revision,
        "digest": node.digest,
        "keys": list(node.keys),
        "missing": node.missing,
        "sameDocument": bool(node.digest) and _same_document(node, digest),
    }


def _groups(view: View | None, addresses: Sequence[Plain], clocks: Clocks) -> list[Plain]:
    return [
        {
            "name": lease.group,
            "holder": lease.holder,
            "mine": lease.mine,
            "until": clocks.show(lease.until) if lease.until < clocks.boottime + 10**9 * SECOND else None,
            "reason": lease.reason,
            "addresses": [item for item in addresses if item["group"] == lease.group],
        }
        for lease in (view.leases if view else ())
    ]


def _services(spec: ClusterSpec | None, verdicts: Verdicts, services: Sequence[Plain], clocks: Clocks) -> list[Plain]:
    return [
        {
            "name": service.name,
            "group": service.group,
            "forwarding": service.forwarding.value,
            "scheduler": service.scheduler,
            "settings": _settings(service),
            "realServers": _real_servers(service, verdicts, clocks),
            "sorryServer": _sorry(service, verdicts, clocks),
            "kernel": [_dated(item, clocks) for item in services if item["virtualService"] == service.name],
        }
        for service in (spec.virtual_services if spec else ())
    ]


def _sorry(service: VirtualService, verdicts: Verdicts, clocks: Clocks) -> Plain | None:
    """The sorry server, whether it stands in or not; of several endpoints the worst verdict."""
    if service.sorry is None:
        return None
    remote = service.sorry.remote
    if remote is None:
        return {"address": None, "port": None, "health": None, "since": None, "reason": "a page of this director"}
    found = (sorry_verdict(service, entry, verdicts) for entry in service.entries)
    worst = min(filter(None, found), key=lambda verdict: verdict.health is not Health.DOWN, default=UNCHECKED)
    return {
        "address": str(remote.address),
        "port": remote.port,
        "health": worst.health.value,
        "since": clocks.show(worst.since),
        "reason": worst.reason,
    }


def _dated(service: Plain, clocks: Clocks) -> Plain:
    """A kernel's service with the instants of what is under way as wall-clock times."""
    return service | {
        part: [item | {"phase": _phase(item["phase"], clocks)} if item.get("phase") else item for item in service[part]]
        for part in ("destinations", "out")
        if part in service
    }


def _phase(phase: Plain, clocks: Clocks) -> Plain:
    return phase | {"since": clocks.show(phase["since"]), "until": clocks.show(phase["until"])}


def _settings(service: VirtualService) -> list[str]:
    """How the service balances, in the document's words."""
    flags = f" ({', '.join(service.scheduler_flags)})" if service.scheduler_flags else ""
    found = [service.scheduler + flags, service.forwarding.value]
    if service.forwarding is Forwarding.TUNNEL:
        tunnel = service.tunnel
        found[-1] += f" ({tunnel.encapsulation.value}{f', port {tunnel.port}' if tunnel.port else ''})"
    if service.persistence_timeout:
        clients = "" if service.client_prefix_length is None else f" for each /{service.client_prefix_length}"
        engine = f" by {service.persistence_engine}" if service.persistence_engine else ""
        found.append(f"persistence {show(service.persistence_timeout)}{clients}{engine}")
    if service.one_packet:
        found.append("one packet at a time")
    return found


def _real_servers(service: VirtualService, verdicts: Verdicts, clocks: Clocks) -> list[Plain]:
    found: dict[tuple[str, int], Plain] = {}
    for entry in service.entries:
        for server in service.real_servers:
            key = (str(server.address), server.port or entry.port)
            if key in found:
                continue
            verdict = decisive(service, entry, server, verdicts)
            found[key] = {
                "address": key[0],
                "port": key[1],
                "name": server.origin or None,
                "weight": server.weight,
                "maintenance": server.maintenance or service.maintenance,
                "health": verdict.health.value,
                "since": clocks.show(verdict.since),
                "reason": verdict.reason,
            }
    return list(found.values())
