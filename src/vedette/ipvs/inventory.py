"""Which services are ours: the kernel's table has no owner's mark, so we keep a list beside it.

It lies in the run directory, which a boot clears together with the kernel's table. It is written before the kernel
is asked for a new service, so a crash leaves nothing of ours unlisted.
"""

import json
import logging
from collections.abc import Set as AbstractSet
from pathlib import Path

from vedette.ipvs.model import AddressKey, MarkKey, ServiceKey
from vedette.kit import files, plain
from vedette.kit.log import event

_log = logging.getLogger("vedette.ipvs")


class Inventory:
    """The keys of every service that we programmed and have not deleted."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._keys = _read(path)

    def __contains__(self, key: object) -> bool:
        return key in self._keys

    def __len__(self) -> int:
        return len(self._keys)

    def keep(self, keys: AbstractSet[ServiceKey]) -> None:
        """Make the list ``keys``; on disk before this returns, if it changed. Raises ``OSError``."""
        if keys == self._keys:
            return
        listed = sorted((plain.dump(key) for key in keys), key=str)
        files.replace(self._path, json.dumps(listed).encode())
        self._keys = frozenset(keys)


def _read(path: Path) -> frozenset[ServiceKey]:
    """An unreadable list is an empty one: leftovers on addresses of the document are still known for ours."""
    data = files.read(path)
    if data is None:
        return frozenset()
    try:
        return frozenset(plain.load(tuple[AddressKey | MarkKey, ...], json.loads(data)))
    except ValueError as error:
        event(_log, logging.WARNING, "ipvs.inventory-unreadable", file=path, reason=error)
        return frozenset()
