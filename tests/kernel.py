"""A real kernel for driver contract tests: one machine of the lab, without wires, shared by the session.

The machine sees this repository and its virtual environment as they are on the host, so a contract test is an
ordinary pytest file; those under a directory named ``in_kernel`` run only inside the machine::

    @pytest.mark.kernel
    def test_the_driver_keeps_its_contract(guest: Kernel) -> None:
        guest.pytest("tests/ipvs/in_kernel")
"""

import os
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

from vedette.lab import launch
from vedette.lab.launch import Running
from vedette.lab.topology import MachinePlan, Topology
from vedette.spec.resolved import Role

REPOSITORY = Path(__file__).parents[1]
NAME = "kernel"
INSIDE = "VEDETTE_TEST_KERNEL"
"""Set in the environment of tests that run inside the machine."""


@dataclass(frozen=True, slots=True)
class Finished:
    """What a command left: ``code`` is None when its time was up."""

    code: int | None
    out: str
    err: str


class Kernel:
    """The machine, as a test sees it."""

    def __init__(self, running: Running) -> None:
        self._running = running

    def end(self) -> None:
        self._running.end()

    def run(self, *argv: str, stdin: str = "", timeout: float = 30.0) -> Finished:
        """Run a command in the repository's directory, as root of the machine."""
        request = {
            "op": "run",
            "argv": argv,
            "stdin": stdin,
            "timeout": timeout,
            "environment": {INSIDE: "1"},
            "directory": str(REPOSITORY),
        }
        answer = self._running.control.ask("machine", machine=NAME, limit=timeout, request=request)
        return Finished(**answer)

    def python(self, source: str, *arguments: str, timeout: float = 30.0) -> str:
        """Run Python source with the project's interpreter; returns what it printed, fails when it fails."""
        done = self.run(sys.executable, "-", *arguments, stdin=source, timeout=timeout)
        assert done.code == 0, done.out + done.err
        return done.out

    def pytest(self, *arguments: str, timeout: float = 110.0) -> str:
        """Run pytest inside the machine; fails with its whole output when a test in there fails."""
        done = self.run(
            *(sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"),
            *("-o", "timeout=0", *arguments),
            timeout=timeout,
        )
        assert done.code == 0, f"in the machine:\n{done.out}{done.err}"
        return done.out


def missing() -> str | None:
    """Say what a machine needs and this host lacks."""
    if os.geteuid() != 0:
        return "needs root"
    programs = {"linux.uml": "user-mode-linux", "modprobe": "kmod", "ip": "iproute2"}
    lacking = [package for program, package in programs.items() if shutil.which(program) is None]
    return f"needs the packages {' '.join(lacking)}" if lacking else None


def boot() -> Kernel:
    """Boot the machine; it dies with this process, whatever kills that."""
    machine = MachinePlan(NAME, Role.WITNESS, legs=())
    topology = Topology(networks=(), machines=(machine,), servers=(), client=())
    return Kernel(launch.start(f"{NAME}-{os.getpid()}", topology))
