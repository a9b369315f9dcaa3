"""Rules that the shapes carry with them: exactly one of several keys, names unique in their list, and what this
release does not do yet.

One walk over the models, which knows for each shape beforehand where there is anything to see.
"""

from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any

from vedette.spec import words
from vedette.spec.findings import Findings
from vedette.spec.model import HACluster, anatomy
from vedette.spec.model.base import Item, Shape
from vedette.spec.tree import Path


def check(document: HACluster, findings: Findings) -> None:
    """Report every rule that the written document breaks."""
    _visit(document, (), findings)


def check_item(items: Sequence[Shape], index: int, path: Path, findings: Findings) -> None:
    """Report what is wrong about one item of the list at ``path``, or has become wrong by it."""
    if isinstance(items[index], Item) and "name" in type(items[index]).model_fields:
        _check_names(items, path, findings)
    _visit(items[index], (*path, index), findings)


@cache
def _carries_rules(shape: type[Shape]) -> bool:
    """Tell whether there is anything to check at or below a shape; most of a large document has nothing."""
    parts = anatomy.parts(shape).values()
    return bool(shape.one_of) or any(
        part.later or (part.shape is not None and _carries_rules(part.shape)) for part in parts
    )


def _visit(shape: Shape, path: Path, findings: Findings) -> None:
    if shape.one_of:
        _check_one_of(shape, path, findings)
    parts = anatomy.parts(type(shape))
    for part in parts.values():
        if part.attribute not in shape.model_fields_set:
            continue
        value, here = getattr(shape, part.attribute), (*path, part.key)
        if part.later is not None and (not part.later.values or value in part.later.values):
            others = [choice for choice in part.choices if choice not in part.later.values]
            remedy = f"write {words.listing(others, last=' or ')}" if others else "leave it out"
            findings.add(here, f"{part.later.what}: not supported yet", remedy, at_key=not others)
            continue
        if part.shape is not None and part.many:
            _visit_items(value, part.shape, here, findings)
        elif part.shape is not None:
            _visit(value, here, findings)


def _visit_items(value: Any, shape: type[Shape], path: Path, findings: Findings) -> None:
    items: Iterable[tuple[Any, Shape]] = value.items() if isinstance(value, dict) else enumerate(value)
    if issubclass(shape, Item) and "name" in shape.model_fields:
        _check_names(value, path, findings)
    if _carries_rules(shape):
        for key, item in items:
            _visit(item, (*path, key), findings)


def _check_one_of(shape: Shape, path: Path, findings: Findings) -> None:
    attributes = {part.key: part.attribute for part in anatomy.parts(type(shape)).values()}
    written = [key for key in shape.one_of if attributes[key] in shape.model_fields_set]
    if len(written) > 1:
        clash = " and ".join(f"`{key}`" for key in written)
        findings.add((*path, written[1]), f"{clash} exclude each other", "keep one of them", at_key=True)
    elif not written and findings.sound(path) and not findings.tree.cut_off:
        findings.add(path, f"one of {words.listing(shape.one_of, most=8)} is missing", "write exactly one of them")


def _check_names(items: Iterable[Any], path: Path, findings: Findings) -> None:
    first: dict[str, int] = {}
    for index, item in enumerate(items):
        if item.name is None:
            continue
        if item.name in first:
            findings.add(
                (*path, index, "name"),
                f"the name `{item.name}` is taken by {path[-1]}[{first[item.name]}]",
                f"names are unique in `{path[-1]}`: choose another",
            )
        else:
            first[item.name] = index
