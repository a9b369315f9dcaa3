"""The cluster's part of the document that runs, kept for the next start in this boot."""

import contextlib
import json
from pathlib import Path

from vedette.kit import files, plain
from vedette.spec.resolved import ClusterSpec

RUNNING = "running.json"
"""In the run directory: it dies with the boot, as leases do."""


def recall(run_dir: Path) -> tuple[ClusterSpec, int] | None:
    """What ran last, with its revision; None when nothing did, or a release that wrote it in another way."""
    data = files.read(run_dir / RUNNING)
    if data is None:
        return None
    try:
        kept = json.loads(data)
        return plain.load(ClusterSpec, kept["spec"]), kept["revision"]
    except (ValueError, KeyError, TypeError):
        return None


def remember(run_dir: Path, spec: ClusterSpec, revision: int) -> None:
    body = {"revision": revision, "spec": plain.dump(spec)}
    with contextlib.suppress(OSError):  # only a quicker start is lost
        files.replace(run_dir / RUNNING, json.dumps(body).encode())
