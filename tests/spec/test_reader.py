"""YAML text into values: what is refused, where it stands, and that nothing grows without bound."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vedette.spec import reader
from vedette.spec.findings import Findings
from vedette.spec.scalars import Decimal
from vedette.spec.tree import FAULTY, Tree


def read(text: str) -> Findings:
    findings = Findings("t.yaml", Tree())
    reader.read(text, findings)
    return findings


def places(text: str) -> list[tuple[int, int, str]]:
    return [(problem.line, problem.column, problem.message) for problem in read(text).problems]


def test_scalars_are_those_of_yaml_1_2() -> None:
    text = """\
sexagesimal: 1:30
address: 1:2:3:4:5:6:7:8
date: 2026-11-22
truth: true
number: -5
hexadecimal: 0x1F
octal: 0o17
decimal: 1.10
quoted: "0600"
word: yesterday
"""
    findings = read(text)
    assert findings.problems == []
    assert findings.tree.root == {
        "sexagesimal": "1:30",
        "address": "1:2:3:4:5:6:7:8",
        "date": "2026-11-22",
        "truth": True,
        "number": -5,
        "hexadecimal": 31,
        "octal": 15,
        "decimal": Decimal("1.10"),
        "quoted": "0600",
        "word": "yesterday",
    }


@pytest.mark.parametrize("word", ["yes", "No", "ON", "off", "y", "N", "0600", "-07"])
def test_what_other_readers_take_for_something_else_is_refused(word: str) -> None:
    findings = read(f"a: {word}\nb: 1\n")
    assert [(problem.line, problem.column, problem.path) for problem in findings.problems] == [(1, 4, "a")]
    assert findings.tree.root == {"a": FAULTY, "b": 1}
    assert read(f'a: "{word}"').problems == []


@pytest.mark.parametrize("text", ["a:\nb: 1", "a: ~\nb: 1", "a: null\nb: 1"])
def test_a_key_without_a_value_is_a_fault(text: str) -> None:
    assert [problem.message for problem in read(text).problems] == ["`a` has no value"]


def test_a_duplicate_key_is_reported_where_it_stands_and_the_first_counts() -> None:
    findings = read("a: 1\nb: 2\na: {c: [1, {d: 2}]}\n")
    assert places("a: 1\nb: 2\na: {c: [1, {d: 2}]}\n") == [(3, 1, "`a` is written twice; the first is in line 1")]
    assert findings.tree.root == {"a": 1, "b": 2}


@pytest.mark.parametrize(
    ("text", "line", "column", "words"),
    [
        ("a:\n\t- b", 2, 1, "tab"),
        ("a: b: c", 1, 5, "`:` cannot stand here"),
        ("x: 1\na: 'x\nb: 1", 2, 4, "quotation mark is not closed"),
        ("x: 1\na: [::1]\n", 2, 5, "needs quotes"),
        ("a: [1, 2\nb: 3\n", 2, 2, "needs quotes"),
        ("a: {b: 1\nc: 2\n", 2, 2, "needs quotes"),
        ("x:\n  - a: 1\n   b: 2\n", 3, 4, "does not line up"),
        ("x:\n  a: 1\n b: 2\n", 3, 2, "does not line up"),
        ("a: @x", 1, 4, "cannot begin with `@`"),
        ("a: `x`", 1, 4, "cannot begin with"),
        ("a: %x", 1, 4, "cannot begin with `%`"),
        ("a: 1\nb\nc: 2\n", 2, 1, "a key without"),
        ("a: *b\n", 1, 4, "is not defined"),
        ("a: &\n", 1, 5, "anchor"),
        ('a: "\\q"', 1, 5, "escape"),
        ("a: \x07", 1, 4, "control character"),
        ("a: 1\n---\nb: 2\n", 2, 1, "second document"),
        ("- a\n", 1, 1, "mapping of keys"),
        ("just text", 1, 1, "mapping of keys"),
        ("", 1, 1, "empty"),
        ("# nothing but words\n", 1, 1, "empty"),
        ("--- \n", 1, 1, "empty"),
        ("a: {{ value }}\n", 1, 5, "must be plain text"),
        ("[a]: 1\n", 1, 1, "must be plain text"),
        ("a: !!python/object:os.system {}\n", 1, 4, "tag"),
        ("a: !!str 1\n", 1, 4, "tag"),
        ("a: &a [1, *a]\n", 1, 11, "holds itself"),
    ],
)
def test_what_is_no_plain_yaml_is_reported_at_its_place(text: str, line: int, column: int, words: str) -> None:
    found = places(text)
    assert len(found) == 1, found
    assert found[0][:2] == (line, column), found
    assert words in found[0][2]


def test_aliases_are_followed() -> None:
    findings = read("a: &x {b: [1, 2]}\nc: *x\nd: [*x]\n")
    assert findings.problems == []
    assert findings.tree.root == {"a": {"b": [1, 2]}, "c": {"b": [1, 2]}, "d": [{"b": [1, 2]}]}


def test_a_bomb_of_aliases_does_not_go_off() -> None:
    lines = ["a: &a [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"{new}: &{new} [{', '.join([f'*{old}'] * 10)}]" for old, new in zip("abcdefgh", "bcdefghi", strict=True)]
    assert "aliases" in places("\n".join(lines))[0][2]


def test_depth_and_size_are_bounded() -> None:
    assert "levels inside each other" in places("{a: " * 5000)[0][2]
    assert "levels inside each other" in places("a: " + "[" * 5000)[0][2]
    assert "MiB" in places("a" * (reader.LARGEST + 1))[0][2]


def test_what_stands_before_a_syntax_error_is_kept() -> None:
    findings = read("a: {b: 1}\nc:\n  - d: 2\n  - e: [::1]\n")
    assert findings.tree.cut_off
    assert findings.tree.root["a"] == {"b": 1}
    assert findings.tree.root["c"][0] == {"d": 2}


_SCALARS = st.text(alphabet=st.characters(codec="utf-8", categories=("L", "N", "P", "S", "Zs")), max_size=8)
_VALUES = st.recursive(
    st.one_of(_SCALARS, st.integers(-(10**6), 10**6), st.booleans()),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(_SCALARS, inner, max_size=4)),
    max_leaves=20,
)


@given(st.dictionaries(_SCALARS, _VALUES, min_size=1, max_size=4))
def test_json_is_read_as_the_same_values(values: dict[str, object]) -> None:
    findings = read(json.dumps(values, ensure_ascii=False))
    assert findings.problems == []
    assert findings.tree.root == values


@given(st.text(max_size=200))
def test_any_text_is_read_or_reported(text: str) -> None:
    findings = read(text)
    assert findings.problems or isinstance(findings.tree.root, dict)
    for problem in findings.problems:
        assert 0 <= problem.line <= text.count("\n") + text.count("\r") + text.count("\x85") + 2
