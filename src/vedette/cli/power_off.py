"""``vedette fence test NODE --power-off``: each level of a node's fencing switches it off, and on again.

Off is believed when both agree: the level's devices say so, and the node falls silent. A plug that belongs to another
machine passes the first and fails the second.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from vedette.kit.errors import PermanentError, UsageError, VedetteError

SILENT = 60.0
"""Seconds beyond deadAfter, from the proof of its devices, until the node must have fallen silent."""
SETTLE = 3.0
"""Seconds after it: a cluster with policy `fence` wants a silent node off, and shoots one that is on by then."""
FENCED = 180.0
"""Seconds that the cluster may take to see for itself that the node is off."""
LOOK = 0.5
"""Seconds between two looks."""

Plain = dict[str, Any]


@dataclass(slots=True)
class Trial:
    """What one level did. ``steps``: what happened after how many seconds. ``problem``: "" when it did its part."""

    level: int
    steps: list[tuple[float, str]] = field(default_factory=list)
    problem: str = ""

    def plain(self) -> Plain:
        steps = [{"seconds": round(seconds, 1), "what": what} for seconds, what in self.steps]
        return {"level": self.level, "steps": steps, "problem": self.problem or None}


class PowerTest:
    """``ask`` puts a request about fencing to the daemon; ``say`` is told what happens, a line at a time.

    ``returns`` is how many seconds the node may take to boot and be heard again.
    """

    def __init__(
        self,
        node: str,
        *,
        ask: Callable[[Plain], Plain],
        say: Callable[[str], None],
        returns: float,
        now: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._node, self._ask, self._say, self._returns = node, ask, say, returns
        self._now, self._sleep = now, sleep
        self._began = 0.0
        self._trial = Trial(0)

    def run(self, levels: Sequence[int]) -> list[Trial]:
        """Try the levels in order; the first that has a problem is the last.

        Whatever happens, the node is not left off without a word: raises the :class:`VedetteError` that it met with
        what to do added.
        """
        trials: list[Trial] = []
        for level in levels:
            self._trial, self._began = Trial(level), self._now()
            trials.append(self._trial)
            switched = False
            try:
                reply = self._ask({"what": "off", "level": level, "typed": self._node})
                switched = True
                self._say(f"level {level}")
                self._follow(reply)
            except (VedetteError, KeyboardInterrupt) as error:
                if isinstance(error, UsageError) and not switched:
                    raise  # refused: it is as it was
                words = f"{self._node} may be off now (vedette fence on {self._node} switches it on)"
                if isinstance(error, KeyboardInterrupt):
                    self._say(words)
                    raise
                raise PermanentError(f"{error}; {words}") from error
            if self._trial.problem:
                break
        return trials

    def _follow(self, reply: Plain) -> None:
        """From the answer of its devices to the node that is back."""
        for item in reply["evidence"]:
            plug = f" plug {item['plug']}" if item["plug"] else ""
            detail = f" ({item['detail']})" if item["detail"] else ""
            self._step(f"{item['device']}{plug}, {item['asked']}: {item['said']}{detail}", at=item["seconds"])
        if reply["problem"]:
            self._fail(reply["problem"])
        elif not self._wait(lambda node: not node["living"], self._dead_after() + SILENT):
            self._fail(f"its devices say that {self._node} is off, and it is heard: that is another machine's plug")
        else:
            self._step(f"{self._node} is not heard any more")
            self._sleep(SETTLE)
            if not self._wait(lambda node: not node["wanted"], FENCED):
                self._fail(f"the cluster did not see within {FENCED:.0f} s that {self._node} is off")
                return
        self._switch_on()

    def _switch_on(self) -> None:
        reply = self._ask({"what": "on"})
        for level in reply["levels"]:
            for item in level:
                name = item["device"] + (f" plug {item['plug']}" if item["plug"] else "")
                self._step(f"{name}, on: {item['problem'] or 'accepted'}")
        if self._wait(lambda node: bool(node["living"]), self._returns):
            self._step(f"{self._node} is heard")
        else:
            self._fail(f"{self._node} was switched on and is not heard after {self._returns:.0f} s")

    def _dead_after(self) -> float:
        """Seconds that a node may be silent before it counts as dead."""
        return float(self._ask({"what": "status"}).get("deadAfter") or 0)

    def _wait(self, condition: Callable[[Plain], bool], patience: float) -> bool:
        deadline = self._now() + patience
        while True:
            status = self._ask({"what": "status"})
            if any(condition(node) for node in status["nodes"] if node["name"] == self._node):
                return True
            if self._now() >= deadline:
                return False
            self._sleep(LOOK)

    def _step(self, what: str, *, at: float | None = None) -> None:
        seconds = self._now() - self._began if at is None else at
        self._trial.steps.append((seconds, what))
        self._say(f"  {seconds:6.1f} s  {what}")

    def _fail(self, problem: str) -> None:
        self._trial.problem = self._trial.problem or problem
        self._say(f"  FAILED: {problem}")
