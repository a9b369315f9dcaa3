"""A helper process of a daemon that a drill kills, and how to see that another has taken its place."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Helper:
    """``troubles`` are the problems that the daemon had before."""

    name: str
    pid: int
    troubles: tuple[Any, ...]

    def replaced(self, status: dict[str, Any]) -> bool:
        """Whether it has another process now, and the daemon no trouble that it did not have before."""
        alive = [process["pid"] for process in status["processes"] if process["name"] == self.name]
        troubles = [problem for problem in status["problems"] if problem not in self.troubles]
        return bool(alive) and alive[0] not in (None, self.pid) and not troubles


def find(name: str, status: dict[str, Any]) -> Helper | None:
    """The process of this name in a daemon's status; None if it has none."""
    pids = [process["pid"] for process in status["processes"] if process["name"] == name and process["pid"]]
    return Helper(name, pids[0], tuple(status["problems"])) if pids else None
