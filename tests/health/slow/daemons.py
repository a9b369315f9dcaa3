"""Real servers from Debian packages, as processes of the test session on loopback."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import pytest

PATIENCE = 20.0
"""Seconds that a server may take to start, on a busy machine too."""


def needs(program: str) -> str:
    """Return where a program is; skips the test on machines that lack it."""
    if os.geteuid() != 0:
        pytest.skip("servers want to be started by root")
    found = shutil.which(program, path=f"{os.environ['PATH']}:/usr/sbin:/sbin")
    if found is None:
        pytest.skip(f"no {program}: `make test` installs it")
    return found


def free_port(kind: socket.SocketKind = socket.SOCK_STREAM) -> int:
    """A port of loopback that nobody uses now."""
    with socket.socket(type=kind) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def free_port_of_both() -> int:
    """A port that neither TCP nor UDP uses now."""
    while True:
        port = free_port()
        with contextlib.suppress(OSError), socket.socket(type=socket.SOCK_DGRAM) as probe:
            probe.bind(("127.0.0.1", port))
            return port


@contextlib.contextmanager
def running(
    command: Sequence[str],
    folder: Path,
    ready: Callable[[], bool],
    *,
    environment: Mapping[str, str] | None = None,
) -> Iterator[int]:
    """A server, its children included, for as long as the context lasts; yields its process id.

    What it says goes to ``FOLDER/log``, and into the failure when it does not become ready.
    """
    with open(folder / "log", "ab") as log:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env={**os.environ, **(environment or {})},
            cwd=folder,
            start_new_session=True,
        )
    try:
        _wait(process, ready, folder)
        yield process.pid
    finally:
        _end(process)


def answers(port: int) -> bool:
    """Whether somebody takes TCP connections there."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def ends(pid: int) -> bool:
    """Wait until a process that was killed is gone, or a zombie that somebody else has to reap."""
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        try:
            if Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0] in "ZX":
                return True
        except (FileNotFoundError, ProcessLookupError):
            return True
        time.sleep(0.01)
    return False


def give(path: Path, user: str) -> None:
    """Make a user of this machine the owner of a path."""
    shutil.chown(path, user)


def _wait(process: "subprocess.Popen[bytes]", ready: Callable[[], bool], folder: Path) -> None:
    until = time.monotonic() + PATIENCE
    while not ready():
        if process.poll() is not None or time.monotonic() > until:
            said = (folder / "log").read_text(errors="replace")[-2000:]
            pytest.fail(f"{process.args!r} does not start (status {process.returncode}): {said}")
        time.sleep(0.02)


def _end(process: "subprocess.Popen[bytes]") -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(5)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
