"""Documents for the drills of edits: the rehearsed one with one thing changed. Pure.

A changed document is written as JSON, which is YAML too: whatever the original looked like, it means the same.
"""

import copy
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from vedette.kit.errors import UsageError
from vedette.kit.net import IPAddress, parse
from vedette.kit.units import MILLISECOND
from vedette.spec import reader
from vedette.spec.defaults import GROUP, KEY_FILE
from vedette.spec.findings import Findings
from vedette.spec.resolved import SplitBrainPolicy
from vedette.spec.tree import Tree

Plain = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Reweighed:
    """A document in which one real server, wherever it is used, has another weight."""

    text: str
    server: IPAddress
    weight: int


def values(text: str) -> Plain:
    """The document as plain values; raises :class:`UsageError` on a syntax error."""
    findings = Findings("document", Tree())
    reader.read(text, findings)
    if findings.problems:
        raise UsageError(str(findings.problems[0]))
    return findings.tree.root


def reweigh(text: str) -> Reweighed | None:
    """Give the first usable real server another weight; None where there is none."""
    document = copy.deepcopy(values(text))
    for servers in _server_lists(document["spec"]):
        for index, server in enumerate(servers):
            if server.get("maintenance") or server.get("weight") == 0:
                continue
            weight = server.get("weight", 1) + 1
            first, rest = _split(str(server["address"]))
            servers[index : index + 1] = [
                server | {"address": first, "weight": weight},
                *([server | {"address": rest}] if rest else []),
            ]
            return Reweighed(json.dumps(document, indent=2), parse(first), weight)
    return None


def _server_lists(spec: Plain) -> list[list[Plain]]:
    pools = {pool["name"]: pool["realServers"] for pool in spec.get("serverPools", ())}
    found = []
    for service in spec.get("virtualServices", ()):
        servers = service.get("realServers") or pools.get(service.get("serverPool", ""))
        if servers:
            found.append(servers)
    return found


def _split(addresses: str) -> tuple[str, str]:
    """``10.0.0.1-10.0.0.3`` → the first and the range behind it; a single address has nothing behind it."""
    first, dash, last = (part.strip() for part in addresses.partition("-"))
    if not dash:
        return first, ""
    low, high = parse(first), parse(last)
    if low == high:
        return str(low), ""
    return str(low), str(high) if low + 1 == high else f"{low + 1}-{high}"


def with_keys(text: str, added: str) -> tuple[str, str, str]:
    """Three documents that rotate the cluster's key: with ``added`` behind the others, before them, and alone."""
    document = copy.deepcopy(values(text))
    auth = document["spec"].setdefault("auth", {})
    present = auth.get("keys") or [{"secretFile": KEY_FILE}]
    found = []
    for keys in ([*present, {"secretFile": added}], [{"secretFile": added}, *present], [{"secretFile": added}]):
        auth["keys"] = keys
        found.append(json.dumps(document, indent=2))
    return found[0], found[1], found[2]


def with_dead_after(text: str, dead_after: int) -> str:
    """The document with another deadAfter (ns)."""
    document = copy.deepcopy(values(text))
    document["spec"].setdefault("heartbeat", {})["deadAfter"] = f"{dead_after // MILLISECOND}ms"
    return json.dumps(document, indent=2)


def with_nodes(text: str, names: Sequence[str], policy: SplitBrainPolicy) -> str:
    """The document with these nodes only, which decide by this policy."""
    document = copy.deepcopy(values(text))
    spec = document["spec"]
    spec["nodes"] = [node for node in spec["nodes"] if node["name"] in names]
    spec["splitBrain"] = {"policy": policy.value}
    return json.dumps(document, indent=2)


def with_one(text: str, name: str) -> str:
    """The document with this node only."""
    document = copy.deepcopy(values(text))
    spec = document["spec"]
    spec["nodes"] = [node for node in spec["nodes"] if node["name"] == name]
    spec.pop("splitBrain", None)
    for group in spec.get("groups", ()):
        for key in ("nodes", "preferredNodes"):
            if key in group:
                group[key] = [name]
    return json.dumps(document, indent=2)


def with_renamed_groups(text: str) -> str:
    """The document with other names for all its groups: every address goes to another group."""
    document = copy.deepcopy(values(text))
    spec = document["spec"]
    for group in spec.get("groups", ()):
        group["name"] = f"{group.get('name', GROUP)}-renamed"
    for service in spec.get("virtualServices", ()):
        if "group" in service:
            service["group"] = f"{service['group']}-renamed"
    return json.dumps(document, indent=2)


def broken_syntax(text: str) -> str:
    """The document with its end torn off in the middle of a list."""
    return text.rstrip("\n") + "\n  torn: [off, in the\n"


def broken_sense(text: str) -> str:
    """The document with a word that the shape does not know."""
    document = copy.deepcopy(values(text))
    document["spec"]["virtualRouters"] = []
    return json.dumps(document, indent=2)
