"""Questions about the shape that its annotations answer: which mapping is where, and which keys it has."""

import types
import typing
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

from vedette.spec.model.base import Later, Shape, StandIn
from vedette.spec.model.document import HACluster
from vedette.spec.tree import Path


@dataclass(frozen=True, slots=True)
class Part:
    """One key of a shape. ``shape`` is the mapping below it, if any; ``many``: a list or map of such."""

    key: str
    attribute: str
    description: str
    required: bool
    shape: type[Shape] | None
    many: bool
    choices: tuple[str, ...]
    later: Later | None
    stand_in: StandIn | None


_ON_EVERY_ITEM = ("description", "labels")


@cache
def parts(shape: type[Shape]) -> dict[str, Part]:
    """Return the keys of a shape as written in the document; those that every item has come last."""
    found = (_part(name, field) for name, field in shape.model_fields.items())
    return {part.key: part for part in sorted(found, key=lambda part: part.key in _ON_EVERY_ITEM)}


def _part(name: str, field: Any) -> Part:
    inner, many = _unwrap(field.annotation)
    is_shape = isinstance(inner, type) and issubclass(inner, Shape)
    marks = {type(mark): mark for mark in field.metadata}
    return Part(
        key=field.alias,
        attribute=name,
        description=field.description or "",
        required=field.is_required(),
        shape=inner if is_shape else None,
        many=many,
        choices=typing.get_args(inner) if typing.get_origin(inner) is Literal else (),
        later=marks.get(Later),
        stand_in=marks.get(StandIn),
    )


def _unwrap(annotation: Any) -> tuple[Any, bool]:
    """Peel optional, annotated, list and map off an annotation; tell whether a list or map was among them."""
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Annotated:
        return _unwrap(arguments[0])
    if origin in (typing.Union, types.UnionType):
        return _unwrap(next(item for item in arguments if item is not types.NoneType))
    if origin is tuple:
        return _unwrap(arguments[0])[0], True
    if origin is dict:
        return _unwrap(arguments[1])[0], True
    return annotation, False


def shape_at(path: Path) -> type[Shape] | None:
    """Return the shape of the mapping at ``path``; None where there is none."""
    shape: type[Shape] | None = HACluster
    many = False
    for key in path:
        if many:
            many = False
            continue
        part = parts(shape).get(str(key)) if shape is not None else None
        if part is None:
            return None
        shape, many = part.shape, part.many
    return None if many else shape


def part_at(path: Path) -> Part | None:
    """Return the key that ``path`` ends with, or that the list item at its end belongs to."""
    while path:
        holder = shape_at(path[:-1])
        if holder is not None:
            return parts(holder).get(str(path[-1]))
        path = path[:-1]
    return None


@cache
def places() -> dict[str, tuple[str, ...]]:
    """Return for every key of the shape where it may be written: ``{"weight": ("spec.virtualServices[]…", …)}``."""
    found: dict[str, list[str]] = {}
    _collect(HACluster, "", found)
    return {key: tuple(where) for key, where in found.items()}


def _collect(shape: type[Shape], prefix: str, found: dict[str, list[str]]) -> None:
    for part in parts(shape).values():
        where = f"{prefix}{part.key}"
        found.setdefault(part.key, []).append(prefix.rstrip("."))
        if part.shape is not None:
            _collect(part.shape, f"{where}[]." if part.many else f"{where}.", found)
