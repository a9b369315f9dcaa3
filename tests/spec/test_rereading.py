"""Reading an edit by its lines: always what a full read says, and quickly where that matters."""

import re
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.spec.documents import HEAD

from vedette.spec import load
from vedette.spec.load import Report, Secrets
from vedette.spec.rereading import Rereader

TOP = """\
spec:
  auth: {keys: [{secretFile: cluster.key}]}
  nodes:
    - {name: r1, address: 10.9.0.2}
    - {name: r2, address: 10.9.0.3}
    - {name: w, address: 10.9.0.4, role: witness}
  groups: [{addresses: [{address: 203.0.113.80/24}, {address: 203.0.113.81/24}]}]
"""
TAIL = """\
  serverPools:
    - name: shared
      realServers:
      - address: 10.0.2.1
        weight: 4
      - address: 10.0.2.2-10.0.2.4
        port: 8080
"""
PLAIN = f"""\
{HEAD}{TOP}\
  virtualServices:
    - ports: [80]
      addresses: [203.0.113.80]
      realServers:
        - address: 10.0.0.1
          weight: 1
        - address: 10.0.0.2
          weight: 2
          description: second of three
        # rack 2
        - address: "10.0.0.3"
          maintenance: true  # until Monday
        - {{address: 10.0.0.4, weight: 5, description: 'in braces'}}
    - ports: [81]
      serverPool: shared
{TAIL}"""


def _full(text: str, directory: Path) -> Report:
    return load.check_text(text, name="t.yaml", directory=directory, secrets=Secrets.IF_PRESENT)


def _rereader(directory: Path) -> Rereader:
    return Rereader("t.yaml", directory, Secrets.IF_PRESENT)


@pytest.fixture
def whole_reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The texts that were read as a whole."""
    read, texts = load.read, []

    def counted(text: str, **others: object) -> load.Reading:
        texts.append(text)
        return read(text, **others)  # type: ignore[arg-type]

    monkeypatch.setattr(load, "read", counted)
    return texts


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("weight: 2", "weight: 20"),
        ("weight: 4", 'description: "the second"'),
        ("maintenance: true", "maintenance: false"),
        ("true  # until Monday", "false # at last"),
        ("weight: 5, ", "weight: 6, "),
        ("weight: 5, description: 'in braces'", "port: 8080"),
        ("address: 10.0.0.2", "address: 10.0.0.9"),
        ("address: 10.0.0.2", "address: 10.0.0.20-10.0.0.29"),
        ("weight: 4", "port: 81"),
        ("port: 8080", "weight: 3"),
    ],
)
def test_an_edit_of_plain_lines_is_read_by_these_lines(
    old: str, new: str, tmp_path: Path, whole_reads: list[str]
) -> None:
    rereader = _rereader(tmp_path)
    rereader.check(PLAIN)
    edited = PLAIN.replace(old, new, 1)
    report = rereader.check(edited)
    assert whole_reads == [PLAIN]
    assert report.spec is not None
    assert report == _full(edited, tmp_path)


def test_edits_in_several_lists_at_once_are_read_by_their_lines(tmp_path: Path, whole_reads: list[str]) -> None:
    rereader = _rereader(tmp_path)
    rereader.check(PLAIN)
    edited = PLAIN.replace("weight: 1", "weight: 10").replace("weight: 4", "weight: 40").replace("8080", "8081")
    report = rereader.check(edited)
    assert whole_reads == [PLAIN]
    assert report == _full(edited, tmp_path)


def test_a_faulty_edit_is_reported_as_ever_and_the_next_is_compared_with_the_last_good_text(
    tmp_path: Path, whole_reads: list[str]
) -> None:
    rereader = _rereader(tmp_path)
    rereader.check(PLAIN)
    for faulty in ("weight: 70000", "weigth: 2", "weight: 0600", "maxConnections: -1", "address: 10.0.0.1"):
        text = PLAIN.replace("weight: 2", faulty, 1)
        report = rereader.check(text)
        assert report.problems
        assert report == _full(text, tmp_path)
    del whole_reads[:]
    fixed = PLAIN.replace("weight: 2", "weight: 3", 1)
    assert rereader.check(fixed) == _full(fixed, tmp_path)
    assert whole_reads == [fixed]  # by the full read beside it


def test_two_servers_that_become_the_same_are_reported(tmp_path: Path) -> None:
    rereader = _rereader(tmp_path)
    rereader.check(PLAIN)
    text = PLAIN.replace("10.0.0.2", "10.0.0.1", 1)
    report = rereader.check(text)
    assert report.problems
    assert report == _full(text, tmp_path)


def test_secrets_are_read_again_with_every_version(tmp_path: Path, key_file: Path) -> None:
    rereader = _rereader(tmp_path)
    first = rereader.check(PLAIN).spec
    key_file.write_text("f" * 32)
    second = rereader.check(PLAIN).spec
    assert first is not None
    assert second is not None
    assert first.keys != second.keys
    key_file.unlink()
    assert rereader.check(PLAIN) == _full(PLAIN, tmp_path)


def test_a_large_document_without_change_shares_what_it_means(tmp_path: Path) -> None:
    """So that who compares two versions is done at once."""
    rereader = _rereader(tmp_path)
    first = rereader.check(PLAIN).spec
    second = rereader.check(PLAIN.replace("weight: 2", "weight: 3", 1)).spec
    assert first is not None
    assert second is not None
    before, after = first.virtual_services[0].real_servers, second.virtual_services[0].real_servers
    assert [old is new for old, new in zip(before, after, strict=True)] == [True, False, True, True]


# Whatever the edit is, the answer is that of a full read

_ITEMS = (
    "- address: 10.0.{n}.1\n  weight: 3",
    "- address: 10.0.{n}.1",
    "- weight: 3\n  address: 10.0.{n}.1",
    '- address: "10.0.{n}.1"\n  description: web server {n}',
    "- address: 10.0.{n}.1-10.0.{n}.3\n  port: 8080",
    "- hostname: app{n}.example.org\n  weight: 2",
    "- {{address: 10.0.{n}.1, weight: 2}}",
    "- {{address: 10.0.{n}.1,\n   weight: 2}}",
    "- {{address: 10.0.{n}.1, description: a b}} # yes",
    "- address: 10.0.{n}.1\n  weight:\n    5",
    "- address: 10.0.{n}.1\n  description: one\n    two",
    "- address: 10.0.{n}.1\n\n  weight: 6  # six",
    "# a comment\n- address: 10.0.{n}.1",
    "-   address: 10.0.{n}.1\n    weight: 1",
    "-\n  address: 10.0.{n}.1\n  weight: 1",
    "- address: 10.0.{n}.1\n  labels: {{rack: a}}",
    "- address: 10.0.{n}.1\n  labels:\n    rack: b\n    row: c",
    "- address: 10.0.{n}.1\n  description: |\n    address: 10.0.{n}.9\n    weight: 8",
    "- address: 10.0.{n}.1\n  description: >-\n    - address: 10.0.{n}.9\n      weight: 8",
    "- &a{n}\n  address: 10.0.{n}.1",
    "- address: &b{n} 10.0.{n}.1\n  description: *b{n}",
)
_LINES = (
    "weight: 7", "weight: 07", "weight: 0x10", "weight: 70000", "weight: yes", "weight: ~", "weight:", "weight: '8'",
    "weight: 9 # nine", "weight: 1_0", "weight: 1.5", "maintenance: true", "maintenance: on", "port: 81", "port: 0",
    "address: 10.0.1.1", "address: 10.0.77.1", "address: 2001:db8::1", "address: 203.0.113.80", "address: 10.0.1.1-3",
    "- address: 10.0.55.1", "- weight: 2", "- address: 10.0.2.1", "description: a - b", "description: a: b",
    "description: 'x'", "description: \"it is\"", "description: |", "description: caf\u00e9", "labels: {a: b}", "six",
    "maxConnections: 5", "name: x", "weigth: 5", "  weight: 5", " weight: 5", "", "# nothing", "---", "...",
    "\tweight: 5", "weight: 5\r", "weight: 5\u2028weight: 6", "a: b: c", "- - a", "? a",
    "address: [10.0.0.1]", "*x", "&x weight: 2",
    "description: [", "realServers: []", "ports: [82]", "weight: 5 ", "weight : 5", "Weight: 5", "weight: +5",
    "weight: 5:",
)  # fmt: skip


_PLAIN = re.compile("(address|hostname|weight|port|description): [^,}#]*")
_VALUES = {
    "address": ("10.0.88.1", "10.0.89.1-10.0.89.4", '"10.0.90.1"', "10.0.1.1", "10.0.300.1", "2001:db8::1"),
    "hostname": ("app60.example.org", "a b", "app61.example.org"),
    "weight": ("1", "12", "65535", "65536", "~", "007", '"1"', "0x1f"),
    "port": ("80", "8080", "0"),
    "description": ("one word", '"two words"', "a - b", "12", "yes", "a #b", "|", "http://x:80/"),
}


@st.composite
def _documents(draw: st.DrawFn) -> str:
    numbers = iter(range(1, 60))
    kinds = draw(st.sampled_from((_ITEMS[:7], _ITEMS[:7], _ITEMS[:-2], _ITEMS)))

    def servers(indent: int) -> str:
        items = draw(st.lists(st.sampled_from(kinds), min_size=1, max_size=5))
        lines = "\n".join(item.format(n=next(numbers)) for item in items).split("\n")
        return "".join(f"{' ' * indent if line else ''}{line}\n" for line in lines)

    indents = st.sampled_from((6, 8))
    text = f"{HEAD}{TOP}  virtualServices:\n    - ports: [80]\n      realServers:\n{servers(draw(indents))}"
    if draw(st.booleans()):
        text += f"    - ports: [81]\n      realServers:\n{servers(draw(indents))}"
    if draw(st.booleans()):
        text += "    - {ports: [82], serverPool: p}\n  serverPools:\n    - name: p\n      realServers:\n"
        text += servers(draw(indents))
    return text


@st.composite
def _edits(draw: st.DrawFn, text: str) -> str:
    """Another text: lines replaced in place, mostly one; now and then removed or added."""
    lines = text.split("\n")
    top = min(12, len(lines) - 1)  # below the nodes
    plain = [number for number, line in enumerate(lines) if number > top and _PLAIN.search(line)]
    for _ in range(draw(st.integers(1, 3))):
        if plain and draw(st.integers(0, 3)) > 0:
            number = plain[draw(st.integers(0, len(plain) - 1))]
            members = list(_PLAIN.finditer(lines[number]))
            if not members:
                continue
            found = draw(st.sampled_from(members))
            value = draw(st.sampled_from(_VALUES[found[1]]))
            lines[number] = f"{lines[number][: found.start()]}{found[1]}: {value}{lines[number][found.end() :]}"
            continue
        number = draw(st.integers(top, len(lines) - 1))
        line = lines[number]
        match draw(st.sampled_from(("keep-indent", "keep-indent", "raw", "remove", "double"))):
            case "keep-indent":
                indent = len(line) - len(line.lstrip(" -"))
                prefix = line[:indent] if draw(st.booleans()) else " " * indent
                lines[number] = prefix + draw(st.sampled_from(_LINES))
            case "raw":
                lines[number] = draw(st.text("- :#ab1\"'&*|>{}[],\t\r\n", max_size=12))
            case "remove":
                if len(lines) > top + 1:
                    return "\n".join([*lines[:number], *lines[number + 1 :]])
            case "double":
                return "\n".join([*lines[:number], line, *lines[number:]])
    return "\n".join(lines)


@st.composite
def _histories(draw: st.DrawFn) -> Sequence[str]:
    first = draw(_documents())
    texts = [first]
    for _ in range(draw(st.integers(1, 4))):
        texts.append(draw(_edits(draw(st.sampled_from((first, texts[-1]))))))
    return texts


@settings(max_examples=150, deadline=None)
@given(texts=_histories())
def test_any_history_of_edits_reads_as_if_each_text_were_the_first(texts: Sequence[str]) -> None:
    rereader = _rereader(Path("/nonexistent"))
    for text in texts:
        assert rereader.check(text) == _full(text, Path("/nonexistent"))
