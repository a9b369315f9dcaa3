"""Regular expressions over bodies and other answers, with a limit to the processor time that one search may take.

A pattern such as ``(a+)+b`` needs time that grows exponentially with the body, and the body is the server's choice.
Python's engine looks for signals while it searches, so a timer of the process's own processor time can end one. The
timer runs all the time, since to set it for each search costs more than the search; who sees it twice is over. A
pattern that was given up is trusted no more until a search of it has ended: for that one the timer is set, and short.
"""

import contextlib
import re
import signal
from collections.abc import Iterator
from types import FrameType

LIMIT = 0.1
"""Seconds of processor time for one search, at most twice this; a sane one of 64 KiB needs well under a millisecond."""

BRIEF = 0.01
"""The same for a pattern whose last search was given up."""

_limited = False
_searching = False
_left = 0
"""How often the timer may go off during the present search before it is given up."""


class TooCostlyError(Exception):
    """The search was given up."""


class Matcher:
    """One compiled pattern of the document; raises ``ValueError`` when it is none."""

    __slots__ = ("_costly", "_pattern")

    def __init__(self, pattern: str) -> None:
        try:
            self._pattern = re.compile(pattern)
        except (re.error, RecursionError, OverflowError) as error:
            raise ValueError(f"{pattern!r} is not a regular expression: {error}") from error
        self._costly = False

    def found_in(self, body: bytes) -> bool:
        """Whether the pattern occurs in a body, read as UTF-8; raises :class:`TooCostlyError` past the limit."""
        return self.found_in_text(body.decode("utf-8", "replace"))

    def found_in_text(self, text: str) -> bool:
        """Whether the pattern occurs in ``text``; raises :class:`TooCostlyError` past the limit."""
        global _searching, _left
        if not _limited:
            return self._pattern.search(text) is not None
        if costly := self._costly:
            signal.setitimer(signal.ITIMER_VIRTUAL, BRIEF, LIMIT)
        try:
            _searching, _left = True, 0 if costly else 1
            found = self._pattern.search(text) is not None
            self._costly = False
        except TooCostlyError:
            self._costly = True
            raise
        finally:
            _searching = False
            if costly:
                signal.setitimer(signal.ITIMER_VIRTUAL, LIMIT, LIMIT)
        return found


@contextlib.contextmanager
def limited_searches() -> Iterator[None]:
    """Hold every :class:`Matcher` to :data:`LIMIT`. It takes over SIGVTALRM, and needs the main thread throughout."""
    global _limited
    before = signal.signal(signal.SIGVTALRM, _tick)
    signal.setitimer(signal.ITIMER_VIRTUAL, LIMIT, LIMIT)
    _limited = True
    try:
        yield
    finally:
        _limited = False
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)


def _tick(signum: int, frame: FrameType | None) -> None:
    global _left
    if _searching:
        if _left <= 0:
            raise TooCostlyError
        _left -= 1
