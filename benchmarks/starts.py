"""From the start of the daemon to 10,000 destinations in the kernel, and to their adoption when they are there already.

In a machine of its own (User Mode Linux). keepalived starts with the same servers, without checks, in the same machine.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks.machine import Figures, inside, prepare, write_key
from benchmarks.peers.programs import program, until
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
            (folder / "log").unlink()
            times["adopted"].append(_clocked(daemon(folder), lambda: ready(folder)))
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
    """The command line of a daemon with everything in ``folder``; see :func:`ready`."""
    command = [sys.executable, "-m", "vedette.cli.main", "run", "--spec", folder / "cluster.yaml", "--node", "bench"]
    command += ["--run-dir", folder / "run", "--state-dir", folder / "state"]
    return ["sh", "-c", 'log=$1; shift; exec "$@" 2>"$log"', "sh", *(str(word) for word in (folder / "log", *command))]


def ready(folder: Path) -> bool:
    """Whether the daemon has said that its table is as it should be. To ask for its status would keep it busy."""
    log = folder / "log"
    return log.exists() and b" director.ready" in log.read_bytes()


def _keepalived(folder: Path, done: Callable[[], bool]) -> float:
    return _clocked(["keepalived", "-C", "-n", "-G", "-f", str(folder / "keepalived.conf")], done)


def _clocked(command: Sequence[str], done: Callable[[], bool]) -> float:
    """Seconds from the start of a program to what it was started for; it is ended then."""
    began = time.monotonic()
    with program(command):
        until(done, limit=LIMIT)
        return time.monotonic() - began


def flush() -> None:
    subprocess.run(["ipvsadm", "-C"], check=True)


def destinations() -> int:
    """Lines of destinations in the kernel's own table."""
    try:
        return Path("/proc/net/ip_vs").read_text().count("  -> ") - 1
    except OSError:
        return 0


if __name__ == "__main__":
    json.dump(measure(int(sys.argv[1]), int(sys.argv[2])), sys.stdout)
