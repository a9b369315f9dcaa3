"""A text that a check's regular expression finds, so that a stand-in can pass it. Pure.

It reads the expression as people write it in health checks: words, classes, groups, repetitions, alternatives. What
it does not understand it copies; :func:`sample` tells whether the result is any good by trying it.
"""

import re
from collections.abc import Iterator

_PIECE = re.compile(
    r"\\."  # an escape
    r"|\[\^?\]?(?:\\.|[^\]])*\]"  # a class
    r"|\(\?[a-zA-Z]+\)|\(\?(?:[:=!]|P<\w+>)"  # flags; the beginning of a group that is not plain
    r"|[*+?]\??|\{\d+(?:,\d*)?\}\??"  # a repetition
    r"|.",
    re.DOTALL,
)
_CLASSES = {"d": "0", "w": "a", "s": " ", "D": "a", "W": " ", "S": "a", "n": "\n", "t": "\t", "r": "\r"}
_PRINTABLE = "".join(map(chr, range(0x20, 0x7F)))


def sample(pattern: str) -> str | None:
    """A short text in which ``re.search(pattern, …)`` finds something; None when this is not clever enough."""
    try:
        expression = re.compile(pattern)
        text = "".join(_texts(list(_PIECE.findall(pattern))))
        return text if expression.search(text) else None
    except re.error:
        return None


def _texts(pieces: list[str]) -> Iterator[str]:
    """One text for each token; of alternatives, the first."""
    last, skipped = "", 0
    for piece in pieces:
        if skipped:
            skipped += {"(": 1, ")": -1}.get(piece[0], 0)
            continue
        if piece == "|":  # the others, up to the end of the group
            skipped = 1
        elif piece[0] == "{":
            yield last * (int(piece[1:].split(",")[0].split("}")[0]) - 1)
        elif piece[0] in "*+?(^$)":
            continue
        else:
            last = _one(piece)
            yield last


def _one(piece: str) -> str:
    if piece[0] == "[" and len(piece) > 1:
        return next((one for one in _PRINTABLE if re.fullmatch(piece, one)), "")
    if piece[0] == "\\":
        return "" if piece[1] in "bBAZ" else _CLASSES.get(piece[1], piece[1])
    return "x" if piece == "." else piece
