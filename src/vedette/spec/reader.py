"""YAML text into a :class:`Tree`: only what is safe and means the same to every reader, and never more than the bounds.

It walks the parser's events instead of building PyYAML's nodes: quicker by half, and depth, size and aliases are
bounded while they arrive. Tags, merge keys and several documents in one text are refused, like duplicate keys.
"""

import re
from collections.abc import Callable
from typing import Any

import yaml

from vedette.spec import foreign, scalars, syntax, words
from vedette.spec.findings import Findings
from vedette.spec.model import anatomy
from vedette.spec.tree import FAULTY, Path, mark, spot_of
from vedette.spec.values import shorten

LARGEST = 16 << 20
"""Characters of the largest document."""
DEEPEST = 32
"""Containers inside each other: the shape needs 12."""
MOST_VALUES = 1_000_000
"""Values after aliases are followed: 10,000 real servers have 30,000."""

NO_BREAK = "\xa0"
"""Looks like a space, and is a letter to YAML: text that was copied from a web page has it."""
_NO_BREAK_BELOW = re.compile(r"[^\n]{0,200}\n(?:[ \t]{0,200}(?:#[^\n]{0,200})?\n){0,20}( {0,200})\xa0")
"""From the end of a line on: the next one with anything in it is indented by such spaces."""

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_FORBIDDEN = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


class _Stop(Exception):  # noqa: N818 (control flow)
    """The rest of the text cannot be read."""


def read(text: str, findings: Findings) -> None:
    """Fill ``findings.tree`` from ``text`` and report every fault of the text itself."""
    if len(text) > LARGEST:
        findings.add_at(0, 0, (), f"the document is longer than {LARGEST >> 20} MiB", "split it into several clusters")
        findings.tree.cut_off = True
        return
    forbidden = _FORBIDDEN.search(text)
    if forbidden:
        line = text.count("\n", 0, forbidden.start()) + 1
        column = forbidden.start() - text.rfind("\n", 0, forbidden.start())
        findings.add_at(line, column, (), "a control character is not allowed here", "delete it")
        findings.tree.cut_off = True
        return
    other = foreign.name(text)
    if other is not None:
        remedy = "write a document (docs/document.md): there is no importer yet"
        findings.add_at(1, 1, (), f"this looks like {other}", remedy)
        findings.tree.cut_off = True
        return
    _Reader(text, findings).read()


class _Reader:
    def __init__(self, text: str, findings: Findings) -> None:
        self._findings, self._tree, self._text = findings, findings.tree, text
        self._next: Callable[[], Any] = lambda: None
        self._count = 0
        self._anchors: dict[str, tuple[Any, int]] = {}
        self._open: set[str] = set()
        self._at: Path = ()

    def read(self) -> None:
        try:
            self._next = _LOADER(self._text).get_event  # yaml.parse would take twice the time
            self._document()
        except yaml.YAMLError as error:
            fault = syntax.explain(error, self._text)
            self._cut_off()
            self._findings.add_at(fault.line, fault.column, (), fault.message, fault.remedy)
        except _Stop:
            self._cut_off()

    def _cut_off(self) -> None:
        """Nothing is known of the rest, nor whether the value that was being read is whole."""
        self._tree.cut_off = True
        if self._at:
            self._findings.spoil(self._at)
            self._tree.put(self._at, FAULTY)

    def _document(self) -> None:
        self._next()
        if isinstance(self._next(), yaml.StreamEndEvent):
            self._findings.add_at(1, 1, (), "the document is empty", "see `vedette schema`, or the examples")
            raise _Stop
        first = self._next()
        if isinstance(first, yaml.MappingStartEvent):
            self._mapping(first, (), self._tree.root)
        else:
            empty = isinstance(first, yaml.ScalarEvent) and not first.value
            message = "the document is empty" if empty else "a document is a mapping of keys"
            place = (1, 1) if empty else _place(first)
            self._findings.add_at(*place, (), message, "start with `apiVersion: vedette.dev/v1alpha1`")
            raise _Stop
        self._next()
        second = self._next()
        if isinstance(second, yaml.DocumentStartEvent):
            line, column = _place(second)
            self._findings.add_at(
                line, column, (), "a second document begins here", "write one document in one file, without `---`"
            )

    def _mapping(self, start: Any, path: Path, mapping: dict[str, Any]) -> None:
        marks, next_event = self._tree.marks(mapping), self._next
        while (event := next_event()).__class__ is not yaml.MappingEndEvent:
            key = self._key(event, path)
            start_mark = event.start_mark
            value_event = next_event()
            here = (*path, key)
            if key in mapping:
                message = f"`{key}` is written twice; the first is in line {spot_of(marks[key]).key_line}"
                self._findings.add_at(*_place(event), here, message, "keep one of them")
                self._value(value_event, here, None)
                continue
            marks[key] = mark(*_place(value_event), start_mark.line + 1, start_mark.column + 1)
            self._value(value_event, here, mapping)

    def _key(self, event: Any, path: Path) -> str:
        self._grow(event)
        if event.__class__ is yaml.ScalarEvent:
            if event.value[:1] == NO_BREAK and event.implicit[0]:
                self._refuse_no_break(*_place(event))
            return str(event.value)
        self._findings.add_at(
            *_place(event), path, "a key must be plain text",
            "there is no template language: `defaults`, `checks` and `serverPools` are for repetition",
        )  # fmt: skip
        raise _Stop

    def _sequence(self, path: Path, items: list[Any]) -> None:
        index = 0
        marks = self._tree.marks(items)
        while (event := self._next()).__class__ is not yaml.SequenceEndEvent:
            marks[index] = mark(*_place(event), *_place(event))
            self._value(event, (*path, index), items)
            index += 1

    def _value(self, event: Any, path: Path, holder: Any) -> None:
        """Read the value that begins with ``event`` and attach it to its holder (None: read past it)."""
        self._grow(event)
        if holder is not None:
            self._at = path
        if len(path) > DEEPEST:
            self._findings.add_at(*_place(event), path, f"more than {DEEPEST} levels inside each other")
            raise _Stop
        size = self._count
        if event.__class__ is yaml.ScalarEvent:
            value = self._scalar(event, path)
            self._attach(holder, path, value)
        elif event.__class__ is yaml.AliasEvent:
            self._attach(holder, path, self._alias(event, path))
            return
        else:
            self._refuse_tag(event, path)
            if event.anchor:
                self._open.add(event.anchor)
            value = self._container(event, path, holder)
        if event.anchor:
            self._open.discard(event.anchor)
            self._anchors[event.anchor] = (value, self._count - size + 1)
            self._tree.anchored = True

    def _container(self, event: Any, path: Path, holder: Any) -> Any:
        """Attach the container before it is filled, so that a syntax error inside it leaves what came before."""
        value: Any
        if event.__class__ is yaml.MappingStartEvent:
            value = {}
            self._attach(holder, path, value)
            self._mapping(event, path, value)
        else:
            value = []
            self._attach(holder, path, value)
            self._sequence(path, value)
        return value

    def _attach(self, holder: Any, path: Path, value: Any) -> None:
        if holder is None:
            return
        if value is FAULTY:
            self._findings.spoil(path)
        if isinstance(holder, list):
            holder.append(value)
        else:
            holder[path[-1]] = value

    def _scalar(self, event: Any, path: Path) -> Any:
        if not event.implicit[0] and not event.implicit[1]:
            self._refuse_tag(event, path)
        if not event.implicit[0]:
            return event.value
        value = scalars.resolve(event.value)
        if value is None:
            self._look_below(event)
            word = f"`{path[-1]}`" if isinstance(path[-1], str) else "this item"
            self._findings.add_at(*_place(event), path, f"{word} has no value", "write a value, or leave it out")
            return FAULTY
        if isinstance(value, scalars.Ambiguous):
            part = anatomy.part_at(path)
            choices = part.choices if part is not None else ()
            remedy = words.for_value(value.meant, choices) if choices else value.remedy
            self._findings.add_at(*_place(event), path, value.message, remedy)
            return FAULTY
        return value

    def _look_below(self, event: Any) -> None:
        """Where nothing seems to be below a key, it may be indented by what only looks like spaces."""
        below = _NO_BREAK_BELOW.match(self._text, event.end_mark.index)
        if below is not None:
            self._refuse_no_break(event.end_mark.line + below[0].count("\n") + 1, len(below[1]) + 1)

    def _refuse_no_break(self, line: int, column: int) -> None:
        message = "a no-break space (U+00A0) cannot indent YAML"
        self._findings.add_at(line, column, (), message, "indent with plain spaces")
        raise _Stop

    def _alias(self, event: Any, path: Path) -> Any:
        if event.anchor in self._open or event.anchor not in self._anchors:
            why = "holds itself" if event.anchor in self._open else "is not defined above"
            self._findings.add_at(*_place(event), path, f"`*{shorten(event.anchor)}` {why}", "write the value here")
            return FAULTY
        value, size = self._anchors[event.anchor]
        self._count += size
        self._grow(event)
        return value

    def _refuse_tag(self, event: Any, path: Path) -> None:
        if event.tag:
            self._findings.add_at(
                *_place(event), path, f"the tag `{shorten(event.tag)}` is not used here", "write the value without it"
            )

    def _grow(self, event: Any) -> None:
        self._count += 1
        if self._count > MOST_VALUES:
            message = f"the document holds more than {MOST_VALUES} values once its aliases are followed"
            self._findings.add_at(*_place(event), (), message, "use serverPools and defaults instead of aliases")
            raise _Stop


def _place(event: Any) -> tuple[int, int]:
    mark = event.start_mark
    return mark.line + 1, mark.column + 1
