"""Slow start: a server that comes back takes its share of the connections step by step."""

STEPS = 10
"""Messages to the kernel that one start costs at most."""


def ramp(weight: int, elapsed: int, duration: int) -> int:
    """The weight so long (ns) after the start: a whole number from 1 on that never sinks, ``weight`` in the end."""
    steps = min(STEPS, weight)
    if steps <= 1 or elapsed >= duration:
        return weight
    step = max(0, elapsed) * (steps - 1) // duration
    return -(-weight * (step + 1) // steps)


def next_step(weight: int, elapsed: int, duration: int) -> int | None:
    """When, counted from the start (ns), the weight rises next; None = it is at its end."""
    steps = min(STEPS, weight)
    if steps <= 1 or elapsed >= duration:
        return None
    step = max(0, elapsed) * (steps - 1) // duration
    return -(-(step + 1) * duration // (steps - 1))
