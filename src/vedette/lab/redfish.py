"""One management controller that speaks Redfish: sushy-tools' emulator, with the lab's power switch behind it.

``python -m vedette.lab.redfish CONTROL FOLDER NAME ADDRESS PORT SYSTEM`` reads ``users`` (``user:password`` lines)
and the certificate in FOLDER, writes the state of the emulator there, and serves until it is killed.
"""

import sys
from pathlib import Path
from typing import Any

import bcrypt
from sushy_tools import error  # type: ignore[import-untyped]
from sushy_tools.emulator import main as emulator  # type: ignore[import-untyped]
from sushy_tools.emulator.resources.systems import fakedriver  # type: ignore[import-untyped]

from vedette.lab import plug
from vedette.lab.credentials import CERTIFICATE, CERTIFICATE_KEY, USERS

_ORDERS = {"On": "on", "ForceOn": "on", "ForceOff": "off"}


class Driver(fakedriver.FakeDriver):  # type: ignore[misc]
    """The emulator's own driver for systems without a hypervisor, but for the power."""

    control, device = "", ""

    def get_power_state(self, identity: str) -> str:
        self._get(identity)
        return "On" if plug.ask(self.control, self.device, "", "status") == "on" else "Off"

    def set_power_state(self, identity: str, state: str) -> None:
        self._get(identity)
        if state not in _ORDERS:
            raise error.NotSupportedError(f"{state} is not supported")
        try:
            plug.ask(self.control, self.device, "", _ORDERS[state])
        except plug.RefusedError as refusal:
            raise error.FishyError(str(refusal)) from refusal


def main(control: str, folder: str, name: str, address: str, port: str, system: str) -> None:
    here = Path(folder)
    Driver.control, Driver.device = control, name
    fakedriver.FakeDriver = Driver
    settings: dict[str, Any] = {
        "SUSHY_EMULATOR_FAKE_DRIVER": True,
        "SUSHY_EMULATOR_FAKE_SYSTEMS": [{"uuid": system, "name": name, "power_state": "On", "nics": []}],
        "SUSHY_EMULATOR_STATE_DIR": str(here / "state"),
        "SUSHY_EMULATOR_AUTH_FILE": _password_file(here),
        "SUSHY_EMULATOR_LISTEN_IP": address,
        "SUSHY_EMULATOR_LISTEN_PORT": int(port),
        "SUSHY_EMULATOR_SSL_CERT": str(here / CERTIFICATE),
        "SUSHY_EMULATOR_SSL_KEY": str(here / CERTIFICATE_KEY),
    }
    emulator.app.configure(extra_config=settings)
    sys.argv[1:] = []
    emulator.main()


def _password_file(here: Path) -> str:
    """What the emulator wants to have: the users' passwords, hashed."""
    lines = []
    for line in (here / USERS).read_text().splitlines():
        user, _, password = line.partition(":")
        lines.append(f"{user}:{bcrypt.hashpw(password.encode(), bcrypt.gensalt(rounds=4)).decode()}\n")
    path = here / "htpasswd"
    path.write_text("".join(lines))
    return str(path)


if __name__ == "__main__":
    main(*sys.argv[1:])
