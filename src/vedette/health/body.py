"""Regular expressions over bodies and other answers, with a limit to the processor time that one search may take.

A pattern such as ``(a+)+b`` needs time that grows exponentially with the body, and the body is the server's choice.
Python's engine looks for signals while it searches, so a timer of the process's own processor time can end one.
"""

import re
import signal
from types import FrameType

LIMIT = 0.1
"""Seconds of processor time for one search; a sane pattern needs well under a millisecond for 64 KiB."""

_limited = False
_searching = False


class TooCostlyError(Exception):
    """The search was given up."""


class Matcher:
    """One compiled pattern of the document; raises ``ValueError`` when it is none."""

    __slots__ = ("_pattern",)

    def __init__(self, pattern: str) -> None:
        try:
            self._pattern = re.compile(pattern)
        except (re.error, RecursionError, OverflowError) as error:
            raise ValueError(f"{pattern!r} is not a regular expression: {error}") from error

    def found_in(self, body: bytes) -> bool:
        """Whether the pattern occurs in a body, read as UTF-8; raises :class:`TooCostlyError` past the limit."""
        return self.found_in_text(body.decode("utf-8", "replace"))

    def found_in_text(self, text: str) -> bool:
        """Whether the pattern occurs in ``text``; raises :class:`TooCostlyError` past the limit."""
        global _searching
        if not _limited:
            return self._pattern.search(text) is not None
        try:
            _searching = True
            signal.setitimer(signal.ITIMER_VIRTUAL, LIMIT)
            return self._pattern.search(text) is not None
        finally:
            _searching = False
            signal.setitimer(signal.ITIMER_VIRTUAL, 0)


def limit_searches() -> None:
    """Hold every :class:`Matcher` to :data:`LIMIT`. It takes over SIGVTALRM, and needs the main thread throughout."""
    global _limited
    _limited = True
    signal.signal(signal.SIGVTALRM, _give_up)


def _give_up(signum: int, frame: FrameType | None) -> None:
    if _searching:
        raise TooCostlyError
