"""What every fencing device can do, whatever it speaks.

A device answers three questions and is believed in one case only: a status of ``OFF`` that it reported itself, after
it was asked. Everything else (an exception, a time-out, ``UNKNOWN``, the acknowledgement of an order) is never off.
"""

from enum import Enum
from typing import Protocol

from vedette.kit.errors import PermanentError, TransientError, VedetteError


class Power(Enum):
    """Whether a node has power, as its device says."""

    ON = "on"
    OFF = "off"
    UNKNOWN = "unknown"


class DeviceError(VedetteError):
    """The device could not be asked, or did not do what it was asked. The text is for a person and holds no secret."""


class UnreachableError(DeviceError, TransientError):
    """No answer, or none that makes sense: it may answer the next time."""


class RefusedError(DeviceError, PermanentError):
    """The device answered and will not: wrong password, no such outlet, an option that it does not know."""


class Device(Protocol):
    """One device. ``plug`` is the node's outlet, None where the device is one node's own.

    Every call may be cancelled at any time, and then ends what it has started. Callers put time-outs around the
    calls; the drivers only bound single exchanges. All of them raise :class:`DeviceError`.
    """

    async def status(self, plug: str | None) -> Power:
        """What the device says now."""
        ...

    async def off(self, plug: str | None) -> None:
        """Ask for off. Returning proves nothing: ask for the status until it says so."""
        ...

    async def on(self, plug: str | None) -> None:
        """Ask for on."""
        ...

    async def check(self, plug: str | None) -> list[str]:
        """Find what would keep the device from working, without switching anything; a sentence for each problem."""
        ...
