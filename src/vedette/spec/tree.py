"""The document as plain values, with the place of each of them in the text.

Dicts and lists are what the models read. Places are kept beside them, by container; a fault that is cut out of
the values leaves its place behind, and list items keep the index that they have in the text.
"""

from dataclasses import dataclass, field
from typing import Any, NamedTuple, NewType

Key = str | int
Path = tuple[Key, ...]
"""A place in the document: keys and list indexes from its root."""


class Faulty:
    """Stands where a value was reported already: nothing more is said of it."""


FAULTY = Faulty()


class Spot(NamedTuple):
    """Line and column, counted from 1, of a value and of its key (the same for list items)."""

    line: int
    column: int
    key_line: int
    key_column: int


Mark = NewType("Mark", int)
"""A spot in one number: a tree that is kept has one of every value, and four numbers in a tuple are four times that."""
_BITS, _MASK = 24, (1 << 24) - 1
"""Of each of the four: more than the letters of the largest document."""


def mark(line: int, column: int, key_line: int, key_column: int) -> Mark:
    """What :func:`spot_of` gives back."""
    return Mark(((key_line << _BITS | key_column) << _BITS | column) << _BITS | line)


def spot_of(mark: Mark) -> Spot:
    """The spot that a mark stands for."""
    return Spot(line_of(mark), mark >> _BITS & _MASK, mark >> 3 * _BITS, mark >> 2 * _BITS & _MASK)


def line_of(mark: Mark) -> int:
    """The line of a value."""
    return mark & _MASK


@dataclass(slots=True)
class Tree:
    """``root`` is what is left of the document; ``cut_off``: the text ended in a syntax error.

    ``anchored``: the text has an anchor, so that a value may stand in several places.
    """

    root: dict[str, Any] = field(default_factory=dict)
    cut_off: bool = False
    anchored: bool = False
    _marks: dict[int, tuple[dict[Key, Mark], Any]] = field(default_factory=dict)
    """By the id of the container, which stands beside them so that its id is not used again."""
    _kept: dict[int, list[int]] = field(default_factory=dict)

    def marks(self, container: dict[str, Any] | list[Any]) -> dict[Key, Mark]:
        """Where the values in ``container`` stand, by their keys: to fill while it is read, to look at afterwards."""
        known = self._marks.get(id(container))
        if known is None:
            known = self._marks[id(container)] = {}, container
        return known[0]

    def exchange(self, items: list[Any], index: int, mapping: dict[str, Any], marks: dict[Key, Mark]) -> None:
        """Put another mapping of plain values in the place of one, which is forgotten."""
        self._marks.pop(id(items[index]), None)
        items[index] = mapping
        self._marks[id(mapping)] = marks, mapping

    @property
    def whole(self) -> bool:
        """Whether it holds all that the text does."""
        return not self._kept and not self.cut_off

    def spot(self, path: Path) -> Spot:
        """Return the place of what is at ``path``, or else of what would hold it."""
        found = Spot(1, 1, 1, 1)
        container: Any = self.root
        for key in path:
            known = self._marks.get(id(container))
            here = known[0].get(key) if known is not None else None
            if here is None:
                break
            found = spot_of(here)
            container = self._child(container, key)
        return found

    def original(self, path: Path) -> Path:
        """Turn list indexes among what is left into those of the text."""
        if not self._kept:
            return path
        container: Any = self.root
        keys: list[Key] = []
        for key in path:
            kept = self._kept.get(id(container)) if isinstance(container, list) else None
            keys.append(kept[key] if kept and isinstance(key, int) and key < len(kept) else key)
            container = self._child(container, keys[-1])
        return tuple(keys)

    def holds(self, path: Path) -> bool:
        """Tell whether something is left at ``path`` (indexes of the text)."""
        container: Any = self.root
        for key in path:
            if isinstance(container, dict) and key in container:
                container = container[key]
            elif isinstance(container, list) and isinstance(key, int) and self._index(container, key) is not None:
                container = self._child(container, key)
            else:
                return False
        return True

    def drop(self, path: Path) -> None:
        """Leave out what is at ``path`` (indexes of the text); nothing happens if it is gone already."""
        if not path or not self.holds(path):
            return
        container: Any = self.root
        for key in path[:-1]:
            container = self._child(container, key)
        last = path[-1]
        if isinstance(container, dict):
            del container[last]
            return
        assert isinstance(last, int)
        index = self._index(container, last)
        assert index is not None
        kept = self._kept.setdefault(id(container), list(range(len(container))))
        del container[index], kept[index]

    def put(self, path: Path, value: Any) -> None:
        """Put another value at ``path`` (indexes of the text), if what would hold it is still there."""
        container: Any = self.root
        for key in path[:-1]:
            container = self._child(container, key)
        last = path[-1]
        if isinstance(container, dict):
            container[last] = value
        elif isinstance(container, list) and isinstance(last, int):
            index = self._index(container, last)
            if index is not None:
                container[index] = value

    def _index(self, container: list[Any], key: int) -> int | None:
        kept = self._kept.get(id(container))
        if kept is None:
            return key if 0 <= key < len(container) else None
        return kept.index(key) if key in kept else None

    def _child(self, container: Any, key: Key) -> Any:
        if isinstance(container, dict):
            return container.get(key)
        if isinstance(container, list) and isinstance(key, int):
            index = self._index(container, key)
            return None if index is None else container[index]
        return None


def show(path: Path) -> str:
    """Print a path as people write it: ``spec.nodes[0].address``; keys that are not plain words are quoted."""
    text = ""
    for key in path:
        if isinstance(key, int):
            text += f"[{key}]"
        elif key.replace("-", "").replace("_", "").isalnum():
            text += f".{key}" if text else key
        else:
            text += f'["{key}"]'
    return text
