"""Reading files, whatever they hold: a spec, or problems, and never another exception."""

import copy
import json
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.spec.documents import check, document

from vedette.spec import load
from vedette.spec.load import Problems, Secrets
from vedette.spec.model import HACluster

EXAMPLES = sorted((Path(__file__).parents[2] / "examples").glob("*/cluster.yaml"))
FULL = Path(__file__).parent / "full.yaml"


@pytest.mark.parametrize("example", EXAMPLES, ids=[example.parent.name for example in EXAMPLES])
def test_every_example_is_right(example: Path) -> None:
    report = load.check(example, secrets=Secrets.IGNORED)
    assert report.problems == ()
    assert report.warnings == ()
    assert load.load(example, secrets=False) == report.spec


def test_a_file_that_cannot_be_read_is_a_problem(tmp_path: Path) -> None:
    for path in (tmp_path / "missing.yaml", tmp_path):
        with pytest.raises(Problems, match="cannot be read"):
            load.load(path)


def test_a_file_that_is_not_utf_8_is_a_problem_at_its_place(tmp_path: Path) -> None:
    path = tmp_path / "cluster.yaml"
    path.write_bytes(b"a: 1\nb: caf\xe9\n")
    (problem,) = load.check(path).problems
    assert (problem.line, problem.column, problem.message) == (2, 7, "this is not UTF-8")


def test_a_byte_order_mark_is_no_fault(tmp_path: Path) -> None:
    path = tmp_path / "cluster.yaml"
    path.write_bytes(b"\xef\xbb\xbf" + document().encode())
    assert load.load(path, secrets=False).name == "t"


def test_problems_print_as_one_line(tmp_path: Path) -> None:
    path = tmp_path / "cluster.yaml"
    path.write_text(document("nothing: 1\nnobody: 2"))
    with pytest.raises(Problems) as caught:
        load.load(path, secrets=False)
    assert len(caught.value.problems) == 2
    assert str(caught.value) == f"{caught.value.problems[0]} (and 1 more)"
    assert "\n" not in str(caught.value)


def test_the_full_document_of_the_design_fits_the_shape() -> None:
    """Whatever is refused of it is refused for not being supported yet, and nothing else."""
    report = load.check(FULL, secrets=Secrets.IGNORED)
    assert report.problems
    assert [problem for problem in report.problems if "not supported yet" not in problem.message] == []


def test_text_is_read_as_a_file_is() -> None:
    spec = load.load_text(document(), name="from git", directory=Path(), secrets=False)
    assert spec == check(document()).spec
    with pytest.raises(Problems, match="from git:1:1"):
        load.load_text("", name="from git", directory=Path())


_NAMES = st.from_regex(r"[a-z][a-z0-9-]{0,8}[a-z0-9]", fullmatch=True)


@st.composite
def documents(draw: st.DrawFn) -> dict[str, object]:
    """Documents that are right."""
    names = draw(st.lists(_NAMES, min_size=3, max_size=7, unique=True))
    nodes = [{"name": name, "address": f"10.0.0.{number}"} for number, name in enumerate(names, start=2)]
    count = draw(st.integers(1, 4))
    addresses = [{"name": f"a{number}", "address": f"203.0.113.{80 + number}/24"} for number in range(count)]
    services = [
        {
            "name": f"s{number}",
            "addresses": [f"a{number}"],
            "ports": draw(st.lists(st.integers(1, 65535), min_size=1, max_size=3, unique=True)),
            "scheduler": draw(st.sampled_from(["rr", "wrr", "wlc", "sh", "mh"])),
            "onFailure": draw(st.sampled_from(["remove", "quiesce"])),
            "realServers": [
                {"address": f"10.0.1.{server}", "weight": draw(st.integers(0, 65535))}
                for server in range(1, draw(st.integers(1, 4)) + 1)
            ],
        }
        for number in range(draw(st.integers(0, count)))
    ]
    spec = {
        "nodes": nodes,
        "groups": [{"name": "web", "addresses": addresses, "preferredNodes": names[:2], "failbackDelay": "5s"}],
        "heartbeat": {"interval": f"{draw(st.integers(10, 500))}ms", "deadAfter": "2s"},
        "virtualServices": services,
        "defaults": {"checks": {"interval": f"{draw(st.integers(1, 60))}s"}},
    }
    return {"apiVersion": "vedette.dev/v1alpha1", "kind": "HACluster", "metadata": {"name": "t"}, "spec": spec}


@settings(max_examples=50, deadline=None)
@given(documents())
def test_a_right_document_is_read_and_keeps_what_was_written(written: dict[str, object]) -> None:
    text = json.dumps(written)
    report = check(text)
    assert report.problems == ()
    assert report.spec is not None
    model = HACluster.model_validate(written)
    again = model.model_dump(by_alias=True, exclude_unset=True, mode="json")
    assert again == written
    same = check(yaml.safe_dump(again)).spec
    assert same == report.spec


TEXTS = [path.read_text() for path in (*EXAMPLES, FULL)]
TREES = [yaml.safe_load(text) for text in TEXTS]
PIECES = [
    "", "\t", "  ", "- ", ": ", "\n", "[", "]", "{", "}", "'", '"', "&a ", "*a ", "!!x ", "#", "null", "yes", "0600",
    "-1", "99999999999999999999", "1.5", "x" * 300, "10.0.0.1", "::1", "{}", "[]", "---\n", "<<: ", "\ud7ff", "\x07",
]  # fmt: skip


@st.composite
def mutations(draw: st.DrawFn) -> str:
    """Right documents with pieces cut out, put in and exchanged."""
    text = draw(st.sampled_from(TEXTS))
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(text)))
        stop = min(len(text), start + draw(st.integers(0, 12)))
        text = text[:start] + draw(st.sampled_from(PIECES)) + text[stop:]
    return text


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(mutations())
def test_a_damaged_document_is_read_or_reported(text: str) -> None:
    report = check(text)
    assert (report.spec is None) == bool(report.problems)
    for problem in report.problems:
        assert 1 <= problem.line <= text.count("\n") + text.count("\r") + 2
        assert problem.message
        for phrase in ("Input should", "pydantic", "Traceback", "NoneType"):
            assert phrase not in str(problem)


@st.composite
def rearrangements(draw: st.DrawFn) -> str:
    """Documents of the right keys with values of any shape under them."""
    tree = copy.deepcopy(draw(st.sampled_from(TREES)))
    for _ in range(draw(st.integers(1, 5))):
        node = tree
        while True:
            keys = list(node) if isinstance(node, dict) else list(range(len(node)))
            key = draw(st.sampled_from(keys))
            if isinstance(node[key], dict | list) and node[key] and draw(st.integers(0, 3)):
                node = node[key]
                continue
            node[key] = draw(st.sampled_from([None, True, 0, -5, 1.5, "", "x", [], {}, [{}], {"a": 1}, ["a"], "5s"]))
            break
    return json.dumps(tree)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(rearrangements())
def test_values_of_any_shape_are_read_or_reported(text: str) -> None:
    report = check(text)
    assert (report.spec is None) == bool(report.problems)
    for problem in report.problems:
        assert "Input should" not in str(problem)
