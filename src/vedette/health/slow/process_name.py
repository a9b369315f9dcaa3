"""A process of this node: one with that name must run.

The kernel keeps the first 15 letters of a name (proc(5), comm); a longer one is compared with the program's own first
argument. What has ended and waits to be reaped does not count.
"""

import os
from functools import partial
from pathlib import Path, PurePosixPath

from vedette.health.slow import threads
from vedette.health.slow.check import Check, FailedError, Passed, Progress
from vedette.spec.probes import ProcessProbe
from vedette.state.health import Target

COMM = 15
"""Letters of a name that the kernel keeps (TASK_COMM_LEN)."""
PROC = Path("/proc")
_ENDED = "ZX"


def prepare(target: Target) -> Check:
    probe = target.check.probe
    assert isinstance(probe, ProcessProbe)

    async def check(progress: Progress) -> Passed:
        if not await threads.run(partial(_runs, probe.name)):
            raise FailedError(f"no process {probe.name}")
        return Passed(f"{probe.name} runs")

    return check


def _runs(name: str) -> bool:
    return any(entry.isdigit() and _is(PROC / entry, name) for entry in os.listdir(PROC))  # noqa: PTH208 (no objects)


def _is(folder: Path, name: str) -> bool:
    """Whether a process is alive and called ``name``; one that ends meanwhile is not."""
    try:
        comm, _, rest = (folder / "stat").read_text(errors="replace").partition(" (")[2].rpartition(") ")
        if comm != name[:COMM] or rest[:1] in _ENDED:
            return False
        if len(name) <= COMM:
            return True
        first = (folder / "cmdline").read_bytes().partition(b"\0")[0]
        return PurePosixPath(os.fsdecode(first)).name == name
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return False
