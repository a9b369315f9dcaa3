"""Processes of a benchmark: compiled, started, measured by the kernel's own account, and ended."""

import os
import signal
import struct
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

SOURCES = Path(__file__).parent


def build(folder: Path) -> None:
    """Compile the C programs beside this file into ``folder``."""
    for name in ("server", "epoll"):
        subprocess.run(["gcc", "-O2", "-o", folder / name, SOURCES / f"{name}.c"], check=True)
    subprocess.run(["gcc", "-O2", "-shared", "-fPIC", "-o", folder / "no_ipvs.so", SOURCES / "no_ipvs.c"], check=True)


@contextmanager
def program(
    command: Sequence[str | Path], *, environment: Mapping[str, str] | None = None
) -> Iterator["subprocess.Popen[bytes]"]:
    """Run a program in a session of its own, silent; its whole session is ended afterwards."""
    process = subprocess.Popen(
        [str(word) for word in command],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        env={**os.environ, **(environment or {})},
    )
    try:
        yield process
    finally:
        for number in (signal.SIGTERM, signal.SIGKILL):
            try:
                os.killpg(process.pid, number)
                process.wait(timeout=3)
            except (ProcessLookupError, subprocess.TimeoutExpired):
                continue
        process.wait()


class Server:
    """The server that everybody is measured against; see server.c."""

    def __init__(self, port: int, counter: Path) -> None:
        self.port, self._counter = port, counter

    @property
    def accepted(self) -> int:
        """Connections so far."""
        data = self._counter.read_bytes()
        return int(struct.unpack("=Q", data)[0]) if len(data) == 8 else 0


@contextmanager
def server(folder: Path, port: int) -> Iterator[Server]:
    counter = folder / f"accepted-{port}"
    with program([folder / "server", str(port), counter]):
        until(counter.exists)
        yield Server(port, counter)


def until(condition: "object", *, limit: float = 20.0) -> None:
    """Wait for something that should come soon; raises :class:`TimeoutError`."""
    assert callable(condition)
    deadline = time.monotonic() + limit
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {limit:.0f} s in vain")
        time.sleep(0.02)


def processor_time(pid: int) -> float:
    """Seconds that a process has run so far, user and system together (/proc/PID/schedstat, in ns)."""
    return int(Path(f"/proc/{pid}/schedstat").read_text().split()[0]) / 1e9


def resident(pid: int) -> float:
    """Megabytes in memory."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / (1 << 20)
