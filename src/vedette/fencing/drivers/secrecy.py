"""Words of devices, agents and libraries made fit for a person: without a secret, in whatever form it is repeated.

Programs show what they were called with as a shell would be told it, URLs escape it, a traceback has its `repr`, and a
trace of HTTP has it in base64.
"""

import base64
import html
import json
import re
import shlex
from collections.abc import Iterable, Iterator
from urllib.parse import quote, quote_plus

LONGEST = 300
"""Letters of one complaint."""
STARS = "***"
_LOGIN = re.compile(r"(Authorization\W{1,6}\w+\s+)\S+", re.IGNORECASE)
"""A header of HTTP, as it is sent or as a dictionary shows it: what follows its scheme is always a secret."""
_SHORTEST_CORE = 4
"""Letters of base64 that are looked for: fewer are found in ordinary words."""


def clean(text: str, secrets: Iterable[str]) -> str:
    """Return ``text`` fit for a person: short, printable, and with stars for every secret in it."""
    known = [secret for secret in secrets if secret.strip()]
    text = _LOGIN.sub(rf"\1{STARS}", text)
    for core in {core for secret in known for core in _cores(secret)}:
        text = re.sub(rf"[\w+/=-]*{re.escape(core)}[\w+/=-]*", STARS, text)
    for form in sorted({form for secret in known for form in _forms(secret)}, key=len, reverse=True):
        text = text.replace(form, STARS)
    return "".join(letter if letter.isprintable() else " " for letter in text)[:LONGEST]


def _forms(secret: str) -> Iterator[str]:
    """The ways in which a secret is written; agents cut off the blanks around it."""
    for text in {secret, secret.strip()}:
        yield text
        yield shlex.quote(text)
        yield html.escape(text)
        yield html.escape(text, quote=False)
        yield repr(text)[1:-1]
        yield text.replace("\\", "\\\\").replace("'", "\\'")
        yield json.dumps(text)[1:-1]
        yield json.dumps(text, ensure_ascii=False)[1:-1]
        for escaped in (quote(text), quote(text, safe=""), quote_plus(text)):
            yield escaped
            yield re.sub("%..", lambda code: code[0].lower(), escaped)


def _cores(secret: str) -> Iterator[str]:
    """What base64 makes of a secret whatever is before and behind it: it stands at one of three places."""
    for text in {secret, secret.strip()}:
        for before in range(3):
            data = b"\0" * before + text.encode()
            core = base64.b64encode(data)[(before * 8 + 5) // 6 : len(data) * 8 // 6].decode()
            if len(core) >= _SHORTEST_CORE:
                yield core
                yield core.replace("+", "-").replace("/", "_")
