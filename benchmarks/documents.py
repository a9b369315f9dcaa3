"""How long it takes to read a document of many real servers, start of the interpreter included.

The servers are written out one by one, in block style, each with address and weight. keepalived reads the same servers
with ``keepalived --config-test``.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.results import Row

HEAD = """\
apiVersion: vedette.dev/v1alpha1
kind: HACluster
metadata: {name: large}
spec:
  nodes:
    - {name: router1, address: 10.0.0.2}
    - {name: router2, address: 10.0.0.3}
    - {name: witness, address: 10.0.0.4, role: witness}
  groups:
    - addresses: [{address: 203.0.113.80/24}]
  virtualServices:
    - ports: [80]
      realServers:
"""


def document(servers: int) -> str:
    """Return a document with so many real servers."""
    addresses = (f"10.{1 + (number >> 16)}.{number >> 8 & 255}.{number & 255}" for number in range(servers))
    items = (
        f"        - address: {address}\n          weight: {index % 100}\n" for index, address in enumerate(addresses)
    )
    return HEAD + "".join(items)


def keepalived(servers: int) -> str:
    """The same servers for keepalived."""
    addresses = (f"10.{1 + (number >> 16)}.{number >> 8 & 255}.{number & 255}" for number in range(servers))
    items = (
        f"real_server {address} 80 {{\nweight {index % 100}\nTCP_CHECK {{\nconnect_timeout 1\n}}\n}}\n"
        for index, address in enumerate(addresses)
    )
    head = "virtual_server 203.0.113.80 80 {\ndelay_loop 2\nlb_algo wlc\nlb_kind NAT\nprotocol TCP\n"
    return head + "".join(items) + "}\n"


def run(options: argparse.Namespace) -> list[Row]:
    """Seconds of wall time to read and check a document."""
    servers = 500 if options.quick else 10_000
    with tempfile.TemporaryDirectory() as folder:
        ours, theirs = Path(folder) / "cluster.yaml", Path(folder) / "keepalived.conf"
        ours.write_text(document(servers))
        theirs.write_text(keepalived(servers))
        times: dict[str, list[float]] = {"ours": [], "theirs": []}
        for _ in range(options.rounds):
            times["ours"].append(clocked([sys.executable, "-m", "vedette.cli.main", "validate", str(ours)]))
            times["theirs"].append(clocked(["keepalived", "--config-test", "-f", str(theirs)]))
    work = f"validate a document of {servers:,} real servers"
    return [Row(work, "s", times["ours"], "keepalived --config-test", times["theirs"], goal="≤ 1 s")]


def clocked(command: list[str]) -> float:
    """Seconds of wall time."""
    started = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return time.perf_counter() - started
