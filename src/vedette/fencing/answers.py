"""What a device answered to one call, and when: the grain of evidence."""

from dataclasses import dataclass
from enum import Enum


class Said(Enum):
    """The gist of an answer. Only ``OFF`` is off."""

    ON = "on"
    OFF = "off"
    UNKNOWN = "unknown"
    """An answer that says neither."""
    ACCEPTED = "accepted"
    """The order was taken, which proves nothing."""
    FAILED = "failed"
    """An error in place of an answer."""
    SILENT = "silent"
    """No answer in time."""
    YIELDED = "yielded"
    """Not asked to the end: something more urgent needed the device."""


@dataclass(frozen=True, slots=True)
class Answer:
    """``at``: CLOCK_BOOTTIME ns when it was complete; ``detail`` is for a person and holds no secret.

    ``unreachable``: the error is that nobody was reached, as with a controller that has lost its own power.
    """

    said: Said
    at: int
    detail: str = ""
    unreachable: bool = False

    @property
    def quiet(self) -> bool:
        """Whether the device said nothing at all: that takes back nothing of what it said before."""
        return self.said is Said.SILENT or (self.said is Said.FAILED and self.unreachable)

    def __str__(self) -> str:
        return f"{self.said.value}: {self.detail}" if self.detail else self.said.value


@dataclass(frozen=True, slots=True)
class Evidence:
    """What was asked (``status`` or ``off``) of whom, and the answer. ``at``: CLOCK_BOOTTIME ns."""

    device: str
    plug: str | None
    asked: str
    said: str
    at: int
    detail: str = ""
