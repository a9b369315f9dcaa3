"""Where Vedette has put VIPs in this kernel: what may be deleted when the document no longer names it.

The mark on the address says the same; the file in the run directory serves kernels that have no IFA_PROTO. It is
void after a reboot, when nothing of ours is in the kernel.
"""

import json
from collections.abc import Set
from pathlib import Path

from vedette.kit.clock import boot_id
from vedette.kit.net import IPAddress, parse

Spot = tuple[IPAddress, str]
"""An address on an interface, by the kernel's name."""


class Inventory:
    """A set of spots that survives the daemon."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._spots = _read(path)

    @property
    def spots(self) -> frozenset[Spot]:
        return self._spots

    def keep(self, spots: Set[Spot]) -> None:
        """Remember exactly these; the file is replaced whole, and only when they differ. Raises ``OSError``."""
        if spots == self._spots:
            return
        lines = sorted([str(address), interface] for address, interface in spots)
        temporary = self._path.with_suffix(".new")
        temporary.write_text(json.dumps({"boot": boot_id(), "spots": lines}) + "\n")
        temporary.replace(self._path)
        self._spots = frozenset(spots)


def _read(path: Path) -> frozenset[Spot]:
    """A file that is absent, damaged or of another boot names nothing."""
    try:
        data = json.loads(path.read_text())
        if data["boot"] != boot_id():
            return frozenset()
        return frozenset((parse(address), str(interface)) for address, interface in data["spots"])
    except (OSError, ValueError, KeyError, TypeError):
        return frozenset()
