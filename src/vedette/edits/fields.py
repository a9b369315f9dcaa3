"""Differences between two values of the same dataclass, field by field: what has no words of its own is named all the
same, so that a plan that says nothing means that nothing changes."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import fields, is_dataclass
from enum import Enum, Flag, IntEnum

from vedette.kit.units import show
from vedette.spec.resolved import Key, Secret

_HIDDEN = (Secret, Key)
_DURATIONS = frozenset({
    "interval", "timeout", "warn_after", "dead_after", "startup_grace", "failback_delay", "persistence_timeout",
    "delay", "tcp", "tcp_fin", "udp", "drain", "slow_start", "half_life", "longest", "jitter", "expiry_warning",
})  # fmt: skip
"""Fields that hold ns."""
_CLOSED = frozenset({"headers", "environment", "send", "steps"})
"""Fields in which tokens stand, since a document has no other place for them: they are said to change, not shown."""
LONGEST = 60


def different(old: object, new: object, *, besides: Collection[str] = ()) -> Iterator[tuple[str, object, object]]:
    """(name, before, after) of each field that differs."""
    assert is_dataclass(old)
    for item in fields(old):
        before, after = getattr(old, item.name), getattr(new, item.name, None)
        if item.name not in besides and before != after:
            yield item.name, before, after


def told(old: object, new: object, *, besides: Collection[str] = ()) -> Iterator[str]:
    """A sentence for each field that differs, in the words of the document, without any secret."""
    for name, before, after in different(old, new, besides=besides):
        if type(before) is type(after) and is_dataclass(before) and not isinstance(before, _HIDDEN):
            yield from (f"{camel(name)}.{line}" for line in told(before, after))
        elif name in _CLOSED or _secret(before) or _secret(after):
            yield f"{camel(name)} changes"
        else:
            yield f"{camel(name)} becomes {shown(name, after)} (was {shown(name, before)})"


def camel(name: str) -> str:
    """The document's spelling of a field."""
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)


def shown(name: str, value: object) -> str:
    """A value as the document has it, cut short."""
    text = _text(name, value)
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"


def _text(name: str, value: object) -> str:
    match value:
        case _ if name in _CLOSED:
            return "…" if value else "none"
        case None:
            return "not set"
        case str() if name == "path" and "?" in value:
            return f"{value.partition('?')[0]}?…"
        case (str() as program, _, *_) if name == "command":
            return f"{program} …"  # its arguments may have a password
        case Secret() | Key():
            return "a secret"
        case bool():
            return "true" if value else "false"
        case int() if name in _DURATIONS:
            return show(value)
        case Flag():
            return ", ".join(str(item.name).lower() for item in value) or "none"
        case IntEnum():
            return camel(value.name.lower())
        case Enum():
            return value.value if isinstance(value.value, str) else value.name.lower()
        case str():
            return value or "empty"
        case Mapping():
            return ", ".join(f"{key}={_text('', item)}" for key, item in value.items()) or "none"
        case tuple() | frozenset() | list():
            return ", ".join(_text(name, item) for item in value) or "none"
        case _ if is_dataclass(value):
            parts = (f"{camel(item.name)} {_text(item.name, getattr(value, item.name))}" for item in fields(value))
            return f"({', '.join(parts)})"
        case _:
            return str(value)


def _secret(value: object) -> bool:
    """Whether a value holds a secret anywhere."""
    if isinstance(value, _HIDDEN):
        return True
    if isinstance(value, Mapping):
        return any(_secret(item) for item in value.values())
    if isinstance(value, tuple | list | frozenset):
        return any(_secret(item) for item in value)
    if is_dataclass(value):
        return any(_secret(getattr(value, item.name)) for item in fields(value))
    return False
