"""A softdog that bites nobody, and a keeper's half to put in front of its feeder."""

import asyncio
import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from vedette.kit.units import SECOND
from vedette.spec.resolved import Watchdog as Wanted
from vedette.watchdog.client import Watchdog

DEVICE = "/dev/watchdog1"
"""User Mode Linux has a /dev/watchdog of its own."""
TIMEOUT = 2 * SECOND
WANTED = Wanted(device=DEVICE, timeout=TIMEOUT)


def load(*, nowayout: bool) -> None:
    """Load the softdog anew; ``soft_noboot`` makes it say that it bites instead of biting."""
    subprocess.run(["rmmod", "softdog"], check=False, capture_output=True)
    subprocess.run(["modprobe", "softdog", "soft_noboot=1", f"nowayout={int(nowayout)}"], check=True)


def bites() -> int:
    """How often it would have reset this machine."""
    return subprocess.run(["dmesg"], check=True, capture_output=True, text=True).stdout.count("Triggered")


@contextmanager
def run_dir() -> Iterator[Path]:
    with TemporaryDirectory(dir="/run") as path:
        yield Path(path)


@dataclass
class Keeper:
    """What the keeper knows: whether it holds something, and why its core is late."""

    run_dir: Path
    holds: bool = False
    late: str = ""
    told: list[int | None] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.watchdog = Watchdog(
            run_dir=self.run_dir,
            holds=lambda: self.holds,
            late=lambda: self.late,
            armed=self.told.append,
            changed=lambda: None,
        )

    @property
    def state(self) -> str:
        status = self.watchdog.status()
        return status.state.value if status is not None else "none"

    @property
    def problem(self) -> str:
        status = self.watchdog.status()
        return status.problem if status is not None else ""

    async def becomes(self, state: str) -> None:
        await until(lambda: self.state == state)


async def until(condition: Callable[[], bool]) -> None:
    """Wait for what must come; the patience is for a busy machine."""
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.05)


async def ended(pid: int, *, by: int = 0) -> None:
    """Wait for a process's end; ask for it with a signal, again and again."""

    def has_ended() -> bool:
        try:
            os.kill(pid, by)
            return ") Z " in Path(f"/proc/{pid}/stat").read_text()
        except (ProcessLookupError, FileNotFoundError):
            return True

    await until(has_ended)
