"""Faults collected while the checks go on behind the first of them."""

from dataclasses import dataclass, field

from vedette.spec.problem import Problem
from vedette.spec.tree import Path, Tree, show


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
    _above: set[Path] = field(default_factory=set)

    def add(self, path: Path, message: str, remedy: str = "", *, at_key: bool = False) -> None:
        self.problems.append(self._problem(path, message, remedy, at_key=at_key))

    def add_at(self, line: int, column: int, path: Path, message: str, remedy: str = "") -> None:
        """Add a fault of the text itself."""
        self.problems.append(Problem(self.file, line, column, show(path), message, remedy))

    def warn(self, path: Path, message: str, remedy: str = "") -> None:
        self.warnings.append(self._problem(path, message, remedy, at_key=False))

    def spoil(self, path: Path) -> None:
        """Remember that nothing may be concluded from what is absent at ``path`` (indexes of the text)."""
        self._faulty.add(path)
        self._above.update(path[:length] for length in range(len(path)))

    def sound(self, *paths: Path) -> bool:
        """Tell whether nothing at, below or above any of ``paths`` was left out."""
        if not self._faulty:
            return True
        return all(self._sound(self.tree.original(path)) for path in paths)

    def _sound(self, path: Path) -> bool:
        return path not in self._above and not any(path[:length] in self._faulty for length in range(len(path) + 1))

    def _problem(self, path: Path, message: str, remedy: str, *, at_key: bool) -> Problem:
        path = self.tree.original(path)
        spot = self.tree.spot(path)
        line, column = (spot.key_line, spot.key_column) if at_key else (spot.line, spot.column)
        return Problem(self.file, line, column, show(path), message, remedy)
