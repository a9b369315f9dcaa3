"""From a device of the document to its driver."""

import asyncio
import subprocess
import sys

import pytest

from vedette.fencing.device import DeviceError, Power
from vedette.fencing.drivers import build
from vedette.spec.resolved import FencingDevice, Manual

LIBRARIES = ("httpx", "pysnmp", "asyncssh")


def test_a_library_is_loaded_only_for_a_device_that_needs_it() -> None:
    script = (
        "import sys; from vedette.fencing.drivers import build; from vedette.spec.resolved import *;"
        "build(FencingDevice('person', 1, Manual())); build(FencingDevice('agent', 1, Agent('fence_x')));"
        f"print([name for name in {LIBRARIES} if name in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", script], capture_output=True, check=True).stdout == b"[]\n"


def test_a_person_is_never_off_by_himself() -> None:
    device = build(FencingDevice("person", 1, Manual()))
    assert asyncio.run(device.status(None)) is Power.UNKNOWN
    with pytest.raises(DeviceError, match="confirm-off"):
        asyncio.run(device.off(None))
    assert asyncio.run(device.status(None)) is Power.UNKNOWN
    assert asyncio.run(device.check(None)) == []
