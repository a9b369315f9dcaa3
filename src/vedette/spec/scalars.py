"""Unquoted scalars by the core schema of YAML 1.2.2 (section 10.3.2), and those that older readers take otherwise.

PyYAML reads YAML 1.1, where ``on`` is true, ``0600`` is 384 and ``1:30`` is 90. Vedette reads 1.2; what readers of
1.1 (kubectl among them) would understand differently is :class:`Ambiguous`, and refused.
"""

import re
from dataclasses import dataclass

from vedette.spec.values import shorten


@dataclass(frozen=True, slots=True)
class Decimal:
    """A number with a point or an exponent: no value of the document is one, so only its text is kept."""

    text: str


@dataclass(frozen=True, slots=True)
class Ambiguous:
    """A scalar that other readers of YAML take for something else."""

    message: str
    remedy: str
    meant: str = ""


_BOOLEANS = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_NULLS = {"", "~", "null", "Null", "NULL"}
_TRUTHS = {"y", "yes", "on"}
_WORDS = re.compile(r"y|Y|yes|Yes|YES|on|On|ON|n|N|no|No|NO|off|Off|OFF")
_INTEGER = re.compile(r"[-+]?[0-9]{1,64}")
_HEXADECIMAL = re.compile(r"0x[0-9a-fA-F]{1,16}")
_OCTAL = re.compile(r"0o[0-7]{1,21}")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
_STARTS = frozenset("~nNtTfFyYoO0123456789+-.")

Scalar = str | int | bool | Decimal | Ambiguous | None


def resolve(text: str) -> Scalar:
    """Return what an unquoted scalar means."""
    if not text or text[0] in _STARTS:
        return _resolve(text)
    return text


def _resolve(text: str) -> Scalar:
    if text in _NULLS:
        return None
    if text in _BOOLEANS:
        return _BOOLEANS[text]
    if _INTEGER.fullmatch(text):
        return _integer(text)
    if _HEXADECIMAL.fullmatch(text) or _OCTAL.fullmatch(text):
        return int(text, 0)
    if _FLOAT.fullmatch(text):
        return Decimal(text)
    if _WORDS.fullmatch(text):
        meant = "true" if text.lower() in _TRUTHS else "false"
        return Ambiguous(
            f"`{text}` is a word to some readers of YAML and {meant} to others",
            f'write {meant} if that is meant, or quote it: "{text}"',
            meant,
        )
    return text


def _integer(text: str) -> Scalar:
    digits = text.lstrip("+-")
    if len(digits) > 1 and digits[0] == "0":
        return Ambiguous(
            f"`{shorten(text)}` is a decimal number to some readers of YAML and an octal one to others",
            f'write {int(text)}, or quote it: "{text}"',
        )
    return int(text)
