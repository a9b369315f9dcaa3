"""How long it takes to read a document of many real servers, start of the interpreter included.

    python benchmarks/documents.py [--servers 10000] [--runs 5]

The servers are written out one by one, in block style, each with address and weight. Prints the fastest, the middle and
the slowest run of ``vedette validate`` in seconds.
"""

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--servers", type=int, default=10_000)
    parser.add_argument("--runs", type=int, default=5)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "cluster.yaml"
        path.write_text(document(options.servers))
        took = [validate(path) for _ in range(options.runs)]
    print(f"{options.servers} real servers: {min(took):.2f} / {statistics.median(took):.2f} / {max(took):.2f} s")


def validate(path: Path) -> float:
    """Run the command once; returns wall time in seconds."""
    started = time.perf_counter()
    command = [sys.executable, "-m", "vedette.cli.main", "validate", str(path)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
