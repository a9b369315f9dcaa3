"""Faults collected while the checks go on behind the first of them."""

from dataclasses import dataclass, field

from vedette.spec.problem import Problem
from vedette.spec.tree import Path, Tree, show

MOST_PROBLEMS = 1000
"""More in one document is no longer read by anybody."""


class Enough(Exception):  # noqa: N818 (control flow)
    """So many problems were found that looking for more is of no use."""


@dataclass(slots=True)
class Findings:
    """Collects faults, and remembers what later checks may rely on.

    What is faulty is left out of what the later checks see. So that one mistake is reported once, they ask
    :meth:`sound` before they complain that something is missing or does not fit. Paths given here count list
    items among those that are left.
    """

    file: str
    tree: Tree
    problems: list[Problem] = field(default_factory=list)
    warnings: list[Problem] = field(default_factory=list)
    _faulty: set[Path] = field(default_factory=set)
    _intact: dict[tuple[Path, tuple[str, ...]], bool] = field(default_factory=dict)
    _above: set[Path] = field(default_factory=set)

    def add(self, path: Path, message: str, remedy: str = "", *, at_key: bool = False) -> None:
        """Add a fault. Raises :class:`Enough` behind the last that is kept."""
        self._keep(self._problem(path, message, remedy, at_key=at_key))

    def add_at(self, line: int, column: int, path: Path, message: str, remedy: str = "") -> None:
        """Add a fault of the text itself."""
        self._keep(Problem(self.file, line, column, show(path), message, remedy))

    def add_elsewhere(self, file: str, line: int, message: str, remedy: str = "") -> None:
        """Add a fault in a file that the document names."""
        self._keep(Problem(file, line, 1, "", message, remedy))

    def warn(self, path: Path, message: str, remedy: str = "") -> None:
        if len(self.warnings) < MOST_PROBLEMS:
            self.warnings.append(self._problem(path, message, remedy, at_key=False))

    def spoil(self, path: Path) -> None:
        """Remember that nothing may be concluded from what is absent at ``path`` (indexes of the text)."""
        self._faulty.add(path)
        self._above.update(path[:length] for length in range(len(path)))
        self._intact.clear()

    def sound(self, *paths: Path) -> bool:
        """Tell whether nothing at, below or above any of ``paths`` was left out."""
        if not self._faulty:
            return True
        return all(self._sound(self.tree.original(path)) for path in paths)

    def intact(self, path: Path, *keys: str) -> bool:
        """Tell whether the list at ``path`` has all its items, and each of them ``keys`` as written."""
        known = self._intact.get((path, keys))
        if known is None:
            known = self._intact[path, keys] = not any(_touches(faulty, path, keys) for faulty in self._faulty)
        return known

    def _sound(self, path: Path) -> bool:
        return path not in self._above and not any(path[:length] in self._faulty for length in range(len(path) + 1))

    def _keep(self, problem: Problem) -> None:
        self.problems.append(problem)
        if len(self.problems) >= MOST_PROBLEMS:
            raise Enough

    def _problem(self, path: Path, message: str, remedy: str, *, at_key: bool) -> Problem:
        path = self.tree.original(path)
        spot = self.tree.spot(path)
        line, column = (spot.key_line, spot.key_column) if at_key else (spot.line, spot.column)
        return Problem(self.file, line, column, show(path), message, remedy)


def _touches(faulty: Path, path: Path, keys: tuple[str, ...]) -> bool:
    """Tell whether a faulty place is the list at ``path``, one of its items, or one of ``keys`` of an item."""
    length = len(path)
    if faulty == path[: len(faulty)]:
        return True
    return faulty[:length] == path and (len(faulty) == length + 1 or faulty[length + 1] in keys)
