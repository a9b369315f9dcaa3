"""A benchmark's inner half, in a machine of its own: a kernel with IPVS (User Mode Linux)."""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

from vedette.lab.guest import Boot, Guest

Figures = dict[str, list[float]]
"""All the measurements of each kind of work."""
MEMORY = "768M"
"""Of the machine: servers of 10,000 real servers have more than one of the lab."""
LIMIT = 900.0
"""Seconds that all of them may take."""


def inside(module: str, *arguments: int) -> Figures:
    """What ``python -m MODULE ARGUMENT …`` prints in the machine, as JSON."""
    with tempfile.TemporaryDirectory() as directory:
        machine = Guest(Path(directory), Boot(hostname="bench", ip=("link set lo up",)), memory=MEMORY)
        machine.power_on()
        try:
            answer = machine.request(
                "run",
                limit=LIMIT,
                argv=[sys.executable, "-m", module, *map(str, arguments)],
                stdin="",
                timeout=LIMIT,
                environment={},
                directory=str(Path(__file__).parents[1]),
            )
        finally:
            machine.power_off()
    if answer["code"] != 0:
        raise SystemExit(answer["out"] + answer["err"])
    found: Figures = json.loads(answer["out"])
    return found


def prepare(*commands: str) -> None:
    """In the machine: the interface of a node, 10.77.0.1/24, and what else ``ip`` is to do."""
    network = ("link add net0 type dummy", "link set net0 up", "addr add 10.77.0.1/24 dev net0")
    for command in (*network, *commands):
        subprocess.run(["ip", *command.split()], check=True)


def write_key(folder: Path) -> None:
    """The cluster's key that the benchmarks' documents name."""
    file = folder / "key"
    file.write_text("0123456789abcdef0123456789abcdef")
    file.chmod(0o600)
