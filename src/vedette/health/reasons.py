"""Why a check failed, in words fit for an operator: short, printable, and the same for the same fault."""

from vedette.health import aim
from vedette.health.judge import Outcome
from vedette.kit.secrecy import one_line

LONGEST = 160
"""Letters of a reason."""


def of_error(error: OSError) -> tuple[Outcome, str]:
    """What an error of a socket says."""
    if error.errno is None:
        return Outcome.FAILED, "no answer" if isinstance(error, TimeoutError) else "connection lost"
    return Outcome.UNABLE if aim.is_ours(error.errno) else Outcome.FAILED, aim.reason(error.errno)


def clean(text: str) -> str:
    """Return ``text`` on one line, without control characters, and not too long."""
    words = one_line(text[: 4 * LONGEST])
    return words if len(words) <= LONGEST else f"{words[: LONGEST - 1]}…"


def quoted(data: bytes) -> str:
    """What a server said, for the middle of a reason."""
    return clean(data.decode("utf-8", "replace"))
