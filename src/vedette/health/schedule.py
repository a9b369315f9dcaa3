"""When to check what: every target once an interval, evenly spread, never twice at the same time.

Each target has a grid of instants ``phase + k * interval``, its phase being fixed by its identity, so that ten
thousand targets with one interval are spread over it and stay so across edits and restarts. A jitter, only ever
towards the earlier side and small unless more is asked for, keeps the checks out of step with whatever else happens
on the servers every second.

A new target is due at once. A check that lasts past its next instant is followed by the next one as soon as it has
ended, and the grid goes on from there: a hung server slows down itself and nobody else.
"""

from heapq import heapify, heappop, heappush
from typing import Generic, TypeVar

from vedette.kit.units import MILLISECOND

T = TypeVar("T")

JITTER = 64
"""The jitter is at most the interval divided by this, unless said: so it costs no reader of the timings over 2 %."""
RETRY = 200 * MILLISECOND
"""A target that has failed and has no verdict yet is tried again this soon (ns), or after an interval if shorter."""
_TURN = 2**61 - 1
_GOLDEN = 1_425_089_352_415_399_810
"""_TURN divided by the golden ratio: multiples of it fall into the widest gaps that those before have left (D. Knuth,
The Art of Computer Programming, vol. 3, 6.4, "Fibonacci hashing"). _TURN is a prime, so all bytes of a number count."""
_BUCKETS = 24
_BUCKET = 100_000


class Lateness:
    """How late (ns) checks started: a histogram of powers of two from 0.1 ms up, bounded and cheap."""

    __slots__ = ("counts", "most")

    def __init__(self) -> None:
        self.counts = [0] * _BUCKETS
        self.most = 0

    def add(self, late: int) -> None:
        self.counts[min(_BUCKETS - 1, (late // _BUCKET).bit_length())] += 1
        if late > self.most:
            self.most = late

    @property
    def starts(self) -> int:
        return sum(self.counts)

    def quantile(self, share: float) -> int:
        """An upper bound (ns, within a factor of two) of the lateness of ``share`` (0 to 1) of all starts."""
        wanted, seen = share * self.starts, 0
        for number, count in enumerate(self.counts):
            seen += count
            if seen >= wanted:
                return min(self.most, _BUCKET << number)
        return self.most


def phase(identity: bytes, interval: int) -> int:
    """The place of a target in its interval (ns); identities that count up are spread evenly, however few they are."""
    return int.from_bytes(identity) % _TURN * _GOLDEN % _TURN * interval // _TURN


class Slot(Generic[T]):
    """One target's place in the schedule. ``due`` (ns) is when its next check should start."""

    __slots__ = ("_instant", "_interval", "_jitter", "_phase", "_seed", "due", "item", "removed")

    def __init__(self, item: T, *, interval: int, phase: int, now: int, jitter: int | None = None) -> None:
        self.item, self.due, self.removed = item, now, False
        self._interval, self._phase, self._seed = interval, phase, phase
        self._jitter = interval // JITTER if jitter is None else jitter
        self._instant = now

    def begin(self, now: int) -> None:
        """The check starts; if late, the grid goes on from here."""
        self._instant = max(self._instant, now)

    def advance(self, now: int) -> None:
        """Set :attr:`due` to the next instant of the grid, less the jitter; to ``now`` if that has passed."""
        self._instant += self._interval - (self._instant - self._phase) % self._interval
        # Numerical Recipes' linear congruential generator: repeatable, and good enough to break step.
        self._seed = (self._seed * 1664525 + 1013904223) & 0xFFFFFFFF
        self.due = max(now, self._instant - self._seed * self._jitter // 0x100000000)


class Schedule(Generic[T]):
    """All slots, soonest first. Time is whatever monotonic count of ns the caller goes by."""

    def __init__(self) -> None:
        self.lateness = Lateness()
        self._heap: list[tuple[int, int, Slot[T]]] = []
        self._serial = 0
        self._removed = 0

    def add(self, item: T, *, interval: int, phase: int, now: int, jitter: int | None = None) -> Slot[T]:
        """Enter a target whose first check is due now. ``phase`` is any number fixed by its identity."""
        assert interval > 0
        slot = Slot(item, interval=interval, phase=phase, now=now, jitter=jitter)
        self._push(slot)
        return slot

    def remove(self, slot: Slot[T]) -> None:
        """Forget a slot; nothing happens if its check is under way, except that it is not followed by another."""
        slot.removed = True
        self._removed += 1
        if self._removed > len(self._heap) // 2:  # those not yet come to the top must not pile up
            self._heap = [entry for entry in self._heap if not entry[2].removed]
            heapify(self._heap)
            self._removed = 0

    def take(self, now: int, limit: int) -> list[Slot[T]]:
        """At most ``limit`` slots that are due; each leaves the schedule until it is entered again."""
        heap = self._heap
        taken: list[Slot[T]] = []
        while len(taken) < limit and heap and heap[0][0] <= now:
            slot = heappop(heap)[2]
            if not slot.removed:
                self.lateness.add(now - slot.due)
                slot.begin(now)
                taken.append(slot)
        return taken

    def ended(self, slot: Slot[T], now: int) -> None:
        """The check of ``slot`` has ended: enter its next one, at once if its instant has passed meanwhile."""
        if not slot.removed:
            slot.advance(now)
            self._push(slot)

    def postpone(self, slot: Slot[T], until: int) -> None:
        """The check of ``slot`` could not be started: enter it again."""
        if not slot.removed:
            slot.due = until
            self._push(slot)

    def put_back(self, slot: Slot[T]) -> None:
        """The check of ``slot`` was not started: it keeps its turn, before all that became due later."""
        if not slot.removed:
            self._push(slot)

    def next_due(self) -> int | None:
        """When :meth:`take` will next have something; None when it never will as things are."""
        heap = self._heap
        while heap and heap[0][2].removed:
            heappop(heap)
        return heap[0][0] if heap else None

    def _push(self, slot: Slot[T]) -> None:
        self._serial += 1
        heappush(self._heap, (slot.due, self._serial, slot))
