"""sushy-tools' emulator of a Redfish controller, with one system that is a process.

``redfish.py FOLDER ARGUMENT...``: the arguments are the emulator's. ``FOLDER/command`` is what is started, its process
is in ``FOLDER/pid``; a file ``stuck`` makes the controller take orders and do nothing.
"""

import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

from sushy_tools.emulator import main  # type: ignore[import-untyped]
from sushy_tools.emulator.resources.systems import fakedriver  # type: ignore[import-untyped]

FOLDER = Path(sys.argv.pop(1))


def running() -> bool:
    try:
        pid = int((FOLDER / "pid").read_text())
    except FileNotFoundError:
        return False
    with suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)
    return Path(f"/proc/{pid}").exists()


def start() -> None:
    if not running():
        process = subprocess.Popen((FOLDER / "command").read_text().split(), start_new_session=True)
        (FOLDER / "pid").write_text(str(process.pid))


class ProcessDriver(fakedriver.FakeDriver):  # type: ignore[misc]
    def get_power_state(self, identity: str) -> str:
        self._get(identity)
        return "On" if running() else "Off"

    def set_power_state(self, identity: str, state: str) -> None:
        self._get(identity)
        if (FOLDER / "stuck").exists():
            return
        if state == "ForceOff" and running():
            os.killpg(int((FOLDER / "pid").read_text()), signal.SIGKILL)
        elif state == "On":
            start()


if __name__ == "__main__":
    fakedriver.FakeDriver = ProcessDriver
    start()
    sys.exit(main.main())
