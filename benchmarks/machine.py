"""A benchmark's inner half, in a machine of its own: a kernel with IPVS (User Mode Linux)."""

import json
import sys
import tempfile
from pathlib import Path

from vedette.lab.guest import Boot, Guest

Figures = dict[str, list[float]]
"""All the measurements of each kind of work."""
LIMIT = 900.0
"""Seconds that all of them may take."""


def inside(module: str, *arguments: int) -> Figures:
    """What ``python -m MODULE ARGUMENT …`` prints in the machine, as JSON."""
    with tempfile.TemporaryDirectory() as directory:
        machine = Guest(Path(directory), Boot(hostname="bench", ip=("link set lo up",)))
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
