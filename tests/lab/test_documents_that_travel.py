"""``specSync`` on real machines: a document and its list go from node to node, and a service that leaves it drains."""

import json
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests import kernel

from vedette.lab import home
from vedette.lab.lab import Lab

pytestmark = [pytest.mark.lab, pytest.mark.timeout(400)]

DOCUMENT = """\
apiVersion: vedette.dev/v1alpha1
kind: HACluster
metadata: {name: travel}
spec:
  specSync: true
  nodes:
    - {name: router1, address: 10.0.0.2}
    - {name: router2, address: 10.0.0.3}
    - {name: witness, address: 10.0.0.4, role: witness}
  groups:
    - addresses:
        - address: 203.0.113.80/24
        - address: 10.0.0.1/24
  serverPools:
    - {name: app, realServersFile: lists/app.txt}
  virtualServices:
    - {name: web, addresses: [203.0.113.80], ports: [80], serverPool: app}
    - {name: other, addresses: [203.0.113.80], ports: [81], serverPool: app}
"""
SERVERS = ("10.0.0.11", "10.0.0.12", "10.0.0.13")
PATIENCE = 120.0
"""Seconds after which a test gives up; machines are slow where there is much else to do."""


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Lab]:
    if (lack := kernel.missing()) is not None:
        pytest.skip(lack)
    with tempfile.TemporaryDirectory(prefix="labs-") as place:
        monkeypatch.setenv(home.PLACE, place)
        yield from _lab(tmp_path)


def _lab(tmp_path: Path) -> Iterator[Lab]:
    (tmp_path / "lists").mkdir()
    (tmp_path / "lists" / "app.txt").write_text("10.0.0.11-10.0.0.13\n")
    (tmp_path / "cluster.yaml").write_text(DOCUMENT)
    with Lab.up(tmp_path / "cluster.yaml", name="travel") as lab:
        for name in lab.machines:
            lab.start_daemon(name)
        yield lab


def until(claim: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE
    while not claim():
        assert time.monotonic() < end
        time.sleep(0.5)


def status(lab: Lab, node: str) -> dict[str, Any]:
    """What ``vedette status`` says; empty while no daemon answers."""
    done = lab.machine(node).run(["vedette", "status", "-o", "json"])
    found: dict[str, Any] = json.loads(done.out) if done.out.startswith("{") else {}
    return found


def weights(lab: Lab, node: str, port: int) -> dict[str, int]:
    """The destinations of a service in the kernel's table, as ipvsadm shows them."""
    found: dict[str, int] = {}
    here = False
    for line in lab.machine(node).run(["ipvsadm", "-Sn"]).out.splitlines():
        words = line.split()
        here = words[2] == f"203.0.113.80:{port}" if words[0] == "-A" else here
        if here and words[0] == "-a":
            found[words[4].partition(":")[0]] = int(words[-1])
    return found


def save(lab: Lab, node: str, name: str, text: str) -> None:
    lab.machine(node).write(f"/etc/vedette/{name}", text.encode())


def test_a_list_and_a_service_that_leaves_reach_every_node(lab: Lab) -> None:
    both = ("router1", "router2")
    for node in both:
        until(lambda node=node: weights(lab, node, 81) == dict.fromkeys(SERVERS, 1))  # type: ignore[misc]
    until(
        lambda: bool(status(lab, "router1")) and all(node["sameDocument"] for node in status(lab, "router1")["nodes"])
    )

    save(lab, "router1", "lists/app.txt", "10.0.0.12 7\n10.0.0.13\n")
    for node in both:
        until(lambda node=node: weights(lab, node, 80) == {"10.0.0.12": 7, "10.0.0.13": 1})  # type: ignore[misc]
    until(lambda: lab.machine("witness").read("/etc/vedette/lists/app.txt") == b"10.0.0.12 7\n10.0.0.13\n")

    holder = next(group["holder"] for group in status(lab, "router1")["groups"])
    client = "import socket, time; s = socket.create_connection(('203.0.113.80', 81)); time.sleep(600)"
    hanging = lab.client.popen(["python3", "-c", client])
    try:
        until(lambda: any(item["activeConnections"] for item in _destinations(status(lab, holder), "other")))
        save(lab, "router2", "cluster.yaml", "\n".join(line for line in DOCUMENT.splitlines() if "other" not in line))
        until(lambda: len(weights(lab, holder, 81)) == 1 and set(weights(lab, holder, 81).values()) == {0})
        (leaving,) = status(lab, holder)["leaving"]
        assert (leaving["name"], leaving["phase"]["connectionsLeft"]) == ("other", 1)
    finally:
        hanging.kill()
        hanging.wait()
    until(lambda: weights(lab, holder, 81) == {})


def _destinations(found: dict[str, Any], name: str) -> list[dict[str, Any]]:
    return [
        item
        for service in found.get("virtualServices", ())
        if service["name"] == name
        for kernel_service in service["kernel"]
        for item in kernel_service["destinations"]
    ]
