"""Units of time: every duration and instant inside Vedette is an ``int`` of nanoseconds.

Integers make the cluster core exact and its simulation reproducible; the kernel's clocks and the gate's
deadlines are nanoseconds too. Only the asyncio boundary divides by :data:`SECOND`.
"""

NANOSECOND = 1
MICROSECOND = 1_000
MILLISECOND = 1_000_000
SECOND = 1_000_000_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR

_SUFFIXES = (("h", HOUR), ("m", MINUTE), ("s", SECOND), ("ms", MILLISECOND), ("us", MICROSECOND), ("ns", 1))


def show(duration: int) -> str:
    """Print a duration (ns) as a person writes it in the document: ``500ms``, ``3s``, ``10m``."""
    for suffix, size in _SUFFIXES:
        if duration and duration % size == 0:
            return f"{duration // size}{suffix}"
    return "0s"


def about(duration: int) -> str:
    """Print a measured duration (ns) as :func:`show` does, to the millisecond."""
    return show(duration // MILLISECOND * MILLISECOND)


def seconds(duration: int) -> float:
    """Turn nanoseconds into the float seconds that asyncio and sockets want."""
    return duration / SECOND
