"""Memory of all processes together with 10,000 real servers that are up and checked.

In a machine of its own (User Mode Linux). Counted is the proportional set size (proc(5), smaps_rollup): what processes
share counts once. keepalived has the same servers and checks in the same machine.
"""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.edits import addresses, family
from benchmarks.machine import Figures, inside, prepare, write_key
from benchmarks.peers.programs import build, program, server, until
from benchmarks.results import Row
from benchmarks.starts import daemon, destinations, flush, ready

INTERVAL = 20
"""Seconds between two checks of a server: the machine is slow."""
LIMIT = 300.0
"""Seconds until all servers are up."""

HEAD = f"""\
apiVersion: vedette.dev/v1alpha1
kind: HACluster
metadata: {{name: memory}}
spec:
  auth: {{keys: [{{secretFile: key}}]}}
  nodes: [{{name: bench, address: 10.77.0.1}}]
  groups:
    - addresses: [{{address: 10.77.0.100/24}}]
  virtualServices:
    - ports: [80]
      checks: [{{tcp: {{}}, interval: {INTERVAL}s}}]
      realServers:
"""


def run(options: argparse.Namespace) -> list[Row]:
    """Megabytes."""
    size = 500 if options.quick else 10_000
    found = inside("benchmarks.memory", size, options.rounds)
    work = f"memory, all processes, {size:,} servers"
    return [Row(work, "MB", found["ours"], "keepalived", found["keepalived"], goal="ours ≤ 60 MB")]


def measure(size: int, rounds: int) -> Figures:
    """In the machine."""
    prepare("route add local 10.1.0.0/16 dev lo")
    found: Figures = {"ours": [], "keepalived": []}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        build(folder)
        write_key(folder)
        (folder / "cluster.yaml").write_text(document(size))
        (folder / "keepalived.conf").write_text(configuration(size))
        with server(folder, 80):
            for _ in range(rounds):
                for who, program_ in (("ours", vedette), ("keepalived", keepalived)):
                    flush()
                    with program_(folder, size) as pid:
                        time.sleep(2 * INTERVAL)
                        found[who].append(sum(map(proportional, family(pid))))
    return found


def document(size: int) -> str:
    items = (f"        - address: {address}\n          weight: {number % 100}\n" for number, address in _servers(size))
    return HEAD + "".join(items)


def configuration(size: int) -> str:
    check = "TCP_CHECK {\nconnect_timeout 1\n}"
    servers = "".join(f"real_server {address} 80 {{\nweight {n % 100}\n{check}\n}}\n" for n, address in _servers(size))
    head = "virtual_server 10.77.0.100 80 {\nlb_algo wlc\nlb_kind NAT\nprotocol TCP\n"
    return f"{head}delay_loop {INTERVAL}\n{servers}}}\n"


def _servers(size: int) -> Iterator[tuple[int, str]]:
    return enumerate(addresses(size))


@contextmanager
def vedette(folder: Path, size: int) -> Iterator[int]:
    (folder / "log").unlink(missing_ok=True)
    with program(daemon(folder)) as process:
        until(lambda: ready(folder) and destinations() >= size, limit=LIMIT)
        yield process.pid


@contextmanager
def keepalived(folder: Path, size: int) -> Iterator[int]:
    with program(["keepalived", "-C", "-n", "-G", "-f", folder / "keepalived.conf"]) as process:
        until(lambda: destinations() >= size, limit=LIMIT)
        yield process.pid


def proportional(pid: int) -> float:
    """Megabytes of a process, its part of what it shares with others included."""
    words = Path(f"/proc/{pid}/smaps_rollup").read_text().split()
    return int(words[words.index("Pss:") + 1]) / 1024


if __name__ == "__main__":
    json.dump(measure(int(sys.argv[1]), int(sys.argv[2])), sys.stdout)
