"""A secret that was read from its file."""

from collections.abc import Iterator
from dataclasses import dataclass, field, fields, is_dataclass


@dataclass(frozen=True, slots=True)
class Secret:
    """What a secret file holds. It is never printed; whoever needs it says ``text``."""

    text: str = field(repr=False)


def secrets_in(item: object) -> Iterator[str]:
    """Every secret that a part of the spec has in it."""
    if isinstance(item, Secret):
        yield item.text
    elif isinstance(item, tuple):
        for part in item:
            yield from secrets_in(part)
    elif is_dataclass(item):
        for entry in fields(item):
            yield from secrets_in(getattr(item, entry.name))
