"""The few words of racadm that matter, for sshd's ForceCommand: ``racadm.py FOLDER``.

A file ``stuck`` makes it take orders and do nothing.
"""

import os
import signal
import subprocess
import sys
from pathlib import Path

FOLDER = Path(sys.argv[1])
PID = FOLDER / "pid"


def running() -> bool:
    """Whether the machine runs; one that is dead and not yet reaped does not."""
    try:
        state = Path(f"/proc/{PID.read_text()}/stat").read_text()
    except OSError:
        return False
    return state.rpartition(")")[2].split()[0] not in "ZX"


def main() -> int:
    match os.environ.get("SSH_ORIGINAL_COMMAND", "").split():
        case ["racadm", "serveraction", "powerstatus"]:
            print(f"Server power status: {'ON' if running() else 'OFF'}")
        case ["racadm", "serveraction", "powerdown" | "powerup" as action]:
            if not (FOLDER / "stuck").exists():
                switch(on=action == "powerup")
            print("Server power operation successful")
        case _:
            print("ERROR: Invalid subcommand specified.")
            return 1
    return 0


def switch(*, on: bool) -> None:
    if running() and not on:
        os.killpg(int(PID.read_text()), signal.SIGKILL)
    if on and not running():
        devnull = subprocess.DEVNULL
        process = subprocess.Popen(
            (FOLDER / "command").read_text().split(),
            stdin=devnull, stdout=devnull, stderr=devnull, start_new_session=True,
        )  # fmt: skip
        PID.write_text(str(process.pid))


if __name__ == "__main__":
    sys.exit(main())
