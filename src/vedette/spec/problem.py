"""What is wrong with a document, said so that a person can put it right."""

from collections.abc import Sequence
from dataclasses import dataclass

from vedette.kit.errors import UsageError


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One fault. ``line`` and ``column`` count from 1; 0 = the file as a whole.

    ``path`` is the place in the document (``spec.virtualServices[3].realServers[0].port``, empty for the whole),
    ``message`` says what is wrong, ``remedy`` what to write instead (may be empty). Neither ever holds a secret.
    """

    file: str
    line: int
    column: int
    path: str
    message: str
    remedy: str = ""

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}:{self.column}" if self.line else self.file
        parts = [place, self.path, self.message] if self.path else [place, self.message]
        return ": ".join(parts) + (f" ({self.remedy})" if self.remedy else "")


class Problems(UsageError):  # noqa: N818 (it is what it holds, and the name that callers know)
    """A document that cannot be used; ``problems`` holds every fault found, in the order of the file."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        assert problems
        self.problems = tuple(problems)
        rest = f" (and {len(self.problems) - 1} more)" if len(self.problems) > 1 else ""
        super().__init__(f"{self.problems[0]}{rest}")
