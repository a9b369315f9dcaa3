"""What is known about every plug from looking at it while all is well.

A plug must read *on* while its node lives. That finds a wrong outlet before it matters, and it is what lets a device be
believed later that says a plug is "already off".
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace

from vedette.fencing.answers import Answer, Said
from vedette.kit.units import SECOND
from vedette.spec.resolved import FencingDevice, FencingUse, Manual, Node

DOUBT_MARGIN = 2 * SECOND
"""A node counts as living for up to ``deadAfter`` after its death, and news of it takes a moment (ns)."""


@dataclass(frozen=True, slots=True)
class Plug:
    """One use of a device by one node. ``likeness`` changes with the device's settings, its secrets aside."""

    node: str
    device: str
    plug: str | None
    likeness: str = ""


@dataclass(frozen=True, slots=True)
class Reading:
    """What is known of a plug. Instants are BOOTTIME ns, 0 = never.

    ``power`` is the last clear answer, given first at ``since`` and last at ``read``; ``problem`` why there has been
    none since. ``shown_on``: last seen on while the node lived. ``off_alive``: first seen off while it lived.
    """

    power: str = "unknown"
    since: int = 0
    read: int = 0
    problem: str = ""
    shown_on: int = 0
    off_alive: int = 0
    doubted: bool = False

    @property
    def trusted(self) -> bool:
        """Whether this plug is known to be its node's: seen on while it lived, and never off while it surely did."""
        return bool(self.shown_on) and not self.doubted

    def take(self, answer: Answer, *, alive_since: int | None, dead_after: int) -> "Reading":
        """The reading after an answer to ``status``; ``alive_since`` None = the node is not known to live."""
        match answer.said:
            case Said.ON | Said.OFF:
                same = answer.said.value == self.power
                seen = replace(
                    self, power=answer.said.value, since=self.since if same else answer.at, read=answer.at, problem=""
                )
                return seen._while_alive(answer, alive_since, dead_after)
            case Said.UNKNOWN:
                return replace(self, problem="the device says neither on nor off")
            case Said.FAILED | Said.SILENT:
                return replace(self, problem=answer.detail)
            case _:
                return self

    def _while_alive(self, answer: Answer, alive_since: int | None, dead_after: int) -> "Reading":
        """Weigh a clear answer against the node's life.

        A living node is one that was heard within ``deadAfter``; so *off* contradicts its life only when it still
        lives that long after. Until then it may just have died.
        """
        if alive_since is None:
            return replace(self, off_alive=0)
        if answer.said is Said.ON:
            return replace(self, shown_on=answer.at, off_alive=0, doubted=False)
        first = self.off_alive if self.off_alive >= alive_since and self.off_alive else answer.at
        return replace(self, off_alive=first, doubted=self.doubted or answer.at - first > dead_after + DOUBT_MARGIN)


def plugs_of(nodes: tuple[Node, ...], devices: tuple[FencingDevice, ...]) -> tuple[Plug, ...]:
    """Every plug of a document that a device can tell about: a person has none."""
    known = {device.name: device for device in devices}
    return tuple(
        dict.fromkeys(
            Plug(node.name, use.device, use.plug, likeness(known[use.device]))
            for node in nodes
            if node.fencing is not None
            for level in node.fencing.levels
            for use in level
            if not isinstance(known[use.device].driver, Manual)
        )
    )


def name(use: FencingUse) -> str:
    """A plug as a person says it."""
    return use.device if use.plug is None else f"{use.device} plug {use.plug}"


def likeness(device: FencingDevice) -> str:
    """A short name of the device's settings: what was seen through other settings was another device."""
    return hashlib.sha256(repr(device.driver).encode()).hexdigest()[:16]  # secrets are in no repr


def alarm(reading: Reading, *, alive: bool) -> str:
    """What is wrong with a plug, for a person; empty when nothing is, or nothing is known yet."""
    if reading.doubted:
        return "reads off while its node lives: it is not that node's plug, or the device is wrong; off is not believed"
    if alive and reading.power == "off":
        return "reads off while its node lives"
    if reading.problem:
        return f"cannot be read: {reading.problem}"
    return ""


def remembered(readings: Mapping[Plug, Reading]) -> dict[Plug, Reading]:
    """What outlives the process: whether a plug is to be believed. What it reads now is read again."""
    return {
        plug: Reading(shown_on=reading.shown_on, doubted=reading.doubted)
        for plug, reading in readings.items()
        if reading.shown_on or reading.doubted
    }
