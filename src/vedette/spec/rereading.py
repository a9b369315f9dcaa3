"""Read the same document again and again: a small edit at the price of a small edit, with the meaning of a full read.

What is known to be good is kept: the text, its values and models, and what its lists of servers came to. A text that
differs from it only in real servers that are written plainly, each key on a line of its own or all in one pair of
braces, is read by those lines alone. Anything else, and whatever has a fault, is read from the first letter to the
last, so that faults are those of a full read by construction.

Why the lines of one item may be read alone. The parser stands at the same place in both texts when it reaches the
item, since all before it is the same. The old lines, read alone, give the very item of the old document: so nothing
before or behind them reaches into the item (no literal block around it, no value that goes on). The new lines have the
same form, line by line: so they end in the same state of the parser, and all behind them means what it meant. Values
that stand in two places (anchors) and line ends that other programs count differently are left to the full read.
"""

import re
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from operator import eq
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from vedette.spec import load, reader, rules, values
from vedette.spec.canonical import Canonical
from vedette.spec.carried_names import Contents
from vedette.spec.findings import Enough, Findings
from vedette.spec.load import Report, Secrets
from vedette.spec.model import HACluster
from vedette.spec.model.balancing import RealServer
from vedette.spec.resolve.expansions import Expansions
from vedette.spec.tree import Key, Mark, Spot, Tree, line_of, mark, spot_of
from vedette.spec.tree import Path as Place

MOST_EDITS = 256
"""Lines that differ; beyond, the whole is read."""

_ATTRIBUTES: dict[Key, str] = {"virtualServices": "virtual_services", "serverPools": "server_pools"}
"""What has real servers: the document's keys and those of its model."""

_WORD = r"(?:[A-Za-z0-9_./+-]|:+(?=[A-Za-z0-9]))+"
_VALUE = rf"""(?:(?=[A-Za-z0-9]){_WORD}(?: {_WORD})*|"[A-Za-z0-9 _./:+-]*"|'[A-Za-z0-9 _./:+-]*')"""
_MEMBER = rf"[A-Za-z]+: {_VALUE}"
_REMARK = r"(?: +#[ -~]*)?"
_LINE = re.compile(rf"( *)({_MEMBER}){_REMARK}")
_FIRST_LINE = re.compile(rf"( *)- ({_MEMBER}){_REMARK}")
_ONLY_LINE = re.compile(rf"( *)- (\{{{_MEMBER}(?:, {_MEMBER})*\}}){_REMARK}")
_OTHER_LINE_ENDS = re.compile("[\r\x85\u2028\u2029]")


class _Different(Exception):  # noqa: N818 (control flow)
    """This edit is not of the kind that is read by its lines."""


@dataclass(frozen=True, slots=True)
class _Good:
    """The last document without a fault; plain values stand for the models of its real servers."""

    text: str
    tree: Tree
    document: HACluster
    expansions: Expansions
    canonical: Canonical


@dataclass(slots=True)
class Rereader:
    """Reads the versions of one document, one after the other; not from two threads at once.

    ``name`` is what faults call the document; secrets are looked for in ``directory``, each time anew.
    """

    name: str
    directory: Path
    secrets: Secrets = Secrets.REQUIRED
    _good: _Good | None = field(default=None, repr=False)

    def check(self, text: str, received: Contents | None = None) -> Report:
        """Return what :func:`vedette.spec.load.check_text` returns. ``received``: files that came with the text."""
        report = self._edit(self._good, text) if self._good is not None and received is None else None
        return report or self._whole(text, received)

    def _whole(self, text: str, received: Contents | None) -> Report:
        expansions, canonical = Expansions(), Canonical()
        reading = load.read(
            text,
            name=self.name,
            directory=self.directory,
            secrets=self.secrets,
            expansions=expansions,
            canonical=canonical,
            received=received,
        )
        tree = reading.findings.tree
        if reading.report.spec is not None and tree.whole and not tree.anchored and not _OTHER_LINE_ENDS.search(text):
            assert reading.document is not None
            document = _shelved(reading.document, tree, expansions)
            self._good = _Good(text, tree, document, expansions, canonical)
        values.parse_range.cache_clear()  # it saves parsing every address twice, and then only takes room
        return reading.report

    def _edit(self, good: _Good, text: str) -> Report | None:
        """The report on a text that differs from the good one in few servers, and is good; else None."""
        try:
            edits = _edits(good, text)
        except _Different:
            return None
        self._good = None  # it is being changed
        undo = [edit.enter(good) for edit in edits]
        after = replace(good, text=text, document=_with(good.document, edits))
        report = self._judge(after, edits)
        if report is not None:
            self._good = after
            return report
        for edit in undo:
            edit.enter(good)
        self._good = replace(good, expansions=Expansions())
        return None

    def _judge(self, good: _Good, edits: Sequence["_Edit"]) -> Report | None:
        """The passes behind the structure; None when there is any fault."""
        findings = Findings(self.name, good.tree)
        try:
            for edit in edits:
                rules.check_item(_servers(good.document, edit.path), edit.index, edit.path, findings)
            if findings.problems:
                return None
            digest = good.canonical.digest(good.tree.root)
            report = load.interpret(good.document, findings, digest, self.directory, self.secrets, good.expansions)
        except Enough:
            return None
        return report if report.spec is not None else None


@dataclass(frozen=True, slots=True)
class _Edit:
    """Another content of one item: ``items[index]``, which stands at ``path``."""

    path: Place
    items: list[Any]
    index: int
    values: dict[str, Any]
    marks: dict[Key, Mark]
    model: RealServer | None = None

    def enter(self, good: _Good) -> "_Edit":
        """Put it in; returns the edit that undoes it."""
        former = self.items[self.index]
        undo = _Edit(self.path, self.items, self.index, former, good.tree.marks(former))
        good.tree.exchange(self.items, self.index, self.values, self.marks)
        good.canonical.forget(self.path, self.index)
        return undo


def _edits(good: _Good, text: str) -> list[_Edit]:
    """The items that differ; raises :class:`_Different`."""
    if len(text) > reader.LARGEST:
        raise _Different
    before, after = good.text.split("\n"), text.split("\n")
    if len(before) != len(after):
        raise _Different
    differing = [line for line, alike in enumerate(map(eq, before, after)) if not alike]
    if len(differing) > MOST_EDITS:
        raise _Different
    edits: list[_Edit] = []
    covered = 0
    for line in differing:
        if line < covered:
            continue
        path, items, index = _place(good, line)
        spot = spot_of(good.tree.marks(items)[index])
        first = spot.line - 1
        covered = _end(before, first, spot)
        if line >= covered:
            raise _Different
        old, _ = _read(before[first:covered], spot)
        if old != items[index]:
            raise _Different
        values, places = _read(after[first:covered], spot)
        edits.append(_Edit(path, items, index, values, places, _model(values)))
    return edits


def _place(good: _Good, line: int) -> tuple[Place, list[Any], int]:
    """Find the real server in whose lines ``line`` (from 0) may be."""
    for path, items in _lists(good.tree.root):
        marks = good.tree.marks(items)
        index = bisect_right(range(len(items)), line + 1, key=lambda index: line_of(marks[index])) - 1
        if index >= 0 and (index < len(items) - 1 or _mapping_holds(good.tree, items[index], line + 1)):
            return path, items, index
    raise _Different


def _mapping_holds(tree: Tree, item: Any, line: int) -> bool:
    """Tell whether a key of the last item stands in ``line``."""
    return isinstance(item, dict) and any(spot_of(mark).key_line == line for mark in tree.marks(item).values())


def _lists(root: Any) -> Iterator[tuple[Place, list[Any]]]:
    """The lists of real servers and their places."""
    for key in _ATTRIBUTES:
        for index, holder in enumerate(root["spec"].get(key, ())):
            items = holder.get("realServers")
            if items:
                yield ("spec", key, index, "realServers"), items


def _end(lines: Sequence[str], first: int, spot: Spot) -> int:
    """The line behind the item whose first line is ``first``, as far as it is made of plain lines."""
    start = _begin(lines[first])
    if start is None or start.start(2) != spot.column - 1:
        raise _Different
    end = first + 1
    if start.re is _ONLY_LINE:
        return end
    while end < len(lines) and (found := _LINE.fullmatch(lines[end])) is not None and len(found[1]) == spot.column - 1:
        end += 1
    return end


def _begin(line: str) -> re.Match[str] | None:
    return _FIRST_LINE.fullmatch(line) or _ONLY_LINE.fullmatch(line)


def _read(lines: Sequence[str], spot: Spot) -> tuple[dict[str, Any], dict[Key, Mark]]:
    """Read the lines of one item alone; returns its values and where they stand in the document."""
    indent = spot.column - 1
    found = [_begin(lines[0]), *map(_LINE.fullmatch, lines[1:])]
    if not all(match is not None and match.start(2) == indent for match in found):
        raise _Different
    findings = Findings("", Tree())
    reader.read("\n".join(match[2] for match in found if match is not None), findings)
    if findings.problems or not findings.tree.whole:
        raise _Different
    values = findings.tree.root
    return values, {key: _moved(item, spot.line - 1, indent) for key, item in findings.tree.marks(values).items()}


def _moved(item: Mark, lines: int, columns: int) -> Mark:
    spot = spot_of(item)
    return mark(spot.line + lines, spot.column + columns, spot.key_line + lines, spot.key_column + columns)


def _model(values: dict[str, Any]) -> RealServer:
    try:
        return RealServer.model_validate(values)
    except ValidationError:
        raise _Different from None


def _shelved(document: HACluster, tree: Tree, expansions: Expansions) -> HACluster:
    """Put the models of real servers on the shelf: the document with their values in their place."""
    lists = {path: tuple(items) for path, items in _lists(tree.root)}
    for path, items in lists.items():
        expansions.shelve(path, items)
    return _exchanged(document, lists)


def _with(document: HACluster, edits: Sequence[_Edit]) -> HACluster:
    """The document with its edits."""
    lists: dict[Place, list[Any]] = {}
    for edit in edits:
        assert edit.model is not None
        lists.setdefault(edit.path, list(_servers(document, edit.path)))[edit.index] = edit.model
    return _exchanged(document, {path: tuple(items) for path, items in lists.items()})


def _exchanged(document: HACluster, lists: Mapping[Place, Sequence[Any]]) -> HACluster:
    """The document with other lists of real servers."""
    members = {attribute: list(getattr(document.spec, attribute) or ()) for attribute in _ATTRIBUTES.values()}
    for (_, key, number, _), items in lists.items():
        assert isinstance(number, int)
        holders = members[_ATTRIBUTES[key]]
        holders[number] = holders[number].model_copy(update={"real_servers": items})
    changed = {attribute: tuple(holders) for attribute, holders in members.items() if holders}
    return document.model_copy(update={"spec": document.spec.model_copy(update=changed)})


def _servers(document: HACluster, path: Place) -> Sequence[Any]:
    _, key, number, _ = path
    servers: Sequence[Any] = getattr(document.spec, _ATTRIBUTES[key])[number].real_servers
    return servers
