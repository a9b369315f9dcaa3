"""How real servers are shown: what the document and the checks say, and what is under way in the kernel's table."""

from datetime import datetime
from typing import Any

from vedette.cli.output import Paint, ago

Plain = dict[str, Any]


def rows_of(service: Plain) -> list[Plain]:
    """The real servers of a service in the status, with their entries; those that leave the document come last."""
    found = []
    known = set()
    for server in service["realServers"]:
        known.add((server["address"], server["port"]))
        entries = _entries(service, server["address"], server["port"])
        phases = [entry["phase"] for entry in entries if entry.get("phase")] or _out(service, server)
        found.append(_row(server, entries, phases))
    leaving: dict[tuple[str, int], list[Plain]] = {}
    for kernel in service["kernel"]:
        for entry in kernel["destinations"]:
            key = (entry["address"], entry["port"])
            if entry["role"] == "leaving" and key not in known:
                leaving.setdefault(key, []).append(entry)
    for (address, port), entries in leaving.items():
        server = {"address": address, "port": port, "weight": None, "maintenance": False, "health": "leaving"}
        server |= {"since": None, "reason": "not in the document any more"}
        found.append(_row(server, entries, [entry["phase"] for entry in entries if entry.get("phase")]))
    return found


def _row(server: Plain, entries: list[Plain], phases: list[Plain]) -> Plain:
    weights = sorted({entry["weight"] for entry in entries})
    return server | {
        "weights": weights,
        "activeConnections": sum(entry["activeConnections"] for entry in entries),
        "inactiveConnections": sum(entry["inactiveConnections"] for entry in entries),
        "present": bool(entries),
        "phase": _worst(phases),
    }


def _worst(phases: list[Plain]) -> Plain | None:
    """One phase for all endpoints: the one that lasts longest, with all connections that are left."""
    if not phases:
        return None
    chosen = max(phases, key=lambda phase: (phase["state"] != "inService", phase["until"] or ""))
    same = [phase for phase in phases if phase["state"] == chosen["state"]]
    counts = [phase["connectionsLeft"] for phase in same if phase["connectionsLeft"] is not None]
    return chosen | {"connectionsLeft": sum(counts) if counts else None}


def row(server: Plain, paint: Paint, now: datetime) -> list[str]:
    """The cells of one server: name, health, since when, weight, connections, why."""
    weights = "/".join(map(str, server["weights"]))
    document = server["weight"]
    if not server["present"]:
        weight = f"out (of {document})"
    elif document is None or server["weights"] == [document]:
        weight = weights
    else:
        weight = f"{weights} (of {document})"
    connections = f"{server['activeConnections']}+{server['inactiveConnections']}" if server["present"] else "-"
    phase, why = server["phase"], server["reason"]
    said = explain(phase, now) if phase else ""
    return [
        f"{server['address']}:{server['port']}" + (f" ({server['name']})" if server.get("name") else ""),
        paint.state(_state(server)),
        ago(server["since"], now),
        weight,
        connections,
        f"{said}; {why}" if said and why else said or why,
    ]


def explain(phase: Plain, now: datetime) -> str:
    """What is under way, in words; empty where there is nothing to say."""
    rest = _rest(phase["until"], now)
    left = phase["connectionsLeft"]
    match phase["state"]:
        case "draining":
            return f"drains: {'?' if left is None else left} connections left, {rest} at most"
        case "slowStart":
            return f"slow start, {rest} more"
        case "damped":
            return f"fails too often (penalty {phase['penalty']:g}): held out for {rest} more"
        case "out":
            return "drained"
        case _:
            return ""


def _state(server: Plain) -> str:
    phase = server["phase"]["state"] if server["phase"] else ""
    if server["maintenance"]:
        return "maintenance"
    return "damped" if phase == "damped" and server["health"] == "up" else str(server["health"])


def _rest(until: str | None, now: datetime) -> str:
    if until is None:
        return "?"
    left = max(0, round((datetime.fromisoformat(until) - now).total_seconds()))
    return f"{left // 60}m{left % 60:02}s" if left >= 60 else f"{left}s"


def _entries(service: Plain, address: str, port: int) -> list[Plain]:
    return [
        destination
        for entry in service["kernel"]
        for destination in entry["destinations"]
        if (destination["address"], destination["port"]) == (address, port)
    ]


def _out(service: Plain, server: Plain) -> list[Plain]:
    return [
        item["phase"]
        for entry in service["kernel"]
        for item in entry.get("out", ())
        if (item["address"], item["port"]) == (server["address"], server["port"])
    ]
