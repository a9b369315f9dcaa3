"""Words of devices, agents and libraries made fit for a person: short, printable, and without a secret."""

import re
from collections.abc import Iterable

from vedette.kit.secrecy import STARS, Censor

LONGEST = 300
"""Letters of one complaint."""
_LOGIN = re.compile(r"(Authorization\W{1,6}\w+\s+)\S+", re.IGNORECASE)
"""A header of HTTP, as it is sent or as a dictionary shows it: what follows its scheme is always a secret."""


def clean(text: str, secrets: Iterable[str]) -> str:
    """Return ``text`` with stars for every secret in it, in whatever form it is repeated."""
    text = Censor(secrets)(_LOGIN.sub(rf"\1{STARS}", text))
    return "".join(letter if letter.isprintable() else " " for letter in text)[:LONGEST]
