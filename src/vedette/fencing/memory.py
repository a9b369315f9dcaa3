"""Which plugs are to be believed, kept through a restart of the fencer or of the whole daemon, in this boot."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vedette.fencing.plugs import Plug, Reading
from vedette.kit import clock, files, plain

NAME = "plugs.json"


def recall(run_dir: Path) -> dict[Plug, Reading]:
    """What was remembered in this boot; nothing where that cannot be read or is not of this boot."""
    try:
        kept: Any = json.loads(files.read(run_dir / NAME) or b"{}")
        if kept.get("boot") != clock.boot_id():
            return {}
        return {plain.load(Plug, plug): plain.load(Reading, reading) for plug, reading in kept["plugs"]}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}


def remember(run_dir: Path, readings: Mapping[Plug, Reading]) -> None:
    """Write it down; raises ``OSError``."""
    plugs = [[plain.dump(plug), plain.dump(reading)] for plug, reading in readings.items()]
    files.replace(run_dir / NAME, json.dumps({"boot": clock.boot_id(), "plugs": plugs}).encode())
