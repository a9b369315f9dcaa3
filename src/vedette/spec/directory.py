"""Search filters of directories: from what people write (RFC 4515) to what is sent (RFC 4511 section 4.5.1.7)."""

import re

from vedette.kit import ber
from vedette.spec.values import BadValueError

_AND, _OR, _NOT = 0xA0, 0xA1, 0xA2
_EQUAL, _SUBSTRINGS, _GREATER, _LESS, _PRESENT, _APPROXIMATE, _EXTENSIBLE = 0xA3, 0xA4, 0xA5, 0xA6, 0x87, 0xA8, 0xA9
_INITIAL, _ANY, _FINAL = 0x80, 0x81, 0x82
_RULE, _TYPE, _VALUE, _WITH_DN = 0x81, 0x82, 0x83, 0x84
_TRUE = b"\xff"

_DEEPEST = 32
_NAME = r"[A-Za-z0-9][A-Za-z0-9.-]*(?:;[A-Za-z0-9-]+)*"
_ITEM = re.compile(rf"({_NAME})(=|~=|>=|<=)([^()\0]*)")
_MATCHING = re.compile(rf"({_NAME})?(:dn)?(?::({_NAME}))?:=([^()\0]*)")
_REMEDY = "write it like (&(objectClass=person)(uid=check))"
_ESCAPE = re.compile(r"\\([0-9A-Fa-f]{2})?")
_COMPARISONS = {"~=": _APPROXIMATE, ">=": _GREATER, "<=": _LESS}


def encode_filter(text: str) -> bytes:
    """Return the filter as it is sent; raises :class:`BadValueError`. Outer parentheses may be left out."""
    whole = text if text.startswith("(") else f"({text})"
    encoded, rest = _filter(whole, 0)
    if rest:
        raise BadValueError(f"`{rest[:20]}` is left over behind the filter", _REMEDY)
    return encoded


def _filter(text: str, depth: int) -> tuple[bytes, str]:
    """One filter at the beginning of ``text``, and what comes behind it."""
    if not text.startswith("("):
        raise BadValueError("a `(` is missing in the filter", _REMEDY)
    if depth > _DEEPEST:
        raise BadValueError(f"the filter is more than {_DEEPEST} levels deep", "write a simpler one")
    sign, rest = text[1:2], text[2:]
    if sign and sign in "&|":
        parts = []
        while rest.startswith("("):
            part, rest = _filter(rest, depth + 1)
            parts.append(part)
        if not parts:
            raise BadValueError(f"`{sign}` has nothing to join", _REMEDY)
        encoded = ber.element(_AND if sign == "&" else _OR, *parts)
    elif sign == "!":
        part, rest = _filter(rest, depth + 1)
        encoded = ber.element(_NOT, part)
    else:
        item = re.match(r"[^()]*", text[1:])
        assert item is not None
        encoded, rest = _item(item[0]), text[1 + item.end() :]
    if not rest.startswith(")"):
        raise BadValueError("a `)` is missing in the filter", _REMEDY)
    return encoded, rest[1:]


def _item(text: str) -> bytes:
    """One comparison."""
    found = _ITEM.fullmatch(text)
    if found is None:
        return _matching(text)
    name, sign, value = found[1].encode(), found[2], found[3]
    if sign != "=":
        return ber.element(
            _COMPARISONS[sign], ber.element(ber.OCTET_STRING, name), ber.element(ber.OCTET_STRING, _value(value))
        )
    if value == "*":
        return ber.element(_PRESENT, name)
    pieces = [_value(piece) for piece in value.split("*")]
    if len(pieces) == 1:
        return ber.element(_EQUAL, ber.element(ber.OCTET_STRING, name), ber.element(ber.OCTET_STRING, pieces[0]))
    tags = [_INITIAL, *[_ANY] * (len(pieces) - 2), _FINAL]
    parts = [ber.element(tag, piece) for tag, piece in zip(tags, pieces, strict=True) if piece]
    if not parts or b"" in pieces[1:-1]:
        raise BadValueError("two `*` stand side by side in the filter", "write one")
    return ber.element(_SUBSTRINGS, ber.element(ber.OCTET_STRING, name), ber.element(ber.SEQUENCE, *parts))


def _matching(text: str) -> bytes:
    """A comparison by a rule that is named: ``cn:caseExactMatch:=Karl``."""
    found = _MATCHING.fullmatch(text)
    if found is None or not (found[1] or found[3]):
        raise BadValueError(f"`{text[:40]}` is no comparison", _REMEDY)
    parts = [(_RULE, found[3]), (_TYPE, found[1])]
    return ber.element(
        _EXTENSIBLE,
        *(ber.element(tag, part.encode()) for tag, part in parts if part),
        ber.element(_VALUE, _value(found[4])),
        ber.element(_WITH_DN, _TRUE) if found[2] else b"",
    )


def _value(text: str) -> bytes:
    """A value with its escapes undone: ``\\2a`` is an asterisk."""
    value = b""
    last = 0
    for escape in _ESCAPE.finditer(text):
        if escape[1] is None:
            raise BadValueError("a `\\` in the filter lacks its two digits", "write a backslash as `\\5c`")
        value += text[last : escape.start()].encode() + bytes.fromhex(escape[1])
        last = escape.end()
    return value + text[last:].encode()
