"""``vedette plan``: exit codes, and the document that runs."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from tests.cli.daemon import give
from tests.spec.documents import document

from vedette.cli.main import main
from vedette.edits.masking import masked
from vedette.kit import plain
from vedette.spec import load

SERVICE = "virtualServices: [{addresses: [public], ports: [80, 443], realServers: [{address: 10.0.0.11-10.0.0.12}]}]"
STATUS: dict[str, Any] = {
    "groups": [{"name": "default", "holder": "r1"}],
    "nodes": [{"name": "r1", "ready": True}],
    "virtualServices": [],
    "orders": [],
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "old.yaml").write_text(document(SERVICE))
    (tmp_path / "new.yaml").write_text(document(SERVICE.replace("80, 443", "80")))
    (tmp_path / "other.yaml").write_text(document(SERVICE).replace("name: t}", "name: u}"))
    (tmp_path / "bad.yaml").write_text(document(SERVICE.replace("80,", "eighty,")))
    return tmp_path


@pytest.mark.parametrize(("new", "code"), [("old", 0), ("new", 1), ("other", 2), ("bad", 2)])
def test_the_exit_code_says_whether_something_changes(folder: Path, new: str, code: int) -> None:
    assert main(["plan", str(folder / f"{new}.yaml"), "--against", str(folder / "old.yaml")]) == code


def test_programs_get_severities(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["plan", str(folder / "new.yaml"), "--against", str(folder / "old.yaml"), "-o", "json"])
    report = json.loads(capsys.readouterr().out)
    assert report["worst"] == "cut"
    assert report["changes"][0]["subject"] == "virtual service 203.0.113.80:80"


def test_faults_of_a_document_are_told_with_their_places(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["plan", str(folder / "bad.yaml"), "--against", str(folder / "old.yaml")])
    assert re.search(r"bad\.yaml:\d+:\d+: .*eighty", capsys.readouterr().err)


def _running(folder: Path, nonce: bytes = b"") -> dict[str, Any]:
    spec = masked(load.load(folder / "old.yaml", secrets=False), nonce)
    return {"spec": plain.dump(spec), "revision": 7, "status": STATUS}


def test_it_is_compared_with_what_runs_here(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, asked = give(folder, ["plan", str(folder / "new.yaml")], _running(folder))
    assert code == 1
    assert (asked["verb"], len(asked["nonce"])) == ("running", 32)
    assert "revision 7" in capsys.readouterr().out


def test_a_daemon_of_another_release_is_told_apart(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, _ = give(folder, ["plan", str(folder / "new.yaml")], {"spec": {"shape": "other"}, "revision": 7})
    assert code == 3
    assert "another release" in capsys.readouterr().err


def test_without_a_daemon_it_names_the_way_to_do_without(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", str(folder / "new.yaml"), "--run-dir", str(folder)]) == 3
    assert "--against" in capsys.readouterr().err


def test_a_secret_that_cannot_be_read_is_not_taken_for_a_change(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Both have the key; where the new one is tried it is not."""
    (folder / "a.key").write_text("k" * 32)
    (folder / "a.key").chmod(0o600)
    text = (folder / "old.yaml").read_text().replace("spec:\n", "spec:\n  auth: {keys: [{secretFile: a.key}]}\n")
    (folder / "old.yaml").write_text(text)
    (folder / "elsewhere").mkdir()
    (folder / "elsewhere" / "new.yaml").write_text(text)
    assert main(["plan", str(folder / "elsewhere" / "new.yaml"), "--against", str(folder / "old.yaml")]) == 0
    assert "secrets are not compared" in capsys.readouterr().err
