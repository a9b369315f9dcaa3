"""Words of servers, programs and libraries without the secrets that they repeat, in whatever form they do.

Servers quote commands that they do not know, programs show what they were called with, URLs escape it, and mail and
HTTP have it in base64. What is quoted may have been cut off, or put on one line, before it comes here.
"""

import base64
import html
import json
import re
import shlex
from collections.abc import Iterable, Iterator
from urllib.parse import quote, quote_plus

STARS = "***"
_SHORTEST_CORE = 4
"""Letters of base64 that are looked for: fewer are found in ordinary words."""
_SHORTEST_LINE = 4
"""Letters of one line of a secret of several that are looked for by themselves."""
_SHORTEST_REST = 3
"""Letters of the beginning of a secret that are looked for where a text was cut off."""
_CUT = re.compile("[”…]|$")
"""Where the quotation of a text that was cut off may end."""
_BASE64 = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=-_")


class Censor:
    """Puts stars in the place of every secret in a text. Its ``repr`` shows none."""

    __slots__ = ("_cores", "_forms", "_pattern")

    def __init__(self, secrets: Iterable[str]) -> None:
        known = [secret for secret in secrets if secret.strip()]
        self._forms = sorted({form for secret in known for form in _forms(secret)}, key=len, reverse=True)
        self._cores = sorted({core for secret in known for core in _cores(secret)}, key=len, reverse=True)
        self._pattern = re.compile("|".join(map(re.escape, self._forms)), re.IGNORECASE) if known else None

    def __call__(self, text: str) -> str:
        """Return ``text`` without any of the secrets."""
        if self._pattern is None:
            return text
        for core in self._cores:
            text = _without_word(text, core)
        text = self._pattern.sub(STARS, text)
        for place in sorted((match.start() for match in _CUT.finditer(text)), reverse=True):
            text = self._without_beginning(text, place)
        return text

    def _without_beginning(self, text: str, end: int) -> str:
        """Take out the beginning of a secret that is cut off at ``end``."""
        before = text[:end]
        for form in (*self._forms, *self._cores):
            for length in range(min(len(form) - 1, len(before)), _SHORTEST_REST - 1, -1):
                if before.endswith(form[:length]):
                    return before[:-length] + STARS + text[end:]
        return text


def _without_word(text: str, core: str) -> str:
    """Take out every run of base64 that has ``core`` in it: what stands before and behind belongs to it."""
    start = text.find(core)
    while start >= 0:
        end = start + len(core)
        while start and text[start - 1] in _BASE64:
            start -= 1
        while end < len(text) and text[end] in _BASE64:
            end += 1
        text = text[:start] + STARS + text[end:]
        start = text.find(core, start + len(STARS))
    return text


def _forms(secret: str) -> Iterator[str]:
    """The ways in which a secret is written; some cut off the blanks around it, or put it on one line."""
    lines = (line.strip() for line in secret.splitlines())
    for text in {secret, secret.strip(), one_line(secret), *(line for line in lines if len(line) >= _SHORTEST_LINE)}:
        yield text
        yield shlex.quote(text)
        yield html.escape(text)
        yield html.escape(text, quote=False)
        yield repr(text)[1:-1]
        yield text.replace("\\", "\\\\").replace("'", "\\'")
        yield json.dumps(text)[1:-1]
        yield json.dumps(text, ensure_ascii=False)[1:-1]
        yield quote(text)
        yield quote(text, safe="")
        yield quote_plus(text)


def _cores(secret: str) -> Iterator[str]:
    """What base64 makes of a secret whatever is before and behind it: it stands at one of three places."""
    for text in {secret, secret.strip()}:
        for before in range(3):
            data = b"\0" * before + text.encode()
            core = base64.b64encode(data)[(before * 8 + 5) // 6 : len(data) * 8 // 6].decode()
            if len(core) >= _SHORTEST_CORE:
                yield core
                yield core.replace("+", "-").replace("/", "_")


def one_line(text: str) -> str:
    """``text`` on one line, without control characters, its blanks one each."""
    return " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())
