"""What the checks of the slow lane do: one class a kind, every default filled in.

They are kept apart from the kinds of the fast lane (``TcpProbe`` and its neighbours in
:mod:`vedette.spec.resolved`) because another process carries them out: :data:`SlowProbe` says which those are.
"""

from dataclasses import dataclass
from typing import get_args


@dataclass(frozen=True, slots=True)
class FixedProbe:
    """Always up, or always down."""

    up: bool


@dataclass(frozen=True, slots=True)
class Step:
    """Exactly one of ``send`` (text) and ``expect`` (a regular expression) is set."""

    send: str | None = None
    expect: str | None = None


@dataclass(frozen=True, slots=True)
class DialogueProbe:
    """Texts sent and expected in turn over one connection."""

    steps: tuple[Step, ...]


@dataclass(frozen=True, slots=True)
class FileProbe:
    """A file of this node must exist; ``expect`` is a regular expression that it must contain, or None."""

    path: str
    expect: str | None = None


SlowProbe = FixedProbe | DialogueProbe | FileProbe
LocalProbe = FileProbe
"""What looks at this node, wherever the real server is: one check for all of them."""

PortlessProbe = FixedProbe
"""What has nothing to do with ports: it applies to a server whatever its services speak."""

_KINDS = get_args(SlowProbe)


def is_slow(probe: object) -> bool:
    """Tell whether the slow lane carries out a probe."""
    return isinstance(probe, _KINDS)
