"""``vedette status``: what this node's daemon sees, problems first."""

import argparse
import json
import sys
from datetime import UTC, datetime
from typing import Any

from vedette.api import control
from vedette.cli import options
from vedette.cli.output import Paint, ago, table
from vedette.cli.servers import explain, row, rows_of

NAME = "status"
HELP = "show who holds what, until when and why, as this node's daemon sees it"

Plain = dict[str, Any]


def arguments(parser: argparse.ArgumentParser) -> None:
    options.output(parser)
    options.run_dir(parser)
    parser.epilog = """\
Exit codes: 0 no problems; 1 the daemon reports problems; 3 the daemon does not answer (nothing is shown then,
because what was true a moment ago may not be true now)."""


def run(args: argparse.Namespace) -> int:
    status = control.ask(args.run_dir, {"verb": "status"})
    if args.output == "json":
        print(json.dumps(status, indent=2, ensure_ascii=False))
    else:
        print(render(status, Paint.of(sys.stdout), datetime.now(UTC)))
    return 1 if status["problems"] else 0


def render(status: Plain, paint: Paint, now: datetime) -> str:
    """The whole text, a block a subject."""
    blocks = [
        _head(status, paint, now),
        _problems(status, paint),
        _nodes(status, paint, now),
        _watchdog(status, paint),
        _groups(status, paint, now),
        _orders(status, now),
        _connection_sync(status, paint, now),
        *(_service(service, paint, now) for service in status["virtualServices"]),
        _leaving(status, now),
    ]
    return "\n\n".join(block for block in blocks if block)


def _head(status: Plain, paint: Paint, now: datetime) -> str:
    spec = status["spec"]
    quorum = "has quorum" if status["quorum"] else paint.bad("has no quorum")
    version = f"revision {spec['revision']} ({spec['digest'][:12]}), applied {ago(spec['appliedAt'], now)}"
    return f"{paint.strong(status['cluster'] or '?')} seen from {paint.strong(status['node'])}, which {quorum}\n" + (
        f"document {spec['file']}, {version if spec['digest'] else 'nothing applied yet'}"
    )


def _problems(status: Plain, paint: Paint) -> str:
    lines = [f"  {paint.bad('!')} {problem['scope']}: {problem['message']}" for problem in status["problems"]]
    return "\n".join([paint.bad("Problems"), *lines]) if lines else paint.good("No problems")


def _nodes(status: Plain, paint: Paint, now: datetime) -> str:
    fencing = any(node.get("fencing") for node in status["nodes"])
    watchdogs = any(node.get("watchdog") for node in status["nodes"])
    rows = [
        [
            node["name"] + (" (this node)" if node["self"] else ""),
            paint.state(node["state"]),
            ago(node["since"], now),
            _readiness(node),
            ", ".join(node["holds"]) or "-",
            ", ".join(node["links"]) or "-",
            *([_fencing(node, paint)] if fencing else []),
            "same" if node["sameDocument"] else (node["digest"][:12] or "-"),
            *([f"{node['watchdog']:g}s" if node.get("watchdog") else "-"] if watchdogs else []),
        ]
        for node in status["nodes"]
    ]
    head = [
        "NODE",
        "STATE",
        "SINCE",
        "READY",
        "HOLDS",
        "LINKS",
        *(["FENCING"] if fencing else []),
        "DOCUMENT",
        *(["WATCHDOG"] if watchdogs else []),
    ]
    return table(head, rows) if rows else ""


def _fencing(node: Plain, paint: Paint) -> str:
    """What the node's plugs read, or what is being done about it."""
    word = node.get("fencing") or "-"
    return paint.bad(word) if word in ("failed", "in doubt") else paint.warn(word) if word == "being fenced" else word


def _watchdog(status: Plain, paint: Paint) -> str:
    """This node's device: what it is, whether it counts, and whether it can be stopped."""
    watchdog = status.get("watchdog")
    if watchdog is None:
        return ""
    named = paint.strong(watchdog["device"]) + (f" ({watchdog['identity']})" if watchdog["identity"] else "")
    resets = f"resets this machine when its daemon is late for {watchdog['timeout']:g}s"
    says = {
        "armed": paint.good("armed") + f", {resets}",
        "idle": "nothing is held here: fed, because it cannot be stopped",
        "off": "not armed: nothing is held here"
        if not any(node["holds"] for node in status["nodes"] if node["self"])
        else paint.bad("not armed"),
    }
    ways = {None: "", True: "; nowayout", False: "; can be stopped"}
    return f"watchdog {named}: {says[watchdog['state']]}{ways[watchdog['nowayout']]}"


def _connection_sync(status: Plain, paint: Paint, now: datetime) -> str:
    """Whether connections are kept in step with the other directors, and the last time that a whole table went over."""
    sync = status.get("connectionSync")
    if sync is None:
        return ""
    daemons = sync["daemons"]
    state = paint.bad("off")
    if {daemon["role"] for daemon in daemons} == {"master", "backup"}:
        state = f"{paint.good('on')} {daemons[0]['interface']}, group {daemons[0]['group']}:{daemons[0]['port']}"
        state += "" if sync["learnt"] else ", learning the others' connections"
    lines = [f"connection sync {state}"]
    lines += [
        f"  {item['connections']} connections learnt from {item['node']} {ago(item['at'], now)}, {item['here']} here"
        for item in sync["learntFrom"]
    ]
    last = sync["lastDump"]
    if last is not None:
        took = f"in {last['milliseconds']} ms"
        lines.append(f"  {last['connections']} connections sent to {last['to']} {ago(last['at'], now)} {took}")
    return "\n".join(lines)


def _readiness(node: Plain) -> str:
    if node["role"] == "witness":
        return "votes"
    return "ready" if node["ready"] else "not ready"


def _groups(status: Plain, paint: Paint, now: datetime) -> str:
    rows = []
    for group in status["groups"]:
        holder = paint.good(group["holder"]) if group["holder"] else paint.bad("nobody")
        rows.append([group["name"], holder, _left(group["until"], now), group["reason"]])
        rows += [
            [
                f"  {address['address']}",
                address["interface"] or "-",
                "answering" if address["answering"] else "quiet",
                address["problem"] or "",
            ]
            for address in group["addresses"]
        ]
    return table(["GROUP", "HOLDER", "LEASE", "WHY"], rows) if rows else ""


def _orders(status: Plain, now: datetime) -> str:
    rows = [
        [
            f"{order['order']} {order['about']}" + (f" to {order['to']}" if order["to"] else ""),
            _ends(order["until"], now),
            order["author"] or "-",
            order["reason"],
        ]
        for order in status.get("orders", ())
    ]
    return table(["ORDER", "ENDS", "BY", "WHY"], rows) if rows else ""


def _ends(until: str | None, now: datetime) -> str:
    if until is None:
        return "when taken back"
    rest = max(0, int((datetime.fromisoformat(until) - now).total_seconds()))
    return f"in {rest // 3600}h{rest // 60 % 60:02}m" if rest >= 3600 else f"in {rest // 60}m{rest % 60:02}s"


def _left(until: str | None, now: datetime) -> str:
    if until is None:
        return "-"
    return f"{(datetime.fromisoformat(until) - now).total_seconds():.1f}s left"


def _service(service: Plain, paint: Paint, now: datetime) -> str:
    where = ", ".join(_endpoint(entry, paint) for entry in service["kernel"])
    how = ", ".join(service["settings"])
    head = f"{paint.strong(service['name'])} ({service['group']}): {where}, {how}"
    rows = []
    for server in rows_of(service):
        name, *cells = row(server, paint, now)
        rows.append([f"  {name}", *cells])
    sorry = service.get("sorryServer")
    if sorry and sorry["address"]:
        where = f"sorry {sorry['address']}" + (f":{sorry['port']}" if sorry["port"] else "")
        rows.append([f"  {where}", paint.state(sorry["health"]), ago(sorry["since"], now), "-", "-", sorry["reason"]])
    return head + "\n" + table(["  REAL SERVER", "HEALTH", "SINCE", "WEIGHT", "CONNECTIONS", "WHY"], rows)


def _leaving(status: Plain, now: datetime) -> str:
    """Real servers that finish what they have for services that are not in the document any more."""
    rows = [
        [
            f"{item['name']}: {item['endpoint']}",
            f"{item['address']}:{item['port']}",
            f"{item['activeConnections']}+{item['inactiveConnections']}",
            explain(item["phase"], now),
        ]
        for item in status.get("leaving", ())
    ]
    return table(["LEAVING SERVICE", "REAL SERVER", "CONNECTIONS", "WHY"], rows) if rows else ""


def _endpoint(entry: Plain, paint: Paint) -> str:
    """The kernel's name of a service; a missing one stands out, and one that shows the sorry page says so."""
    if not entry["present"]:
        return paint.bad(f"{entry['endpoint']} (not in the kernel's table)")
    sorry = any(item["role"] == "sorry" and item["weight"] for item in entry["destinations"])
    notes = ["sorry server"] if sorry else []
    quorum = entry.get("quorum")
    if quorum and quorum["state"] == "lost" and quorum["weight"] + quorum["hysteresis"] > 1:
        notes.insert(0, f"quorum lost: {quorum['up']} of {quorum['weight'] + quorum['hysteresis']}")
    return str(entry["endpoint"]) + (paint.bad(f" ({', '.join(notes)})") if notes else "")
