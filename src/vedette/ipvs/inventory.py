"""Which services are ours: the kernel's table has no owner's mark, so we keep a list beside it.

It lies in the run directory, which a boot clears together with the kernel's table. It is written before the kernel
is asked for a new service, so a crash leaves nothing of ours unlisted. Beside each service stands what must be known of
it when the document does not have it any more: its name, and how long its servers may finish what they have.
"""

import json
import logging
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from pathlib import Path

from vedette.ipvs.leaving import Owned
from vedette.ipvs.model import ServiceKey
from vedette.kit import files, plain
from vedette.kit.log import event

_log = logging.getLogger("vedette.ipvs")


class Inventory:
    """Every service that we programmed and have not deleted."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._owned: Mapping[ServiceKey, Owned] = {item.service: item for item in _read(path)}
        self._written: Mapping[ServiceKey, Owned] | None = None

    def __contains__(self, key: object) -> bool:
        return key in self._owned

    def __len__(self) -> int:
        return len(self._owned)

    @property
    def owned(self) -> Mapping[ServiceKey, Owned]:
        return self._owned

    def keep(self, written: Mapping[ServiceKey, Owned], keys: AbstractSet[ServiceKey]) -> None:
        """List ``keys``, as the document has them (``written``) or had them.

        The list is on disk before this returns, if it changed. Raises ``OSError``.
        """
        if written is self._written and self._owned.keys() == keys:
            return  # every look comes here
        owned = {key: written.get(key) or self._owned.get(key) or Owned(key) for key in keys}
        if owned != self._owned:
            listed = sorted((plain.dump(item) for item in owned.values()), key=str)
            files.replace(self._path, json.dumps(listed).encode())
            self._owned = owned
        self._written = written


def _read(path: Path) -> tuple[Owned, ...]:
    """An unreadable list is an empty one: leftovers on addresses of the document are still known for ours."""
    data = files.read(path)
    if data is None:
        return ()
    try:
        return plain.load(tuple[Owned, ...], json.loads(data))
    except ValueError as error:
        event(_log, logging.WARNING, "ipvs.inventory-unreadable", file=path, reason=error)
        return ()
