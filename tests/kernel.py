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

from vedette.lab.guest import Boot, Guest

REPOSITORY = Path(__file__).parents[1]
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

    def __init__(self, guest: Guest) -> None:
        self._guest = guest

    def run(self, *argv: str, stdin: str = "", timeout: float = 30.0) -> Finished:
        """Run a command in the repository's directory, as root of the machine."""
        answer = self._guest.request(
            "run",
            limit=timeout,
            argv=argv,
            stdin=stdin,
            timeout=timeout,
            environment={INSIDE: "1"},
            directory=str(REPOSITORY),
        )
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


def boot(directory: Path) -> Guest:
    guest = Guest(directory, Boot(hostname="kernel", ip=("link set lo up",)))
    guest.power_on()
    return guest
