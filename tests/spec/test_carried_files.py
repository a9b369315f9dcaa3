"""What travels with a document under ``specSync``: which files, how many, and that they are part of what it is."""

from pathlib import Path

import pytest

from vedette.spec import carried_files, load
from vedette.spec.load import Report, Secrets

DOCUMENT = """\
apiVersion: vedette.dev/v1alpha1
kind: HACluster
metadata: {name: web}
spec:
  specSync: true
  auth: {keys: [{secretFile: cluster.key}]}
  nodes:
    - {name: router1, address: 10.0.0.2}
    - {name: router2, address: 10.0.0.3}
    - {name: router3, address: 10.0.0.4}
  groups:
    - addresses: [{address: 203.0.113.80/24, interface: eth0}]
  virtualServices:
    - addresses: [203.0.113.80]
      ports: [80]
      realServersFile: lists/app.txt
      sorryServer: {page: {status: 503, bodyFile: sorry.html}}
      checks: [{https: {caFile: ca.pem, certificateFile: own.pem, keyFile: own.key}}]
"""
FILES = {"lists/app.txt": "10.0.0.11\n", "sorry.html": "sorry", "ca.pem": "a certificate"}
PRIVATE = {"cluster.key": "k" * 40, "own.pem": "another", "own.key": "secret"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The document's files as they must be."""
    (tmp_path / "lists").mkdir()
    for name, text in (FILES | PRIVATE).items():
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o600 if name in ("cluster.key", "own.key") else 0o644)
    return tmp_path


def check(folder: Path, text: str = DOCUMENT) -> Report:
    return load.check_text(text, name="t.yaml", directory=folder, secrets=Secrets.REQUIRED)


def receive(folder: Path, files: dict[str, str]) -> Report:
    """As a node reads what another one has sent."""
    received = {name: text.encode() for name, text in files.items()}
    return load.read(DOCUMENT, name="t.yaml", directory=folder, secrets=Secrets.REQUIRED, received=received).report


def test_lists_pages_and_authorities_travel_and_what_is_a_nodes_own_does_not(folder: Path) -> None:
    report = check(folder)
    assert report.problems == ()
    assert report.carried == {name: text.encode() for name, text in FILES.items()}
    assert {folder / name for name in FILES} <= set(report.companions)


def test_without_spec_sync_nothing_travels_and_files_are_no_part_of_the_digest(folder: Path) -> None:
    text = DOCUMENT.replace("  specSync: true\n", "")
    before = check(folder, text)
    (folder / "sorry.html").write_text("another page")
    after = check(folder, text)
    assert before.carried == {}
    assert before.spec is not None
    assert after.spec is not None
    assert before.spec.digest == after.spec.digest


@pytest.mark.parametrize("name", FILES)
def test_an_edit_of_a_file_is_an_edit_of_the_document(folder: Path, name: str) -> None:
    before = check(folder).spec
    (folder / name).write_text("10.0.0.12\n")
    after = check(folder).spec
    assert before is not None
    assert after is not None
    assert before.digest != after.digest


def test_what_came_is_read_in_place_of_what_is_here_and_means_the_same(folder: Path) -> None:
    there = check(folder).spec
    for name in FILES:
        (folder / name).unlink()
    here = receive(folder, FILES)
    assert here.problems == ()
    assert here.spec == there


def test_a_document_that_comes_without_one_of_its_files_is_refused(folder: Path) -> None:
    report = receive(folder, {name: text for name, text in FILES.items() if name != "ca.pem"})
    assert [problem.message for problem in report.problems] == ["ca.pem has not come with the document"]


def test_a_fault_in_a_file_that_came_is_a_fault_of_the_document(folder: Path) -> None:
    report = receive(folder, FILES | {"lists/app.txt": "10.0.0.11\nnonsense\n"})
    assert [(Path(problem.file).name, problem.line) for problem in report.problems] == [("app.txt", 2)]


def test_a_secret_that_is_missing_here_is_named_with_its_remedy(folder: Path) -> None:
    (folder / "own.key").unlink()
    (problem,) = receive(folder, FILES).problems
    assert "own.key does not exist" in problem.message
    assert "chmod 600" in problem.remedy


@pytest.mark.parametrize("name", ["/srv/app.txt", "../app.txt", "lists/../app.txt", ".app.txt", "lists/.app.txt"])
def test_what_stands_elsewhere_is_each_nodes_own(tmp_path: Path, name: str) -> None:
    text = DOCUMENT.replace("lists/app.txt", name).replace(", bodyFile: sorry.html", "").partition("      checks:")[0]
    assert check(tmp_path, text).carried == {}


def test_a_private_file_does_not_travel_in_the_clear(folder: Path) -> None:
    (folder / "ca.pem").chmod(0o600)
    (problem,) = check(folder).problems
    assert "ca.pem is private" in problem.message


@pytest.mark.parametrize(
    ("limit", "value", "said"), [("MOST", 2, "carries 2 files"), ("LARGEST", 20, "carries 0 MiB of files")]
)
def test_more_than_is_carried_is_refused(
    folder: Path, monkeypatch: pytest.MonkeyPatch, limit: str, value: int, said: str
) -> None:
    monkeypatch.setattr(carried_files, limit, value)
    (problem,) = check(folder).problems
    assert said in problem.message
    assert "whole path" in problem.remedy
