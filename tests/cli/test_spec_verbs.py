"""``vedette validate``, ``schema`` and ``init`` as typed."""

import io
import json
import stat
import sys
from pathlib import Path
from unittest.mock import ANY

import pytest
import yaml

from vedette.cli.main import main
from vedette.spec import load

EXAMPLES = sorted(str(path) for path in (Path(__file__).parents[2] / "examples").glob("*/cluster.yaml"))
BROKEN = """\
apiVersion: vedette.dev/v1alpha1
kind: HACluster
metadata: {name: t}
spec:
  nodes: [{name: router1}]
  groups: [{addresses: [{adress: 203.0.113.80, address: 203.0.113.80}], failback: "50%,\\nso: yes"}]
"""


@pytest.fixture
def broken(tmp_path: Path) -> Path:
    path = tmp_path / "broken.yaml"
    path.write_text(BROKEN)
    return path


def test_right_documents_end_with_0(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["validate", *EXAMPLES]) == 0
    assert f"no problems in {len(EXAMPLES)} documents" in capsys.readouterr().out


def test_faults_are_printed_at_their_place_with_the_remedy(broken: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["validate", str(broken)]) == 1
    out = capsys.readouterr().out
    assert f"{broken}:6:26: problem: spec.groups[0].addresses[0].adress: `adress` is not a key" in out
    assert "did you mean `address`?" in out
    assert "2 problems in 1 document" in out
    assert "\x1b" not in out


def test_standard_input_is_read(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(BROKEN.encode())))
    assert main(["validate", "-"]) == 1
    assert "stdin:6:26" in capsys.readouterr().out


def test_json_holds_every_part_of_a_problem(broken: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["validate", "-o", "json", str(broken)]) == 1
    report = json.loads(capsys.readouterr().out)
    assert report["valid"] is False
    assert report["problems"][0] == {
        "file": str(broken),
        "line": 6,
        "column": 26,
        "path": "spec.groups[0].addresses[0].adress",
        "message": "`adress` is not a key of an item of `addresses`",
        "remedy": "did you mean `address`?",
    }


def test_annotations_survive_what_documents_hold(broken: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["validate", "-o", "github", str(broken)]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith(f"::error file={broken},line=6,col=26::spec.groups[0]")
    assert "50%25,?so: yes" in lines[1]
    assert all(line.startswith(("::error ", "::warning ")) for line in lines)


def test_a_file_that_is_not_there_ends_with_2_and_the_others_are_checked(
    broken: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["validate", str(broken.with_name("missing.yaml")), str(broken)]) == 2
    captured = capsys.readouterr()
    assert "missing.yaml: No such file" in captured.err
    assert "2 problems" in captured.out


def test_a_file_that_is_not_there_is_a_problem_for_programs_too(
    broken: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    missing = str(broken.with_name("missing.yaml"))
    assert main(["validate", "-o", "json", missing]) == 2
    report = json.loads(capsys.readouterr().out)
    assert [(item["file"], item["line"]) for item in report["problems"]] == [(missing, 0)]
    assert (report["valid"], report["problems"][0]["message"]) == (False, "cannot be read: No such file or directory")
    assert main(["validate", "-o", "github", missing]) == 2
    assert capsys.readouterr().out == f"::error file={missing}::cannot be read: No such file or directory\n"


def test_annotations_of_a_right_document_are_none(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    document = tmp_path / "cluster.yaml"
    document.write_text(
        "apiVersion: vedette.dev/v1alpha1\nkind: HACluster\nmetadata: {name: t}\nspec:\n"
        "  auth: {keys: [{secretFile: cluster.key}]}\n"
        "  nodes: [{name: router1}]\n  groups: [{addresses: [{address: 203.0.113.80}]}]\n"
    )
    assert main(["init", "--key", str(tmp_path / "cluster.key")]) == 0
    capsys.readouterr()
    assert main(["validate", "-o", "github", str(document)]) == 0
    assert capsys.readouterr().out == ""


def test_an_annotation_of_the_whole_document_names_no_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    document = tmp_path / "cluster.yaml"
    document.write_text("x: " + "x" * (16 << 20))
    assert main(["validate", "-o", "github", str(document)]) == 1
    assert capsys.readouterr().out.startswith(f"::error file={document}::the document is longer")


def test_an_empty_name_is_shown_as_one(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["validate", ""]) == 2
    assert capsys.readouterr().err == "vedette: '': No such file or directory\n"


@pytest.mark.parametrize("verb", [("plan",), ("rehearse",), ("real-server", "--status", "--spec"), ("lab", "up")])
def test_a_faulty_document_is_told_to_programs_by_every_verb_that_needs_a_right_one(
    broken: Path, verb: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["validate", "-o", "json", str(broken)]) == 1
    wanted = json.loads(capsys.readouterr().out)["problems"]
    assert main([*verb, str(broken), "-o", "json"]) == 2
    assert json.loads(capsys.readouterr().out)["problems"] == wanted
    assert main([*verb, str(broken)]) == 2
    captured = capsys.readouterr()
    assert (captured.out, captured.err.count("broken.yaml:")) == ("", len(wanted))
    assert "the lab" not in captured.err


def test_the_drills_are_told_to_programs(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["rehearse", "--list", "-o", "json"]) == 0
    assert {"name": "planned-move", "summary": ANY} in json.loads(capsys.readouterr().out)


def test_no_file_is_a_usage_error() -> None:
    with pytest.raises(SystemExit) as caught:
        main(["validate"])
    assert caught.value.code == 2


def test_schema_prints_both_forms(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["schema"]) == 0
    assert json.loads(capsys.readouterr().out)["title"] == "HACluster"
    assert main(["schema", "--crd"]) == 0
    assert yaml.safe_load(capsys.readouterr().out)["kind"] == "CustomResourceDefinition"


def test_init_makes_a_key_that_the_daemon_takes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    key = tmp_path / "keys" / "cluster.key"
    assert main(["init", "--key", str(key)]) == 0
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    out = capsys.readouterr().out
    assert str(key) in out
    assert key.read_text().strip() not in out
    document = tmp_path / "cluster.yaml"
    document.write_text(
        "apiVersion: vedette.dev/v1alpha1\nkind: HACluster\nmetadata: {name: t}\nspec:\n"
        "  auth: {keys: [{secretFile: keys/cluster.key}]}\n"
        "  nodes: [{name: router1}]\n  groups: [{addresses: [{address: 203.0.113.80}]}]\n"
    )
    assert len(load.load(document).keys[0].secret) == 64


def test_init_never_overwrites(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    key = tmp_path / "cluster.key"
    key.write_text("mine")
    assert main(["init", "--key", str(key)]) == 2
    assert key.read_text() == "mine"
    assert "not overwritten" in capsys.readouterr().err


def test_init_says_why_it_cannot(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("")
    assert main(["init", "--key", str(tmp_path / "file" / "cluster.key")]) == 3
    assert "is not a folder" in capsys.readouterr().err


@pytest.mark.parametrize("verb", ["validate", "schema", "init"])
def test_help_teaches_by_example(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main([verb, "--help"])
    assert caught.value.code == 0
    assert "examples:" in capsys.readouterr().out
