"""The YAML parser's complaints in words for people who do not write parsers."""

import re
from dataclasses import dataclass
from typing import Any

import yaml


@dataclass(frozen=True, slots=True)
class SyntaxFault:
    """Where the text stops being YAML (counted from 1), why, and what to do."""

    line: int
    column: int
    message: str
    remedy: str


_QUOTE = "put the value in quotes if it holds `: `, ` #` or begins with a special character"
_EXPLANATIONS = (
    # what the parser says, what it means, what to do, whether the place where the construct begins is meant
    ("mapping values are not allowed", "a `:` cannot stand here", f"check the indentation, and {_QUOTE}", False),
    ("could not find expected ':'", "a key without `: ` and a value", "write `key: value`", True),
    ("found unexpected end of stream", "a quotation mark is not closed", "close it", True),
    ("expected ',' or ']'", "a list in brackets is not closed, or one of its items needs quotes",
     'close it with `]`, and quote items like "[::1]" or "a: b"', False),
    ("expected ',' or '}'", "a mapping in braces is not closed, or one of its values needs quotes",
     "close it with `}`, and quote values that hold `,`, `:` or `{`", False),
    ("expected '-' indicator", "this does not line up with the list items above", "indent it like them", False),
    ("expected key", "this does not line up with the keys above, or a bracket or quote is out of place",
     "indent keys of one mapping alike, and quote what begins with a special character", False),
    ("expected <block end>", "this does not line up with what stands above", "indent keys and items alike", False),
    ("expected node content", "a value is missing here, or needs quotes",
     'quote values like "[::1]"; `[a, , b]` has one comma too many', False),
    ("unknown escape", "this escape is not known inside double quotes", "use single quotes, or write \\\\", False),
    ("unexpected document indicator", "`---` or `...` inside a value", "close the quotes or brackets above", True),
    ("undefined tag handle", "tags are not used here", "write the value without it, or quote it", False),
    ("alphabetic or numeric", "`&` and `*` begin an anchor or alias", "quote the value if that is not meant", False),
    ("anchor", "`&` and `*` begin an anchor or alias", "quote the value if that is not meant", False),
    ("alias", "`&` and `*` begin an anchor or alias", "quote the value if that is not meant", False),
    ("nesting", "too many levels inside each other", "", False),
    ("depth", "too many levels inside each other", "", False),
)  # fmt: skip


def explain(error: yaml.YAMLError, text: str) -> SyntaxFault:
    """Turn an error of PyYAML or libyaml into a fault in the document's own terms."""
    problem = str(getattr(error, "problem", "") or "")
    mark: Any = getattr(error, "problem_mark", None)
    begin: Any = getattr(error, "context_mark", None)
    if mark is None:
        return SyntaxFault(1, 1, "this is not YAML", "check indentation, quotes and brackets")
    if "cannot start any token" in problem:
        return _bad_start(mark, text)
    lines = text.splitlines()
    bracketed = _bracketed_address(mark, lines)
    if bracketed is not None:
        return bracketed
    at_end = mark.line >= len(lines)
    for phrase, message, remedy, from_begin in _EXPLANATIONS:
        if phrase in problem:
            place = begin if (from_begin or at_end) and begin is not None else mark
            return SyntaxFault(*_within(lines, place), message, remedy)
    return SyntaxFault(*_within(lines, mark), "this is not YAML", "check indentation, quotes and brackets")


_BRACKETED = re.compile(r"\[([0-9A-Fa-f.]{0,4}:[0-9A-Fa-f:.]{1,44})\](?=[/:-])")


def _bracketed_address(mark: Any, lines: list[str]) -> SyntaxFault | None:
    """An IPv6 address in brackets with something behind them, which YAML takes for a list."""
    line = lines[mark.line] if mark.line < len(lines) else ""
    for match in _BRACKETED.finditer(line):
        if match.start() <= mark.column <= match.end():
            rest = re.match(r"[/:-][0-9]*", line[match.end() :])
            plain = match[1] + (rest[0] if rest is not None and rest[0][0] == "/" else "")
            message = "brackets make a list, and this is an address"
            return SyntaxFault(mark.line + 1, match.start() + 1, message, f"write {plain} without brackets")
    return None


def _within(lines: list[str], mark: Any) -> tuple[int, int]:
    """Return line and column of a mark; the end of the text counts as the end of its last line."""
    if mark.line < len(lines):
        return mark.line + 1, mark.column + 1
    return len(lines), len(lines[-1]) + 1


def _bad_start(mark: Any, text: str) -> SyntaxFault:
    lines = text.splitlines()
    rest = lines[mark.line][mark.column :] if mark.line < len(lines) else ""
    if rest[:1] == "\t":
        return SyntaxFault(mark.line + 1, mark.column + 1, "a tab cannot indent YAML", "indent with spaces")
    message = f"a value cannot begin with `{rest[:1]}`" if rest else "a value cannot begin here"
    return SyntaxFault(mark.line + 1, mark.column + 1, message, "put it in quotes")
