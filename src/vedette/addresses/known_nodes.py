"""What was heard of the other nodes, for as long as the machine runs: with which MACs each answers, and what moves.

What a node that is silent has said stays. The file in the run directory serves the next daemon; one that is absent,
damaged or of another boot says nothing, and then more is asked.
"""

import contextlib
import json
from collections.abc import Mapping
from pathlib import Path

from vedette.addresses.moving import Moving
from vedette.kit import files
from vedette.kit.clock import boot_id


class KnownNodes:
    def __init__(self, path: Path) -> None:
        self._path = path
        self._macs: dict[str, frozenset[bytes]] = {}
        self._written = b""

    @property
    def macs(self) -> frozenset[bytes]:
        """Those of all nodes."""
        return frozenset[bytes]().union(*self._macs.values())

    def take(self, macs: Mapping[str, frozenset[bytes]], *, moving: Moving) -> None:
        """Take what nodes say now, and write it down with what ``moving`` knows, where it is news."""
        self._macs.update({name: found for name, found in macs.items() if found})
        plain = {name: sorted(mac.hex() for mac in found) for name, found in sorted(self._macs.items())}
        known = json.dumps({"boot": boot_id(), "macs": plain, "moving": moving.plain()}).encode()
        if known != self._written:
            self._written = known
            with contextlib.suppress(OSError):
                files.replace(self._path, known)

    def recall(self, moving: Moving) -> None:
        """Go on with what an earlier daemon of this boot has written down, and let ``moving`` do so."""
        try:
            known = json.loads(self._path.read_bytes())
            if known["boot"] == boot_id():
                self._macs = {name: frozenset(map(bytes.fromhex, macs)) for name, macs in known["macs"].items()}
                moving.recall(known["moving"])
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            self._macs = {}
