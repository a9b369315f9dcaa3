"""Starting a lab's supervisor and ending it."""

import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from vedette.kit import plain
from vedette.kit.errors import PermanentError, TransientError
from vedette.lab import control, home, simulators
from vedette.lab.control import Control
from vedette.lab.supervisor import PID, TOPOLOGY
from vedette.lab.topology import Topology

PROGRAMS = {
    "linux.uml": "user-mode-linux",
    "ip": "iproute2",
    "modprobe": "kmod",
    "setsid": "util-linux",
    "taskset": "util-linux",
}
"""What a lab runs, and the Debian package that has it."""


def check_host(topology: Topology) -> None:
    """Raise :class:`PermanentError` with the remedy when this host cannot run a lab."""
    if os.geteuid() != 0:
        raise PermanentError("a lab makes network namespaces and bridges: run this as root")
    lacking = sorted({package for program, package in PROGRAMS.items() if shutil.which(program) is None})
    if lacking:
        raise PermanentError(f"a lab needs more programs here: apt-get install {' '.join(lacking)}")
    if missing := simulators.lacking(topology.devices):
        raise PermanentError(f"the stand-ins for the document's fencing devices need: {'; '.join(missing)}")
    if not Path("/dev/net/tun").exists():
        raise PermanentError("/dev/net/tun is missing: modprobe tun, or give this container the device")


class Running:
    """A lab that this process has started. While it is held, the lab dies with this process."""

    def __init__(self, directory: Path, lifeline: socket.socket) -> None:
        self.directory = directory
        self.control = Control(directory)
        self._lifeline = lifeline

    def let_go(self) -> None:
        """Let the lab live on without this process."""
        self.control.ask("stay")
        home.let_go(self.directory)
        self._lifeline.close()

    def end(self) -> None:
        self._lifeline.close()
        end(self.directory)


def silent(_: str) -> None:
    """Hear progress, and say nothing."""


def empty(_: Path) -> None:
    """Put nothing into the lab's directory."""


def start(
    name: str,
    topology: Topology,
    *,
    progress: Callable[[str], None] = silent,
    fill: Callable[[Path], None] = empty,
) -> Running:
    """Start a lab and wait until all machines are up.

    ``fill`` may put files into the lab's directory before. Raises :class:`vedette.kit.errors.VedetteError` and
    leaves nothing behind when the lab does not come up.
    """
    check_host(topology)
    directory, lock = home.claim(name)
    home.hold(directory)
    ours, theirs = socket.socketpair()
    running = Running(directory, ours)
    try:
        with theirs:
            (directory / TOPOLOGY).write_text(json.dumps(plain.dump(topology)))
            fill(directory)
            _spawn(directory, lock, theirs.fileno())
        os.close(lock)
        lock = -1
        _follow(ours, progress)
    except BaseException:
        if lock >= 0:
            os.close(lock)
        running.end()
        raise
    return running


def end(directory: Path) -> None:
    """End a lab, whoever started it, and remove its directory."""
    pid = None
    with contextlib.suppress(OSError, ValueError):
        pid = int((directory / PID).read_text())
    with contextlib.suppress(TransientError):
        Control(directory).ask("stop")
    home.remove(directory, pid=pid)


def _spawn(directory: Path, lock: int, lifeline: int) -> None:
    with open(directory / "supervisor.log", "ab") as log:
        done = subprocess.run(
            [sys.executable, "-P", "-m", "vedette.lab.supervisor", str(directory), str(lifeline)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            pass_fds=(lock, lifeline),
            start_new_session=True,
            check=False,
        )
    if done.returncode:
        words = (directory / "supervisor.log").read_text(errors="replace").splitlines()[-1:]
        raise PermanentError(f"the lab cannot start here: {' '.join(words)}")


def _follow(lifeline: socket.socket, progress: Callable[[str], None]) -> None:
    """Pass on what the supervisor says until the lab is ready; raises what went wrong."""
    with lifeline.makefile("r", encoding="utf-8") as lines:
        for line in lines:
            message = json.loads(line)
            if "progress" in message:
                progress(message["progress"])
            elif "ready" in message:
                return
            else:
                control.result(message)
    raise PermanentError("the lab's supervisor ended while it started")
