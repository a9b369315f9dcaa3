"""What the parts of the resolver share: the document, and where faults are reported."""

import posixpath
from collections.abc import Mapping
from dataclasses import dataclass, field

from vedette.spec import values
from vedette.spec.findings import Findings
from vedette.spec.model.document import Spec
from vedette.spec.resolve.expansions import Expansions
from vedette.spec.resolved import Secret
from vedette.spec.tree import Path

NODES: Path = ("spec", "nodes")
GROUPS: Path = ("spec", "groups")
LINKS: Path = ("spec", "heartbeat", "links")
DEVICES: Path = ("spec", "fencingDevices")
CHECKS: Path = ("spec", "checks")
SERVICES: Path = ("spec", "virtualServices")


@dataclass(frozen=True, slots=True)
class DeviceFiles:
    """What was read from the files that fencing devices and checks name, by the place that names them."""

    directory: str
    secrets: Mapping[Path, Secret]

    def secret(self, path: Path) -> Secret:
        """Return the secret whose file ``path`` names; an empty one when it was not read."""
        return self.secrets.get(path, Secret(""))

    def name(self, written: str) -> str:
        """Return the full name of a file as written in the document."""
        return posixpath.normpath(posixpath.join(self.directory, written))


@dataclass(frozen=True, slots=True)
class Companion:
    """What a file beside the document holds; ``file`` is how faults in it call it."""

    file: str
    text: str


Companions = Mapping[Path, Companion]
"""By the place in the document that names the file."""


@dataclass(frozen=True, slots=True)
class Scope:
    """The written document and its findings; every resolving function takes it first."""

    spec: Spec
    findings: Findings
    expansions: Expansions = field(default_factory=Expansions)
    companions: Companions = field(default_factory=dict)

    def fault(self, path: Path, message: str, remedy: str = "", *, at_key: bool = False) -> None:
        self.findings.add(path, message, remedy, at_key=at_key)

    def sound(self, *paths: Path) -> bool:
        """Tell whether everything at ``paths`` is as written, so that a complaint about it is justified."""
        return self.findings.sound(*paths) and not self.findings.tree.cut_off

    def intact(self, path: Path, *keys: str) -> bool:
        """Tell whether the list at ``path`` is complete as far as ``keys`` of its items go."""
        return self.findings.intact(path, *keys) and not self.findings.tree.cut_off


def duration(text: str | None, default: int) -> int:
    """Read an optional duration (ns)."""
    return default if text is None else values.parse_duration(text)
