"""What is known of this machine's watchdog, as others read it. Pure."""

from dataclasses import dataclass
from enum import Enum


class State(Enum):
    """``IDLE``: nothing is held here, but the device cannot be stopped; it is fed as long as its feeder lives."""

    OFF = "off"
    ARMED = "armed"
    IDLE = "idle"


@dataclass(frozen=True, slots=True)
class Armed:
    """An open device, as its feeder describes it; see :class:`vedette.watchdog.device.Device`."""

    path: str
    identity: str
    timeout: int
    way_out: bool
    sure: bool


@dataclass(frozen=True, slots=True)
class WatchdogStatus:
    """``timeout`` in ns. ``nowayout``, like ``identity``, is known once the device has been opened, None before."""

    device: str
    state: State
    timeout: int
    identity: str | None
    nowayout: bool | None
    problem: str
