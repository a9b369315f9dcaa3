"""The canonical text of a document, whose SHA-256 is its digest: JSON with sorted keys, of its name and spec.

Comments, the order of keys and layout do not count. Long lists of real servers are written in pieces that are kept, so
that the digest of an edited document costs little more than reading the text once.
"""

import hashlib
import json
from dataclasses import dataclass, field
from typing import Any

from vedette.spec.tree import Path

PIECE = 128
"""Items of a piece."""
HOLDERS = ("serverPools", "virtualServices")
"""Lists of what has real servers."""


@dataclass(slots=True)
class Canonical:
    """The pieces of one document; :meth:`forget` those of what is edited."""

    _pieces: dict[Path, list[str]] = field(default_factory=dict)

    def digest(self, root: dict[str, Any]) -> str:
        """Return the hex SHA-256 of what ``root`` says."""
        metadata, spec = root.get("metadata"), root.get("spec")
        name = metadata.get("name") if isinstance(metadata, dict) else None
        text = f'{{"name":{_dump(name)},"spec":{self._spec(spec) if isinstance(spec, dict) else _dump(spec)}}}'
        return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()

    def forget(self, path: Path, index: int) -> None:
        """Item ``index`` of the real servers at ``path`` is another than before."""
        pieces = self._pieces.get(path)
        if pieces is not None:
            pieces[index // PIECE] = ""

    def _spec(self, spec: dict[str, Any]) -> str:
        members = (f"{_dump(key)}:{self._member(key, spec[key])}" for key in sorted(spec))
        return f"{{{','.join(members)}}}"

    def _member(self, key: str, value: Any) -> str:
        if key not in HOLDERS or not isinstance(value, list) or not any(map(_is_long, value)):
            return _dump(value)
        return f"[{','.join(self._holder(item, ('spec', key, index)) for index, item in enumerate(value))}]"

    def _holder(self, holder: Any, path: Path) -> str:
        if not _is_long(holder):
            return _dump(holder)
        members = (
            f"{_dump(key)}:{self._list(holder[key], (*path, key)) if key == 'realServers' else _dump(holder[key])}"
            for key in sorted(holder)
        )
        return f"{{{','.join(members)}}}"

    def _list(self, items: list[Any], path: Path) -> str:
        pieces = self._pieces.setdefault(path, [""] * -(-len(items) // PIECE))
        for number, piece in enumerate(pieces):
            if not piece:
                pieces[number] = _dump(items[number * PIECE : (number + 1) * PIECE])[1:-1]
        return f"[{','.join(pieces)}]"


def _is_long(holder: Any) -> bool:
    if not isinstance(holder, dict):
        return False
    items = holder.get("realServers")
    return isinstance(items, list) and len(items) > PIECE


def _dump(value: Any) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=str)
