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
    """``at``: CLOCK_BOOTTIME ns when it was complete; ``detail`` is for a person and holds no secret."""

    said: Said
    at: int
    detail: str = ""

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
