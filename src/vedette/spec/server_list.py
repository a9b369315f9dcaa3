"""A list of real servers as plain text, for lists that other programs write: ``address[:port] [weight]`` a line.

Addresses as in the document, ranges too; an IPv6 address with a port in brackets. Empty lines, and everything behind
``#``, do not count.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from vedette.spec import values

_BRACKETS = re.compile(r"\[([^\]]*)\](?::(\d{1,9}))?")
_WITH_PORT = re.compile(r"([0-9.]+):(\d{1,9})")
MOST_WEIGHT = 65535


@dataclass(frozen=True, slots=True)
class Line:
    """One line that names servers; the numbers count from 1."""

    number: int
    addresses: values.AddressRange
    port: int | None
    weight: int | None


@dataclass(frozen=True, slots=True)
class BadLine:
    """One that cannot be read."""

    number: int
    message: str
    remedy: str


def lines(text: str) -> Iterator[Line | BadLine]:
    """Read a list."""
    for number, line in enumerate(text.splitlines(), 1):
        parts = line.partition("#")[0].split()
        if parts:
            yield _line(number, parts)


def _line(number: int, parts: list[str]) -> Line | BadLine:
    if len(parts) > 2:
        return BadLine(number, "more than an address and a weight", "write `10.0.0.11:8080 5` in each line")
    address, port = _split(parts[0])
    if port is not None and not 1 <= port <= 65535:
        return BadLine(number, f"{port} is not a port", "write a port from 1 to 65535")
    try:
        addresses = values.parse_range(address)
    except values.BadValueError as error:
        return BadLine(number, str(error), error.remedy)
    weight = None
    if len(parts) == 2:
        if not (parts[1].isascii() and parts[1].isdigit()) or len(parts[1]) > 5 or int(parts[1]) > MOST_WEIGHT:
            return BadLine(
                number, f'"{values.shorten(parts[1])}" is not a weight', f"write a whole number up to {MOST_WEIGHT}"
            )
        weight = int(parts[1])
    return Line(number, addresses, port, weight)


def _split(text: str) -> tuple[str, int | None]:
    match = _BRACKETS.fullmatch(text) or _WITH_PORT.fullmatch(text)
    if match is None:
        return text, None
    return match[1], int(match[2]) if match[2] is not None else None
