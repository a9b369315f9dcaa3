"""Virtual time, the nodes' clocks, and the ground truth about who answers for what."""

import hashlib
import heapq
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random


@dataclass(frozen=True, slots=True)
class Clock:
    """CLOCK_BOOTTIME of one machine: ``percent`` of real time since it booted."""

    booted: int
    percent: int

    def read(self, real: int) -> int:
        return (real - self.booted) * self.percent // 100

    def when(self, local: int) -> int:
        """The real time at which the clock first shows ``local``."""
        return self.booted - (-local * 100 // self.percent)


class ViolationError(AssertionError):
    """Two running machines answered for one group."""


@dataclass(slots=True)
class World:
    """``answers`` asks a node whether its kernel answers for a group now; ``trace`` is what happened, in words.

    ``tolerated``: the groups for which a node's policy, when it last told its kernel, allows another holder.
    """

    seed: int
    random: Random = field(init=False)
    now: int = 0
    trace: list[str] = field(default_factory=list)
    answers: dict[str, Callable[[str], bool]] = field(default_factory=dict)
    tolerated: dict[str, set[str]] = field(default_factory=dict)
    two_allowed: bool = False
    doubles: int = 0
    _queue: list[tuple[int, int, Callable[[], None]]] = field(default_factory=list)
    _count: int = 0

    def __post_init__(self) -> None:
        self.random = Random(self.seed)

    def at(self, when: int, do: Callable[[], None]) -> None:
        self._count += 1
        heapq.heappush(self._queue, (max(self.now, when), self._count, do))

    def after(self, delay: int, do: Callable[[], None]) -> None:
        self.at(self.now + delay, do)

    def run_until(self, end: int) -> None:
        queue = self._queue
        while queue and queue[0][0] <= end:
            self.now, _, do = heapq.heappop(queue)
            do()
        self.now = end

    def draw(self, least: int, most: int) -> int:
        """What ``random.randint`` draws, in a third of its time: it is done at every step of every shell."""
        width = most - least + 1
        bits, getrandbits = width.bit_length(), self.random.getrandbits
        drawn = getrandbits(bits)
        while drawn >= width:
            drawn = getrandbits(bits)
        return least + drawn

    def say(self, who: str, what: str) -> None:
        self.trace.append(f"{self.now / 1e6:12.3f} {who:8} {what}")

    def digest(self) -> str:
        return hashlib.sha256("\n".join(self.trace).encode()).hexdigest()[:16]

    def holders(self, group: str) -> list[str]:
        """Who answers for the group at this instant."""
        return [name for name, answers in self.answers.items() if answers(group)]

    def check(self, group: str) -> None:
        """Ground truth: called whenever a kernel begins to answer, which is the only way to become two."""
        holders = self.holders(group)
        if len(holders) > 1:
            self.doubles += 1
            self.say("world", f"TWO HOLDERS of {group}: {holders}")
            if not self.two_allowed and not any(group in self.tolerated[name] for name in holders):
                raise ViolationError(f"seed {self.seed}: {holders} answer for {group} at {self.now / 1e6:.3f} ms")
