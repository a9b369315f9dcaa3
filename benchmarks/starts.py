"""From the start of the daemon to 10,000 destinations in the kernel, and to their adoption when they are there already.

In a machine of its own (User Mode Linux). keepalived starts with the same servers, without checks, in the same machine.
"""

import argparse
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from benchmarks.machine import Figures, inside, prepare, write_key
from benchmarks.results import Row

LIMIT = 120.0
"""Seconds after which a program counts as stuck."""
PER_SERVICE = 100
"""Real servers of each virtual service."""

HEAD = """\
apiVersion: vedette.dev/v1alpha1
kind: HACluster
metadata: {name: starts}
spec:
  auth: {keys: [{secretFile: key}]}
  nodes: [{name: bench, address: 10.77.0.1}]
  groups:
    - addresses: [{address: 10.77.0.100/24}]
  virtualServices:
"""


def run(options: argparse.Namespace) -> list[Row]:
    """Seconds of wall time."""
    size = 1000 if options.quick else 10_000
    times = inside("benchmarks.starts", size, options.rounds)
    work = f"start with {size:,} destinations"
    return [
        Row(f"{work}: all in the kernel", "s", times["programmed"], "keepalived", times["keepalived"]),
        Row(f"{work}: all adopted", "s", times["adopted"], goal="≤ 1 s natively"),
    ]


def measure(size: int, rounds: int) -> Figures:
    """In the machine."""
    prepare()
    times: Figures = {"programmed": [], "adopted": [], "keepalived": []}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_key(folder)
        (folder / "cluster.yaml").write_text(document(size))
        (folder / "keepalived.conf").write_text(keepalived(size))
        for _ in range(rounds):
            flush()
            times["programmed"].append(_clocked(daemon(folder), lambda: destinations() >= size))
            times["adopted"].append(_adoption(folder))
            flush()
            times["keepalived"].append(_keepalived(folder, lambda: destinations() >= size))
    return times


def document(size: int) -> str:
    services = (
        f"    - ports: [{10_000 + number}]\n      checks: []\n      realServers:\n"
        f"        - {{address: 10.{number >> 8}.{number & 255}.1-10.{number >> 8}.{number & 255}.{PER_SERVICE}}}\n"
        for number in range(size // PER_SERVICE)
    )
    return HEAD + "".join(services)


def keepalived(size: int) -> str:
    parts = []
    for number in range(size // PER_SERVICE):
        servers = "".join(
            f"real_server 10.{number >> 8}.{number & 255}.{host + 1} {10_000 + number} {{\nweight 1\n}}\n"
            for host in range(PER_SERVICE)
        )
        head = (
            f"virtual_server 10.77.0.100 {10_000 + number} {{\ndelay_loop 2\nlb_algo wlc\nlb_kind NAT\nprotocol TCP\n"
        )
        parts.append(f"{head}{servers}}}\n")
    return "".join(parts)


def daemon(folder: Path) -> list[str]:
    """The command line of a daemon with everything in ``folder``."""
    command = [sys.executable, "-m", "vedette.cli.main", "run", "--spec", folder / "cluster.yaml", "--node", "bench"]
    command += ["--run-dir", folder / "run", "--state-dir", folder / "state", "--log-level", "error"]
    return [str(word) for word in command]


def _keepalived(folder: Path, done: Callable[[], bool]) -> float:
    return _clocked(["keepalived", "-C", "-n", "-G", "-f", str(folder / "keepalived.conf")], done)


def _clocked(command: Sequence[str], done: Callable[[], bool]) -> float:
    """Seconds from the start of a program to what it was started for; it is ended then."""
    with _started(command) as (_, began):
        while not done():
            if time.monotonic() - began > LIMIT:
                raise SystemExit(f"{command[0]} was not ready after two minutes")
            time.sleep(0.05)
        return time.monotonic() - began


def _adoption(folder: Path) -> float:
    """Seconds from the start of the daemon until it says that its table is as it should be."""
    command = [*daemon(folder)[:-1], "info"]
    with _started(command) as (process, began):
        assert process.stderr is not None
        for line in process.stderr:
            if "director.ready" in line:
                return time.monotonic() - began
    raise SystemExit("the daemon has ended")


@contextmanager
def _started(command: Sequence[str]) -> Iterator[tuple["subprocess.Popen[str]", float]]:
    began = time.monotonic()
    process = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    try:
        yield process, began
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.communicate(timeout=30)


def flush() -> None:
    subprocess.run(["ipvsadm", "-C"], check=True)


def destinations() -> int:
    """Lines of destinations in the kernel's own table."""
    try:
        return Path("/proc/net/ip_vs").read_text().count("  -> ") - 1
    except OSError:
        return 0


def ready(folder: Path) -> bool:
    """Whether the daemon says that its table is as it should be."""
    try:
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(5)
            client.connect(str(folder / "run" / "vedette.sock"))
            client.sendall(b'{"verb": "status"}\n')
            status = json.loads(client.makefile().readline())
    except (OSError, ValueError):
        return False
    nodes = status.get("nodes") or []
    return bool(nodes) and any(node["name"] == "bench" and node["ready"] for node in nodes)


if __name__ == "__main__":
    json.dump(measure(int(sys.argv[1]), int(sys.argv[2])), sys.stdout)
