"""What the keeper and the fencer process say to each other.

::

    keeper → fencer   {"assignment": ASSIGNMENT}                  after each start and each change of the document
                      {"wanted": [WANTED, ...], "alive": {NODE: SINCE}}   complete, and again and again
                      {"entry": NUMBER, "record": ENTRY}          for the history; answered with {"entry": NUMBER}
                      {"ask": NUMBER, "what": "test" | "on", "node": NODE}
                      {"ask": NUMBER, "what": "off", "node": NODE, "level": NUMBER, "asked": BOOTTIME,
                       "by": WHO, "incarnation": NUMBER}
                      answered with {"answer": NUMBER, ...}; "error" in it: refused, and "unable" beside that: not now
    fencer → keeper   {"result": RESULT}                          repeated for as long as the node is wanted off
                      {"report": REPORT}                          after each change
                      {"entry": NUMBER}

An order to switch off is only given while the wanted set is fresh (:data:`FRESH`): a keeper that hangs, or was frozen
with the whole machine, must not have somebody shot on what it knew before.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from vedette.fencing.answers import Evidence
from vedette.kit.units import SECOND
from vedette.spec.resolved import FencingDevice, Node

FRESH = 2 * SECOND
"""How long (ns) a wanted set counts."""


@dataclass(frozen=True, slots=True)
class Assignment:
    """The document's fencing part, for the node ``me``. ``dead_after`` in ns."""

    me: str
    dead_after: int
    nodes: tuple[Node, ...]
    devices: tuple[FencingDevice, ...]


@dataclass(frozen=True, slots=True)
class Wanted:
    """A node that is to be off, up to ``incarnation``. ``wait`` (ns) counts from ``asked`` (BOOTTIME ns)."""

    node: str
    incarnation: int
    asked: int
    wait: int


@dataclass(frozen=True, slots=True)
class Result:
    """``confirmed``: the node is proved off. Else ``reason`` says why a round came to nothing; it goes on."""

    node: str
    incarnation: int
    confirmed: bool
    reason: str
    evidence: tuple[Evidence, ...] = ()


@dataclass(frozen=True, slots=True)
class PlugReport:
    """What is known of a plug. Instants are BOOTTIME ns, 0 = never; ``problem`` is for a person."""

    node: str
    device: str
    plug: str | None
    power: str
    since: int
    read: int
    trusted: bool
    problem: str


@dataclass(frozen=True, slots=True)
class FenceReport:
    """A node that is wanted off, and how far that is. Instants are BOOTTIME ns."""

    node: str
    incarnation: int
    asked: int
    phase: str
    level: int
    rounds: int
    until: int
    failure: str
    proof: str


@dataclass(frozen=True, slots=True)
class Report:
    """What the fencer sees and does. ``troubles``: what is wrong with it, by scope (``fencing device pdu``)."""

    plugs: tuple[PlugReport, ...] = ()
    fences: tuple[FenceReport, ...] = ()
    troubles: Mapping[str, str] = field(default_factory=dict)
